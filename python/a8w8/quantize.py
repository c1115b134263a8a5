"""From a float model to one whose linear layers are int8."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rich import get_console
from rich.progress import track
from torch import Tensor, nn

from ._model_copy import copy_sharing_tensors
from .calibration import Calibration, calibrate
from .nn._formulas import check_format
from .nn.quantized_linear import QuantizedLinear, check_scheme
from .smoothing import smooth_model


def quantize_model(
    model: nn.Module,
    scheme: str,
    calibration: Iterable[Any] | None = None,
    skip: Sequence[str] = (),
    progress: bool = True,
    *,
    method: str | Calibration = "minmax",
    smooth: float | None = None,
    format: str = "msmodelslim",
) -> nn.Module:
    """Returns a model in which each nn.Linear is a QuantizedLinear; `model` itself does not change.

    What stays float (embeddings, norms, skipped layers) is shared between both models, not copied. Subclasses of
    nn.Linear are left alone, since their owners may use the weight directly, and so are layers that share their weight
    with another module, such as an output layer tied to the embedding.

    Args:
        model: float32, bfloat16 or float16.
        scheme: "w8a8_dynamic" (a scale per row of input, found at run time) or "w8a8" (one scale per layer,
            calibrated).
        calibration: for "w8a8" and for `smooth`: inputs like those the model will see. Mappings are passed as
            model(**batch), tuples and lists as model(*batch), anything else as model(batch). An iterator is read once,
            and with `smooth`, which needs the batches again, kept in memory.
        skip: names of layers to leave float, or patterns with * and ?, such as "lm_head" or "*.pooler.*".
        progress: show progress bars, and which layers were smoothed.
        method: for "w8a8": "minmax", "moving-average", "percentile", or a `Calibration`, which has their parameters.
        smooth: 0 to 1, usually 0.5: first `smooth_model` with this alpha, which makes inputs with outlier channels
            easier to quantize. Norms and layers it changes are then not shared with `model`.
        format: "msmodelslim" or "compressed-tensors": whose formulas (127 or 127.5, where the bias is), that is, what
            `save_checkpoint` is to write without a conversion.

    Raises:
        ValueError: an unknown scheme, method or format, calibration missing or given in vain, a pattern of `skip` that
            matches no layer, no layer to quantize, a layer that calibration does not reach or whose numbers are not
            finite, nothing to smooth.
    """
    check_scheme(scheme)
    check_format(format)
    method = Calibration(method) if isinstance(method, str) else method
    _check_calibration(scheme, calibration, method, smooth)
    chosen = _linears_to_quantize(model, skip)
    if smooth is not None:
        calibration = list(calibration) if isinstance(calibration, Iterator) else calibration
        model, report = smooth_model(model, calibration, smooth, layers=list(chosen), progress=progress)
        if progress:
            get_console().print(str(report), markup=False, highlight=False, soft_wrap=True)
        chosen = {name: model.get_submodule(name) for name in chosen}
    ranges, symmetric = {}, False
    if scheme == "w8a8":
        symmetric = method.is_symmetric(format)
        ranges = calibrate(model, chosen, calibration, lambda: method.observer(symmetric), progress)

    result = copy_sharing_tensors(model)
    replaced: dict[nn.Linear, QuantizedLinear] = {}  # a layer used under two names stays one layer
    for name, linear in track(chosen.items(), description="Quantizing", disable=not progress):
        if linear not in replaced:
            try:
                layer = QuantizedLinear.from_float(
                    linear, scheme, ranges.get(linear), format=format, symmetric=symmetric
                )
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            replaced[linear] = layer.train(linear.training)
        result.set_submodule(name, replaced[linear])
    return result


def _check_calibration(scheme: str, calibration: object, method: Calibration, smooth: float | None) -> None:
    if calibration is None and scheme == "w8a8":
        raise ValueError(
            "calibration is None, but scheme 'w8a8' needs an iterable of model inputs to find input scales"
        )
    if calibration is None and smooth is not None:
        raise ValueError("calibration is None, but smooth needs an iterable of model inputs to find outlier channels")
    if calibration is not None and scheme != "w8a8" and smooth is None:
        raise ValueError(f"calibration is given, but scheme {scheme!r} takes none; did you mean 'w8a8'?")
    if scheme != "w8a8" and method != Calibration():
        raise ValueError(f"method is {method}, but scheme {scheme!r} has no range to find; did you mean 'w8a8'?")


def _linears_to_quantize(model: nn.Module, skip: Sequence[str]) -> dict[str, nn.Linear]:
    owners: dict[Tensor, set[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(parameter, set()).add(module)
    named = model.named_modules(remove_duplicate=False)
    linears = {name: module for name, module in named if name and type(module) is nn.Linear}

    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in linears):
            raise ValueError(f"skip holds {pattern!r}, which matches none of the {len(linears)} linear layers")
    chosen = {
        name: linear
        for name, linear in linears.items()
        if not any(fnmatchcase(name, pattern) for pattern in skip) and len(owners[linear.weight]) == 1
    }
    if not chosen:
        raise ValueError(
            f"{type(model).__name__} holds no layer to quantize: {len(linears)} of type nn.Linear, all skipped or tied"
            if linears
            else f"{type(model).__name__} holds no nn.Linear; for a single layer use QuantizedLinear.from_float"
        )
    return chosen
