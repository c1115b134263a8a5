"""Whether two float models that should compute the same do so."""

from typing import Any

from torch import Tensor, nn

from ._batches import run_batches
from ._readers import tensors_of

# Powers of two change no bit but of subnormal numbers; a wrong division changes half of the bits.
_TOLERANCE = 1e-3


def outputs_differ(model: nn.Module, other: nn.Module, batch: Any) -> bool:
    """By more than rounding, relative to the length of each output tensor, or in NaN."""
    for expected, found in zip(_outputs(model, batch), _outputs(other, batch), strict=True):
        error, length = (found - expected).norm(), expected.norm()
        if not error <= _TOLERANCE * length:
            return True
    return False


def _outputs(model: nn.Module, batch: Any) -> list[Tensor]:
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs.extend(tensor.float().clone() for tensor in tensors_of(output) if tensor.is_floating_point())

    handle = model.register_forward_hook(keep)
    try:
        run_batches(model, [batch], "Checking", progress=False)
    finally:
        handle.remove()
    return outputs
