"""What a quantized model holds in place of nn.Linear: float in, float out, int8 weights and arithmetic inside.

Buffers carry the names, shapes and dtypes of msModelSlim's tensors, so a module's state_dict is a piece of a
checkpoint.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from typing_extensions import Self

from .. import ops
from ._formulas import bias_inside, check_format, input_params, quantize_rows, zero_point_alone
from .packing import PackableWeight

# Our names of the schemes, and the type that msModelSlim's description gives to each tensor of such a layer.
QUANT_TYPES = {"w8a8_dynamic": "W8A8_DYNAMIC", "w8a8": "W8A8"}


def check_scheme(scheme: str) -> None:
    """ValueError unless the scheme is one of ours."""
    if scheme not in QUANT_TYPES:
        raise ValueError(f"scheme is {scheme!r}, allowed: {', '.join(map(repr, QUANT_TYPES))}")


class QuantizedLinear(PackableWeight):
    """y = x @ weight.T + bias in int8, for x float32, float16 or bfloat16 (..., k); y has the dtype of x.

    Scheme "w8a8_dynamic" quantizes each row of x with a scale of its own (`ops.linear_dynamic`):

    | weight      | weight_scale | weight_offset       | bias              |
    | int8 [n, k] | float [n, 1] | float [n, 1], zeros | float [n] or None |

    Scheme "w8a8" quantizes x with one calibrated scale (`ops.linear_static`):

    | weight      | deq_scale   | input_scale | input_offset | quant_bias | bias              |
    | int8 [n, k] | float32 [n] | float [1]   | float [1]    | int32 [n]  | float [n] or None |

    From float16 models deq_scale is int64: the bits of the float32 value, which is what devices want there.

    Of scheme "w8a8" there are two more choices, attributes that are not in state_dict, just as the scheme is not:

    - `adds_bias`: the float bias is added after scaling, and quant_bias holds no more than the correction for
      input_offset, or is None where that is 0 (compressed-tensors). Else (msModelSlim) the bias is inside quant_bias;
      it is kept only because checkpoints have it and not added again.
    - `reciprocal`: x is multiplied by 1 / input_scale, rounded to the dtype of x, as vLLM-Ascend does, not divided.

    Casting the module (`model.half()`, `.to(torch.bfloat16)`) moves its buffers but leaves their dtypes alone: they are
    the numbers that the quantizer chose, and rounding them again would give a different layer.

    `pack_()` packs the weight, see `PackableWeight`.
    """

    bias: Tensor | None
    quant_bias: Tensor | None
    adds_bias: bool = False  # here for modules from pickles that are older than these two
    reciprocal: bool = False

    def __init__(
        self,
        in_features: int,
        out_features: int,
        scheme: str,
        bias: bool = True,
        *,
        adds_bias: bool = False,
        reciprocal: bool = False,
    ) -> None:
        """All buffers zero; tensors come from `from_float` or from a checkpoint."""
        check_scheme(scheme)
        if scheme != "w8a8" and (adds_bias or reciprocal):
            raise ValueError(
                f"adds_bias is {adds_bias} and reciprocal {reciprocal}, allowed: False; they are for scheme 'w8a8'"
            )
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.scheme = scheme
        self.adds_bias = adds_bias
        self.reciprocal = reciprocal
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8))
        if scheme == "w8a8_dynamic":
            self.register_buffer("weight_scale", torch.zeros(out_features, 1))
            self.register_buffer("weight_offset", torch.zeros(out_features, 1))
        else:
            self.register_buffer("deq_scale", torch.zeros(out_features))
            self.register_buffer("input_scale", torch.zeros(1))
            self.register_buffer("input_offset", torch.zeros(1))
            self.register_buffer("quant_bias", torch.zeros(out_features, dtype=torch.int32))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)

    @classmethod
    @torch.no_grad()
    def from_float(
        cls,
        linear: nn.Linear,
        scheme: str = "w8a8_dynamic",
        input_range: tuple[float, float] | None = None,
        *,
        format: str = "msmodelslim",
        symmetric: bool = False,
    ) -> Self:
        """Quantizes a float layer with the formulas of a format's tool, in the dtype of its weight. msModelSlim's:

            weight_scale = max|w| / 127 per row;  weight = clamp(rint(w / weight_scale)), dynamic ones in -127..127
            input_scale = (max - min) / 255;  input_offset = rint(-min / input_scale) - 128
            deq_scale = input_scale * weight_scale
            quant_bias = rint(bias / deq_scale - input_offset * sum_k weight)

        Those of compressed-tensors divide by 127.5 in place of 127, take deq_scale in float32, and leave the bias out
        of quant_bias (`adds_bias`).

        Args:
            linear: float32, bfloat16 or float16, finite.
            scheme: "w8a8_dynamic" or "w8a8".
            input_range: smallest and largest input seen in calibration; scheme "w8a8" only, which needs it. It is
                widened to contain zero.
            format: "msmodelslim" or "compressed-tensors": whose formulas, hence which format the layer is made for.
            symmetric: input_offset is 0 and input_scale max(-min, max) / 127 or 127.5; scheme "w8a8" only.

        Raises:
            ValueError: an unknown scheme or format, a missing or useless range, weights that are not finite.
        """
        check_scheme(scheme)
        check_format(format)
        if (input_range is None) != (scheme == "w8a8_dynamic"):
            raise ValueError(f"input_range is {input_range}, but scheme 'w8a8' needs one and 'w8a8_dynamic' takes none")
        if symmetric and input_range is None:
            raise ValueError("symmetric is True, but rows are always quantized symmetrically by scheme 'w8a8_dynamic'")
        weight, weight_scale = quantize_rows(linear.weight, scheme, format)
        adds_bias = {"adds_bias": True} if input_range is not None and format == "compressed-tensors" else {}
        result = cls(linear.in_features, linear.out_features, scheme, bias=linear.bias is not None, **adds_bias)
        result.weight = weight
        result.bias = None if linear.bias is None else linear.bias.detach().clone()
        if input_range is None:
            result.weight_scale = weight_scale.float()
        else:
            result._set_static(weight_scale, *input_params(input_range, linear.weight.dtype, format, symmetric))
        return result

    def _set_static(self, weight_scale: Tensor, input_scale: Tensor, input_offset: Tensor) -> None:
        if self.adds_bias:  # what compressed-tensors stores is the two factors; runtimes multiply
            input_scale, weight_scale = input_scale.float(), weight_scale.float()
        deq_scale = (input_scale * weight_scale).flatten()
        if not (deq_scale.isfinite() & (deq_scale > 0)).all():
            raise ValueError(
                f"deq_scale = input_scale * weight_scale reaches from {deq_scale.min():g} to {deq_scale.max():g}, "
                f"allowed: positive and finite in {deq_scale.dtype}; quantize the model in bfloat16 or float32"
            )
        if self.adds_bias:
            self.quant_bias = zero_point_alone(input_offset, self.weight)
        else:
            self.quant_bias = bias_inside(self.bias, deq_scale, input_offset, self.weight)
        self.input_scale, self.input_offset = input_scale.float(), input_offset.float()
        self.deq_scale = deq_scale.float()
        if deq_scale.dtype == torch.float16:  # what the device wants beside a float16 output: the bits, in 64
            self.deq_scale = self.deq_scale.view(torch.int32).to(torch.int64)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) -> (..., out_features), same dtype."""
        packed = self._packed_operand()
        weight = self.weight if packed is None else packed
        if self.scheme == "w8a8_dynamic":
            return ops.linear_dynamic(x, weight, self.weight_scale, self.bias)
        return ops.linear_static(
            x,
            self.input_scale,
            self.input_offset,
            weight,
            self.deq_scale,
            self.quant_bias,
            bias=self.bias if self.adds_bias else None,
            reciprocal=self.reciprocal,
        )

    def extra_repr(self) -> str:
        """Sizes and scheme, as repr() shows them, and of the choices those that are made."""
        choices = {"adds_bias": self.adds_bias, "reciprocal": self.reciprocal, "packed": self.is_packed}
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scheme={self.scheme!r}, "
            f"bias={self.bias is not None}{''.join(f', {name}' for name, made in choices.items() if made)}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Lets `fn` move the buffers, not cast them (see the class)."""
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, old in before.items():
            moved = self._buffers[name]
            if old is not None and moved.dtype != old.dtype:
                self._buffers[name] = old.to(moved.device)
        return self
