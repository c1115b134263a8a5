// npu_format_cast and its family.
//
//   npu_format_cast       composite: the tensor itself if it is in the format already, else _npu_format_cast
//   _npu_format_cast      always a copy, so it may stand in a graph; its gradient is the gradient
//   npu_format_cast_      retags the storage in place; with a tensor as the source copies its values
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <string>

#include "convert.h"
#include "register.h"
#include "storage_format.h"

namespace a8w8::torch_adapter {
namespace {

using OptionalInt = std::optional<int64_t>;
constexpr const char* kOp = "npu_format_cast";

// Base formats differ in nothing but their name; a cast between them only retags.
constexpr int64_t kBaseFormats[] = {0, 1, 2, 16, 27, 30, 35, 47};  // NCHW NHWC ND HWCN NDHWC NCDHW NC NCL

bool is_base(int64_t format) {
  return std::find(std::begin(kBaseFormats), std::end(kBaseFormats), format) != std::end(kBaseFormats);
}

// The format that a cast gives: 0-D and 1-D tensors have no blocks and stay ND.
StorageFormat target_format(const at::Tensor& self, int64_t acl_format, OptionalInt customize_dtype,
                            OptionalInt input_dtype) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kUnsupported, std::string(kOp) + ": " + what);
  };
  const int64_t own_dtype = static_cast<int64_t>(self.scalar_type());
  if (acl_format != kFormatFractalNz && !is_base(acl_format)) {
    refuse("acl_format is " + std::to_string(acl_format) +
           ", but must be FRACTAL_NZ (29) or a base format: ND (2), NCHW (0), NHWC (1), HWCN, NDHWC, NCDHW, NC, NCL");
  }
  if (input_dtype && *input_dtype != own_dtype) {
    refuse("input_dtype is " + std::to_string(*input_dtype) + ", but must be None or the dtype of the tensor, " +
           std::to_string(own_dtype));
  }
  const bool as_int32 =
      customize_dtype && *customize_dtype == static_cast<int64_t>(at::kInt) && self.scalar_type() == at::kInt;
  if (customize_dtype && !as_int32) {
    refuse("customize_dtype is " + std::to_string(*customize_dtype) + " and the tensor " +
           c10::toString(self.scalar_type()) + ", but it is only for int32 tensors, as int32 (3)");
  }
  if (acl_format != kFormatFractalNz) return {acl_format, 0};
  if (blocked_tensor(self).dim() < 2) return {kFormatNd, 0};
  if (self.dim() > kMaxRank - 2) {
    refuse("the tensor has " + std::to_string(self.dim()) + " dimensions, but FRACTAL_NZ allows at most " +
           std::to_string(kMaxRank - 2));
  }
  return {acl_format, as_int32 ? kNzInt32C0 : self.itemsize() == 1 ? 32 : 16};
}

// Blocks of another width count as the same format unless the width is asked for.
bool is_already(const at::Tensor& self, const StorageFormat& target, OptionalInt customize_dtype) {
  const StorageFormat current = format_of(self);
  return current.format == target.format && (!customize_dtype || current.c0 == target.c0);
}

template <Mode mode>
at::Tensor cast_copy(const at::Tensor& self, int64_t acl_format, OptionalInt customize_dtype, OptionalInt input_dtype) {
  const StorageFormat target = target_format(self, acl_format, customize_dtype, input_dtype);
  if constexpr (mode == Mode::kMeta) return at::empty_like(self, at::MemoryFormat::Preserve);
  return copy_with_format(self, target);
}

template <Mode mode>
at::Tensor cast_default(const at::Tensor& self, int64_t acl_format) {
  return cast_copy<mode>(self, acl_format, std::nullopt, std::nullopt);
}
template <Mode mode>
at::Tensor cast_aclnn(const at::Tensor& self, int64_t acl_format, int64_t customize_dtype) {
  return cast_copy<mode>(self, acl_format, customize_dtype, std::nullopt);
}
template <Mode mode>
at::Tensor cast_input_dtype(const at::Tensor& self, int64_t acl_format, int64_t customize_dtype, int64_t input_dtype) {
  return cast_copy<mode>(self, acl_format, customize_dtype, input_dtype);
}

// Calls the overload of _npu_format_cast that has the arguments given.
at::Tensor redispatch(const at::Tensor& self, int64_t acl_format, OptionalInt customize_dtype,
                      OptionalInt input_dtype) {
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto find = [&](const char* overload) {
    return dispatcher.findSchemaOrThrow("npu::_npu_format_cast", overload);
  };
  static const auto plain = find("").typed<at::Tensor(const at::Tensor&, int64_t)>();
  static const auto aclnn = find("aclnn").typed<at::Tensor(const at::Tensor&, int64_t, int64_t)>();
  static const auto full = find("input_dtype").typed<at::Tensor(const at::Tensor&, int64_t, int64_t, int64_t)>();
  if (input_dtype) return full.call(self, acl_format, customize_dtype.value_or(*input_dtype), *input_dtype);
  return customize_dtype ? aclnn.call(self, acl_format, *customize_dtype) : plain.call(self, acl_format);
}

