#include "checkpoint/layer_parameters.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_layers.h"
#include "checkpoint/scalars.h"

namespace a8w8::checkpoint {
namespace {

// Values that are in no file, and what must outlive them.
struct Owned {
  std::shared_ptr<const void> keeps_alive;
  std::deque<std::vector<std::byte>> blocks;  // a deque, so that views stay valid

  // Room for elements of type T, and the view of them.
  template <class T>
  std::pair<T*, ConstTensorView> make(DType dtype, const Dims& sizes) {
    blocks.emplace_back(static_cast<size_t>(sizes.numel()) * sizeof(T));
    T* data = reinterpret_cast<T*>(blocks.back().data());
    return {data, ConstTensorView(data, dtype, sizes)};
  }
};

class Builder {
 public:
  Builder(const Loaded& loaded, const LayerRecord& layer, const LayerOptions& options,
          std::shared_ptr<const void> alive)
      : loaded_(loaded), layer_(layer), options_(options), owned_(std::make_shared<Owned>()) {
    owned_->keeps_alive = std::move(alive);
    result_.name = layer.name;
    const CheckpointTensor& weight = *loaded.folder.table.find(layer.name + ".weight");
    result_.quant_type = weight.quant_type;
    result_.weight = weight.view;
    if (const ConstTensorView* bias = find("bias")) result_.bias = vector(*bias);
  }

  LayerParameters build() {
    switch (layer_.kind) {
      case LayerKind::kStatic:
        read_static();
        break;
      case LayerKind::kMix:
        options_.mix == LayerScheme::kStatic ? read_static() : read_dynamic();
        break;
      case LayerKind::kInt4:
        unpack();
        read_dynamic();
        break;
      case LayerKind::kDynamic:
      case LayerKind::kCompressedDynamic:
        read_dynamic();
        break;
      case LayerKind::kCompressedStatic:
        make_static();
        break;
    }
    result_.owned = owned_;
    return result_;
  }

 private:
  const ConstTensorView* find(const char* role) const {
    const CheckpointTensor* tensor = loaded_.folder.table.find(layer_.name + "." + role);
    return tensor == nullptr ? nullptr : &tensor->view;
  }
  const ConstTensorView& get(const char* role) const {
    const ConstTensorView* view = find(role);
    if (view == nullptr)
      throw Error(ErrorCode::kNotFound, str_cat("tensor \"", layer_.name, ".", role, "\" is missing"));
    return *view;
  }
  int64_t n() const { return result_.weight.sizes[0]; }

  // The same numbers under another shape: those of a file lie densely.
  static ConstTensorView vector(const ConstTensorView& view) { return {view.data, view.dtype, {view.numel()}}; }

  void read_dynamic() {
    result_.scheme = LayerScheme::kDynamic;
    const ConstTensorView& scale = get("weight_scale");
    if (scale.numel() == n()) {
      result_.weight_scale = ConstTensorView(scale.data, scale.dtype, {n(), 1});
      return;
    }
    const auto [values, view] = owned_->make<float>(DType::kF32, {n(), 1});  // one scale for all rows
    std::fill(values, values + n(), static_cast<float>(element(scale, 0)));
    result_.weight_scale = view;
  }

  void read_static() {
    result_.scheme = LayerScheme::kStatic;
    result_.input_scale = vector(get("input_scale"));
    result_.input_offset = vector(get("input_offset"));
    result_.deq_scale = vector(get("deq_scale"));
    result_.quant_bias = vector(get("quant_bias"));
    make_offset_readable();
  }

  // linear_static takes no integers but int8; the format allows all of them.
  void make_offset_readable() {
    const DType dtype = result_.input_offset->dtype;
    if (dtype == DType::kI8 || is_floating(dtype)) return;
    const auto [value, view] = owned_->make<int8_t>(DType::kI8, {1});
    *value = static_cast<int8_t>(element(*result_.input_offset, 0));
    result_.input_offset = view;
  }

  void unpack() {
    const int64_t rows = int4_rows(loaded_.folder.table, layer_.name);
    if (rows == n()) return;  // one value in a byte
    const auto [values, view] = owned_->make<int8_t>(DType::kI8, {rows, result_.weight.sizes[1]});
    unpack_int4_rows(result_.weight, values);
    result_.weight = view;
  }

