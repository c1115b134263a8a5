"""A stand-in for the vendor's installed package: defines npu:: schemas and has kernels for its device and for Meta.

Its device is PyTorch's PrivateUse1 as a backend written in Python; its kernels only say that they were called.
"""

import torch
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("npu")

calls: list[str] = []


class NpuTensor(torch.Tensor):
    """A tensor of the device; it has no values."""

    @staticmethod
    def __new__(cls, shape, dtype):
        tensor = torch._C._acc.create_empty_tensor(tuple(shape), dtype)
        tensor.__class__ = NpuTensor
        return tensor


_library = torch.library.Library("npu", "DEF")
_library.define(
    "npu_quant_matmul(Tensor x1, Tensor x2, Tensor scale, *, Tensor? offset=None, Tensor? pertoken_scale=None, "
    "Tensor? bias=None, int? output_dtype=None, int? x1_dtype=None, int? x2_dtype=None, "
    "int? pertoken_scale_dtype=None, int? scale_dtype=None, int[]? group_sizes=None, Tensor? y_scale=None) -> Tensor"
)
_library.define("npu_trans_quant_param(Tensor scale, Tensor? offset=None, int? round_mode=0) -> Tensor")
_library.define(
    "npu_format_cast(Tensor self, int acl_format, *, int? customize_dtype=None, int? input_dtype=None) -> Tensor"
)


@torch.library.impl(_library, "npu_quant_matmul", "PrivateUse1")
def _matmul(x1, x2, scale, **options):
    calls.append("npu_quant_matmul on the device")
    return NpuTensor((*x1.shape[:-1], x2.shape[-1]), torch.int8)


@torch.library.impl(_library, "npu_quant_matmul", "Meta")
def _matmul_meta(x1, x2, scale, **options):
    calls.append("npu_quant_matmul on Meta")
    return x1.new_empty((*x1.shape[:-1], x2.shape[-1]))


@torch.library.impl(_library, "npu_trans_quant_param", "PrivateUse1")
def _trans_quant_param(scale, offset=None, round_mode=0):
    calls.append("npu_trans_quant_param on the device")
    return NpuTensor(scale.shape, torch.int64)


@torch.library.impl(_library, "npu_format_cast", "PrivateUse1")
def _format_cast(self, acl_format, **options):
    calls.append("npu_format_cast on the device")
    return self


@torch.library.impl("aten::transpose.int", "PrivateUse1")
def _transpose(self, dim0, dim1):
    shape = list(self.shape)
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    return NpuTensor(shape, self.dtype)
