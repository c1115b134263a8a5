#include "a8w8/tensor_view.h"

#include "a8w8/status.h"
#include "base/str_cat.h"

namespace a8w8 {

int Dims::refuse(int64_t count) {
  throw Error(ErrorCode::kInvalidArgument,
              str_cat("a tensor has ", count, " dimensions, but at most ", kMaxRank, " are allowed"));
}

void Dims::push_back(int64_t value) {
  if (rank_ == kMaxRank) {
    throw Error(ErrorCode::kInvalidArgument, str_cat("a tensor has more than ", kMaxRank, " dimensions"));
  }
  values_[rank_++] = value;
}

int64_t Dims::numel() const {
  int64_t product = 1;
  for (int64_t v : *this) {
    if (v == 0) return 0;
    if (__builtin_mul_overflow(product, v, &product)) product = INT64_MAX;
  }
  return product;
}

std::string Dims::str() const {
  std::string s = "(";
  for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(values_[i]);
  return s + (rank_ == 1 ? ",)" : ")");
}

}  // namespace a8w8