  // compressed-tensors stores the factors: deq_scale = input_scale * weight_scale, quant_bias = -zp * sum_k w.
  void make_static() {
    result_.scheme = LayerScheme::kStatic;
    result_.input_scale = vector(get("input_scale"));
    result_.adds_bias = result_.bias.has_value();
    make_deq_scale(get("weight_scale"));
    const auto [offset, view] = owned_->make<int8_t>(DType::kI8, {1});
    const ConstTensorView* zero_point = find("input_zero_point");
    *offset = static_cast<int8_t>(zero_point == nullptr ? 0 : element(*zero_point, 0));
    result_.input_offset = view;
    if (*offset != 0) make_correction(*offset);
  }

  void make_deq_scale(const ConstTensorView& weight_scale) {
    const auto [deq_scale, view] = owned_->make<float>(DType::kF32, {n()});
    const float input_scale = static_cast<float>(element(*result_.input_scale, 0));
    const bool exact = options_.parity == Parity::kExact;
    const DType model = options_.model_dtype.value_or(loaded_.config.dtype.value_or(weight_scale.dtype));
    for (int64_t i = 0; i < n(); ++i) {
      const float scale = static_cast<float>(element(weight_scale, weight_scale.numel() == 1 ? 0 : i));
      deq_scale[i] =
          exact ? input_scale * scale : rounded_to(model, rounded_to(model, input_scale) * rounded_to(model, scale));
    }
    result_.deq_scale = view;
  }

  void make_correction(int64_t zero_point) {
    std::vector<int64_t> sums(static_cast<size_t>(n()));
    row_sums(result_.weight, sums.data());
    const auto [correction, view] = owned_->make<int32_t>(DType::kI32, {n()});
    for (int64_t i = 0; i < n(); ++i) {
      const int64_t value = -zero_point * sums[static_cast<size_t>(i)];
      if (value != static_cast<int32_t>(value)) {
        throw Error(ErrorCode::kUnsupported,
                    str_cat(loaded_.folder.path, ": tensor ", quote(layer_.name + ".weight"), " row ", i,
                            ": the correction for the zero point, ", value, ", does not fit into int32"));
      }
      correction[i] = static_cast<int32_t>(value);
    }
    result_.quant_bias = view;
  }

  const Loaded& loaded_;
  const LayerRecord& layer_;
  const LayerOptions& options_;
  std::shared_ptr<Owned> owned_;
  LayerParameters result_;
};

}  // namespace

LayerParameters layer_parameters(const Loaded& loaded, const LayerRecord& layer, const LayerOptions& options,
                                 std::shared_ptr<const void> keeps_alive) {
  return Builder(loaded, layer, options, std::move(keeps_alive)).build();
}

void unpack_int4_rows(const ConstTensorView& packed, int8_t* out) {
  const int64_t k = packed.sizes[1];
  const int8_t* from = static_cast<const int8_t*>(packed.data);
  for (int64_t i = 0; i < packed.sizes[0]; ++i, from += k) {
    int8_t *even = out + 2 * i * k, *odd = even + k;
    for (int64_t j = 0; j < k; ++j) {
      even[j] = static_cast<int8_t>(static_cast<int8_t>(static_cast<uint8_t>(from[j]) << 4) >> 4);
      odd[j] = static_cast<int8_t>(from[j] >> 4);
    }
  }
}

void row_sums(const ConstTensorView& weight, int64_t* out) {
  // Sums of int8 over up to 2^23 elements fit into int32, and a loop over int32 is one that compilers vectorize.
  constexpr int64_t kChunk = int64_t{1} << 23;
  const int64_t k = weight.sizes[1];
  const int8_t* from = static_cast<const int8_t*>(weight.data);
  for (int64_t i = 0; i < weight.sizes[0]; ++i) {
    out[i] = 0;
    for (int64_t begin = 0; begin < k; begin += kChunk) {
      const int64_t end = std::min(k, begin + kChunk);
      int32_t sum = 0;
      for (int64_t j = begin; j < end; ++j) sum += from[i * k + j];
      out[i] += sum;
    }
  }
}

}  // namespace a8w8::checkpoint
