// npu_convert_weight_to_int4pack, and the functions that make and read FRACTAL_NZ bytes.
#include <torch/library.h>

#include "a8w8/format.h"
#include "convert.h"
#include "register.h"
#include "storage_format.h"

namespace a8w8::torch_adapter {
namespace {

template <Mode mode>
at::Tensor int4pack(const at::Tensor& weight, int64_t /*inner_k_tiles*/) {
  return with_operands("npu_convert_weight_to_int4pack", mode, [&](Operands& operands) {
    const ConstTensorView view = operands.view(weight, "weight");
    const at::Tensor words = operands.empty(infer(Int4PackArgs{view}));
    if constexpr (mode == Mode::kCpu) {
      pack_int4(view, output_view(words));
      if (format_of(weight).format == kFormatFractalNz) return copy_with_format(words, {kFormatFractalNz, kNzInt32C0});
    }
    return words;
  });
}

// Any dtype that has a counterpart here; c0 0 stands for the dtype's own.
template <Mode mode>
at::Tensor to_nz(const at::Tensor& x, std::optional<int64_t> c0) {
  return with_operands("to_fractal_nz", mode, [&](Operands& operands) {
    const ConstTensorView view = operands.view(x, "x");
    const int64_t remembered = mode == Mode::kCpu ? format_of(x).c0 : 0;
    const at::Tensor out = operands.empty(fractal_nz_desc(view, c0.value_or(remembered)));
    if constexpr (mode == Mode::kCpu) to_fractal_nz(view, output_view(out));
    return out;
  });
}

template <Mode mode>
at::Tensor from_nz(const at::Tensor& blocks, at::IntArrayRef shape) {
  return with_operands("from_fractal_nz", mode, [&](Operands& operands) {
    const ConstTensorView view = operands.view(blocks, "blocks");
    const Dims sizes(shape.data(), static_cast<int64_t>(shape.size()));
    const at::Tensor out = operands.empty(infer_from_fractal_nz(view, sizes));
    if constexpr (mode == Mode::kCpu) from_fractal_nz(view, output_view(out));
    return out;
  });
}

int64_t get_format_c0(const at::Tensor& self) { return format_of(self).c0; }

}  // namespace

TORCH_LIBRARY_FRAGMENT(npu, m) {
  define_once(m, "npu_convert_weight_to_int4pack(Tensor weight, int inner_k_tiles=0) -> Tensor");
}
TORCH_LIBRARY_IMPL(npu, CPU, m) {
  implement_once(m, c10::DispatchKey::CPU, "npu_convert_weight_to_int4pack", int4pack<Mode::kCpu>);
}
TORCH_LIBRARY_IMPL(npu, Meta, m) {
  implement_once(m, c10::DispatchKey::Meta, "npu_convert_weight_to_int4pack", int4pack<Mode::kMeta>);
}

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  m.def("to_fractal_nz(Tensor x, int? c0=None) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("from_fractal_nz(Tensor blocks, int[] shape) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("format_c0(Tensor self) -> int", {at::Tag::pt2_compliant_tag});
}
TORCH_LIBRARY_IMPL(a8w8, CPU, m) {
  m.impl("to_fractal_nz", to_nz<Mode::kCpu>);
  m.impl("from_fractal_nz", from_nz<Mode::kCpu>);
  m.impl("format_c0", get_format_c0);
}
TORCH_LIBRARY_IMPL(a8w8, Meta, m) {
  m.impl("to_fractal_nz", to_nz<Mode::kMeta>);
  m.impl("from_fractal_nz", from_nz<Mode::kMeta>);
  m.impl("format_c0", get_format_c0);
}

}  // namespace a8w8::torch_adapter
