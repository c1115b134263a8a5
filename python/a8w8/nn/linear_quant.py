"""torch_npu's quantized linear modules: int8 in, quantized parameters assigned by the user through `.data`."""

import warnings
from typing import NoReturn

import torch
from torch import Tensor, nn

from .. import ops
from .packing import PackableWeight

_INTEGERS = (torch.int8, torch.int32)
_WIDE_OUTPUTS = (torch.bfloat16, torch.int32)

# What LinearA8W8Quant allows beside x and weight.
_ALLOWED: dict[str, tuple[torch.dtype | None, ...]] = {
    "scale": (torch.int64, torch.float32, torch.bfloat16),
    "offset": (torch.float32,),
    "bias": (torch.int32, torch.bfloat16, torch.float16, torch.float32),
    "pertoken_scale": (torch.float32,),
    "output_dtype": (None, torch.int8, torch.float16, torch.bfloat16),
}


class _LinearQuantBase(PackableWeight):
    """Parameters and forward of both modules. Absent parameters are registered as None.

    | parameter      | present             | shape                       | dtype at first | dtype to assign          |
    |----------------|---------------------|-----------------------------|----------------|--------------------------|
    | weight         | always              | (out_features, in_features) | the default    | int8 (..., n, k)         |
    | scale          | always              | (out_features,)             | the default    | float32, bfloat16, int64 |
    | offset         | offset=True         | (out_features,)             | float32        | float32                  |
    | pertoken_scale | pertoken_scale=True | (out_features,), then (m,)  | float32        | float32                  |
    | bias           | bias=True           | (out_features,)             | int32          | as the op's table allows |

    Contents are undefined until assigned, as in torch_npu; `device` and `dtype` are ignored, as there. A weight (n, k)
    can be packed: `pack_()`, see `PackableWeight`.
    """

    _deprecation: str | None = None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        offset: bool = False,
        pertoken_scale: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        output_dtype: torch.dtype | None = None,
    ) -> None:
        if self._deprecation is not None:
            warnings.warn(self._deprecation, FutureWarning, stacklevel=2)
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.output_dtype = output_dtype
        self.weight = nn.Parameter(torch.empty((out_features, in_features)), requires_grad=False)
        self.scale = nn.Parameter(torch.empty(out_features), requires_grad=False)
        for name, present, kind in (
            ("offset", offset, torch.float32),
            ("pertoken_scale", pertoken_scale, torch.float32),
            ("bias", bias, torch.int32),
        ):
            data = nn.Parameter(torch.empty(out_features, dtype=kind), requires_grad=False) if present else None
            self.register_parameter(name, data)

    def _check(self, x: Tensor, weight_dtype: torch.dtype, **operands: Tensor | None) -> None:
        """The checks of torch_npu's forward, in its order: ValueError. The op checks everything else."""
        if x.dtype != weight_dtype or x.dtype not in _INTEGERS:
            raise ValueError(
                f"{type(self).__name__}: x is {x.dtype} and weight is {weight_dtype}, "
                "allowed: both torch.int8 or both torch.int32"
            )

    def forward(self, x: Tensor) -> Tensor:
        """x (..., m, k), int8 -> (..., m, n) of output_dtype (None: int8).

        A float32 scale is packed on the way (`ops.trans_quant_param`) unless a pertoken_scale or a bfloat16 or int32
        output needs it as it is; the parameters do not change.
        """
        # nn.Module searches for a parameter each time it is named.
        packed = self._packed_operand()
        weight = self.weight if packed is None else None
        scale, offset, pertoken_scale, bias = self.scale, self.offset, self.pertoken_scale, self.bias
        dtype = self._form.dtype if weight is None else weight.dtype
        self._check(x, dtype, scale=scale, offset=offset, bias=bias, pertoken_scale=pertoken_scale)
        if pertoken_scale is None and scale.dtype == torch.float32 and self.output_dtype not in _WIDE_OUTPUTS:
            scale = ops.trans_quant_param(scale, offset)
        options = {
            "offset": offset,
            "pertoken_scale": pertoken_scale,
            "bias": bias,
            "output_dtype": self.output_dtype,
        }
        if weight is None:
            return ops.quant_matmul_packed(x, packed, scale, n=self._form.rows, **options)
        return ops.quant_matmul(x, weight.transpose(-2, -1), scale, **options)


class LinearQuant(_LinearQuantBase):
    """torch_npu.contrib.module.LinearQuant: what the op accepts, the module accepts. Parameters: see the base class."""


class LinearA8W8Quant(_LinearQuantBase):
    """torch_npu.contrib.module.LinearA8W8Quant: as LinearQuant, with checks of its own and no int32 output."""

    _deprecation = "LinearA8W8Quant is deprecated and will be removed; use LinearQuant instead"

    def _check(self, x: Tensor, weight_dtype: torch.dtype, **operands: Tensor | None) -> None:
        super()._check(x, weight_dtype)
        for operand, tensor in operands.items():
            if tensor is not None and tensor.dtype not in _ALLOWED[operand]:
                self._refuse(operand, tensor.dtype, _ALLOWED[operand])
        if self.output_dtype not in _ALLOWED["output_dtype"]:
            self._refuse("output_dtype", self.output_dtype, _ALLOWED["output_dtype"])

    def _refuse(self, operand: str, got: torch.dtype | None, allowed: tuple[torch.dtype | None, ...]) -> NoReturn:
        choices = ", ".join(str(dtype) for dtype in allowed)
        raise ValueError(f"{type(self).__name__}: {operand} is {got}, allowed: {choices}")
