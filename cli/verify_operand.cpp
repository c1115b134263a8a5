#include "cli/verify_operand.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "a8w8/half.h"

namespace a8w8::cli {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kTiny = 1e-40f;  // subnormal

template <class T>
void put(std::byte* at, float value) {
  const T converted = static_cast<T>(value);
  std::memcpy(at, &converted, sizeof converted);
}

void put_bits(std::byte* at, uint16_t bits) { std::memcpy(at, &bits, sizeof bits); }

}  // namespace

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int64_t Random::between(int64_t lo, int64_t hi) {
  return lo + static_cast<int64_t>(next() % static_cast<uint64_t>(hi - lo + 1));
}

float Random::real(float lo, float hi) { return lo + (hi - lo) * static_cast<float>(next() >> 40) * 0x1p-24f; }

int64_t Random::size(int64_t max) {
  if (one_in(2)) return between(1, std::min<int64_t>(max, 24));
  const int64_t tile = int64_t{8} << between(0, 3);
  return std::clamp<int64_t>(tile * between(1, std::max<int64_t>(1, max / tile)) + between(-1, 1), 1, max);
}

std::optional<DType> Random::pick(DTypeSet set) {
  std::vector<std::optional<DType>> choices;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (set.contains(static_cast<DType>(i))) choices.push_back(static_cast<DType>(i));
  }
  if (set.allows_absent()) choices.push_back(std::nullopt);
  return choices[static_cast<size_t>(between(0, static_cast<int64_t>(choices.size()) - 1))];
}

Operand::Operand(DType dtype, const Dims& sizes, Random& random, bool swapped)
    : dtype_(dtype),
      sizes_(sizes),
      swapped_(swapped),
      start_(dtype_size(dtype) * static_cast<size_t>(random.between(0, 7))),
      bytes_(start_ + static_cast<size_t>(sizes.numel()) * dtype_size(dtype)) {
  Dims stored = sizes;
  if (swapped) std::swap(stored[-1], stored[-2]);
  strides_ = contiguous_strides(stored);
  if (swapped) std::swap(strides_[-1], strides_[-2]);
}

void Operand::set(int64_t i, float value) {
  std::byte* at = bytes_.data() + start_ + static_cast<size_t>(i) * dtype_size(dtype_);
  switch (dtype_) {
    case DType::kI8:
      return put<int8_t>(at, value);
    case DType::kU8:
      return put<uint8_t>(at, value);
    case DType::kI32:
      return put<int32_t>(at, value);
    case DType::kF16:
      return put_bits(at, float_to_half(value));
    case DType::kBF16:
      return put_bits(at, float_to_bfloat16(value));
    default:
      return put<float>(at, value);
  }
}

void Operand::fill_uniform(float lo, float hi, Random& random) {
  for (int64_t i = 0; i < numel(); ++i) set(i, random.real(lo, hi));
}

void Operand::fill_bytes(Random& random) {
  const int64_t kind = random.between(0, 9);
  const auto constant = static_cast<uint8_t>(random.one_in(2) ? -128 : 127);
  for (size_t i = start_; i < bytes_.size(); ++i) {
    const uint64_t bits = random.next();
    const auto corner = static_cast<uint8_t>(bits & 1 ? -128 : 127);
    bytes_[i] = std::byte(kind == 0 ? constant : kind < 3 ? corner : static_cast<uint8_t>(bits >> 8));
  }
}

void Operand::fill_scales(Random& random) {
  for (int64_t i = 0; i < numel(); ++i) {
    const float special[] = {0.0f, -0.0f, kTiny, 1e-20f, 3e38f};
    const float scale = random.one_in(50) ? special[random.between(0, 4)] : random.real(-0.01f, 0.01f);
    if (dtype_ != DType::kI64) {
      set(i, scale);
      continue;
    }
    const uint64_t word = std::bit_cast<uint32_t>(scale) | static_cast<uint64_t>(random.between(0, 511)) << 37;
    std::memcpy(bytes_.data() + start_ + 8 * static_cast<size_t>(i), &word, sizeof word);
  }
}

void Operand::add_specials(Random& random) {
  for (const float special : {std::numeric_limits<float>::quiet_NaN(), kInf, -kInf, 0.0f, kTiny}) {
    if (random.one_in(2)) set(random.between(0, numel() - 1), special);
  }
}

}  // namespace a8w8::cli