// The values pass through unchanged, and so do gradients.
struct FormatCast : torch::autograd::Function<FormatCast> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& self, int64_t acl_format,
                            OptionalInt customize_dtype, OptionalInt input_dtype) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return redispatch(self, acl_format, customize_dtype, input_dtype);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0], at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor autograd_default(const at::Tensor& self, int64_t acl_format) {
  return FormatCast::apply(self, acl_format, OptionalInt(), OptionalInt());
}
at::Tensor autograd_aclnn(const at::Tensor& self, int64_t acl_format, int64_t customize_dtype) {
  return FormatCast::apply(self, acl_format, OptionalInt(customize_dtype), OptionalInt());
}
at::Tensor autograd_input_dtype(const at::Tensor& self, int64_t acl_format, int64_t customize_dtype,
                                int64_t input_dtype) {
  return FormatCast::apply(self, acl_format, OptionalInt(customize_dtype), OptionalInt(input_dtype));
}

at::Tensor cast(const at::Tensor& self, int64_t acl_format, OptionalInt customize_dtype, OptionalInt input_dtype) {
  const StorageFormat target = target_format(self, acl_format, customize_dtype, input_dtype);
  if (is_already(self, target, customize_dtype)) return self;
  return redispatch(self, acl_format, customize_dtype, input_dtype);
}

at::Tensor cast_like(const at::Tensor& self, const at::Tensor& dst, OptionalInt customize_dtype,
                     OptionalInt input_dtype) {
  return cast(self, format_of(dst).format, customize_dtype, input_dtype);
}

// On Meta, and so in a graph, a format is not represented, and nothing else of the tensor changes.
template <Mode mode>
at::Tensor& cast_in_place(at::Tensor& self, int64_t acl_format, OptionalInt customize_dtype, OptionalInt input_dtype) {
  const StorageFormat target = target_format(self, acl_format, customize_dtype, input_dtype);
  if (mode == Mode::kCpu && !is_already(self, target, customize_dtype)) set_format(self, target);
  return self;
}

// The values of src, the format of self.
at::Tensor& cast_from(at::Tensor& self, const at::Tensor& src, OptionalInt customize_dtype, OptionalInt input_dtype) {
  target_format(self, format_of(self).format, customize_dtype, input_dtype);
  return self.copy_(src);
}

int64_t get_format(const at::Tensor& self) { return format_of(self).format; }

template <Mode mode>
void implement(torch::Library& m) {
  constexpr c10::DispatchKey key = mode == Mode::kCpu ? c10::DispatchKey::CPU : c10::DispatchKey::Meta;
  implement_once(m, key, "_npu_format_cast", cast_default<mode>);
  implement_once(m, key, "_npu_format_cast.aclnn", cast_aclnn<mode>);
  implement_once(m, key, "_npu_format_cast.input_dtype", cast_input_dtype<mode>);
  implement_once(m, key, "npu_format_cast_.acl_format", cast_in_place<mode>);
  implement_once(m, key, "get_npu_format", get_format);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(npu, m) {
  constexpr const char* kDtypes = "*, int? customize_dtype=None, int? input_dtype=None) -> ";
  const auto define = [&](const std::string& schema) { define_once(m, schema.c_str()); };
  define("npu_format_cast(Tensor self, int acl_format, " + std::string(kDtypes) + "Tensor");
  define("npu_format_cast.Tensor(Tensor self, Tensor dst, " + std::string(kDtypes) + "Tensor");
  define("npu_format_cast_.acl_format(Tensor(a!) self, int acl_format, " + std::string(kDtypes) + "Tensor(a!)");
  define("npu_format_cast_(Tensor(a!) self, Tensor src, " + std::string(kDtypes) + "Tensor(a!)");
  define("_npu_format_cast(Tensor self, int acl_format) -> Tensor");
  define("_npu_format_cast.aclnn(Tensor self, int acl_format, int customize_dtype) -> Tensor");
  define("_npu_format_cast.input_dtype(Tensor self, int acl_format, int customize_dtype, int input_dtype) -> Tensor");
  define("get_npu_format(Tensor self) -> int");
}

TORCH_LIBRARY_IMPL(npu, CPU, m) { implement<Mode::kCpu>(m); }
TORCH_LIBRARY_IMPL(npu, Meta, m) { implement<Mode::kMeta>(m); }
// PyTorch makes functional forms of custom ops by itself, but not of those that return their argument.
TORCH_LIBRARY_IMPL(npu, Functionalize, m) {
  implement_once(m, c10::DispatchKey::Functionalize, "npu_format_cast_.acl_format", cast_in_place<Mode::kMeta>);
}
TORCH_LIBRARY_IMPL(npu, CompositeImplicitAutograd, m) {
  implement_once(m, c10::DispatchKey::CompositeImplicitAutograd, "npu_format_cast", cast);
  implement_once(m, c10::DispatchKey::CompositeImplicitAutograd, "npu_format_cast.Tensor", cast_like);
  implement_once(m, c10::DispatchKey::CompositeImplicitAutograd, "npu_format_cast_", cast_from);
}
TORCH_LIBRARY_IMPL(npu, Autograd, m) {
  implement_once(m, c10::DispatchKey::Autograd, "_npu_format_cast", autograd_default);
  implement_once(m, c10::DispatchKey::Autograd, "_npu_format_cast.aclnn", autograd_aclnn);
  implement_once(m, c10::DispatchKey::Autograd, "_npu_format_cast.input_dtype", autograd_input_dtype);
  implement_once(m, c10::DispatchKey::Autograd, "npu_format_cast_.acl_format", torch::CppFunction::makeFallthrough());
}

}  // namespace a8w8::torch_adapter
