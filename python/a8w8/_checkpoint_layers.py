"""From a model without values and a checkpoint with the model's names to a model with the checkpoint's tensors."""

import re

import torch
from torch import Tensor, nn

from ._stored_checkpoint import StoredCheckpoint
from .nn.biased_norm import add_bias_, may_get_bias
from .nn.quantized_linear import QuantizedLinear

_COMPUTED = ".rotary_emb.inv_freq"  # in old checkpoints; models compute it
_ZEROS = ".weight_offset"  # always zero, and not in every checkpoint


def install_layers(model: nn.Module, stored: StoredCheckpoint, parity: str) -> None:
    """Makes room for what the checkpoint has: empty QuantizedLinears, and biases that the model's class does not have.

    Quantizers that shift outliers give a bias to norms and linears that had none.
    """
    with torch.device("meta"):
        for name, facts in stored.layers.items():
            linear = _linear(model, name, facts.quant_type)
            static = facts.scheme == "w8a8"
            layer = QuantizedLinear(
                linear.in_features,
                linear.out_features,
                facts.scheme,
                bias=_holds_bias(name, linear, stored),
                adds_bias=static and facts.adds_bias,
                reciprocal=static and parity == "vllm-ascend",
            )
            if static and f"{name}.quant_bias" not in stored.tensors:
                layer.quant_bias = None
            model.set_submodule(name, layer)
        for name, tensor in stored.tensors.items():
            owner, _, kind = name.rpartition(".")
            if kind == "bias" and owner not in stored.layers:
                _make_room_for_bias(model, owner, tensor.shape)
    _untie_quantized_head(model)


def _linear(model: nn.Module, layer: str, quant_type: str) -> nn.Linear:
    try:
        linear = model.get_submodule(layer)
    except AttributeError:
        raise ValueError(
            f"{layer} is {quant_type} in the checkpoint, but {type(model).__name__} has no such layer"
        ) from None
    if not isinstance(linear, nn.Linear):
        raise ValueError(
            f"{layer} is {quant_type} in the checkpoint, but a {type(linear).__name__} in the model, not a Linear"
        )
    return linear


def _holds_bias(layer: str, linear: nn.Linear, stored: StoredCheckpoint) -> bool:
    """Whether the quantized layer has a float bias: as the checkpoint says, unless it lacks one that is needed."""
    facts = stored.layers[layer]
    inside_quant_bias = facts.scheme == "w8a8" and not facts.adds_bias
    return f"{layer}.bias" in stored.tensors or (linear.bias is not None and not inside_quant_bias)


def _make_room_for_bias(model: nn.Module, owner: str, shape: torch.Size) -> None:
    try:
        module = model.get_submodule(owner)
    except AttributeError:
        return  # reported as an unexpected tensor
    if may_get_bias(module, shape):
        add_bias_(module, torch.empty(shape, dtype=module.weight.dtype))
    elif isinstance(module, nn.Linear) and module.bias is None:
        module.bias = nn.Parameter(torch.empty(module.out_features, dtype=module.weight.dtype))


def _untie_quantized_head(model: nn.Module) -> None:
    """A quantized output layer has a weight of its own, whatever the float model's config says."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if isinstance(head, QuantizedLinear):
        model.config.tie_word_embeddings = False


def fitting_tensors(model: nn.Module, stored: StoredCheckpoint) -> dict[str, Tensor]:
    """The checkpoint's tensors for the model's state, in its shapes, and in its dtypes where they are not quantized.

    Raises:
        ValueError: a tensor of another shape.
    """
    quantized = {name for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    ready: dict[str, Tensor] = {}
    for name, place in model.state_dict(keep_vars=True).items():
        owner, _, kind = name.rpartition(".")
        if name in stored.tensors and owner in quantized:  # these dtypes are the quantizer's choice
            ready[name] = in_shape(name, stored.tensors[name], place.shape, vector=kind != "weight")
        elif name in stored.tensors:
            ready[name] = in_shape(name, stored.tensors[name], place.shape).to(place.dtype)
        elif owner in quantized and name.endswith(_ZEROS):
            ready[name] = torch.zeros(place.shape)
    return ready


def in_shape(name: str, tensor: Tensor, shape: torch.Size, vector: bool = False) -> Tensor:
    """The tensor itself, or for vectors a view of it; ValueError if the shape is another one."""
    if tensor.shape != shape and not (vector and tensor.numel() == shape.numel()):
        raise ValueError(f"{name} is of shape {tuple(tensor.shape)}, allowed: {tuple(shape)}")
    return tensor.view(shape)


def assign(model: nn.Module, ready: dict[str, Tensor]) -> None:
    """Puts tensors in place of the model's empty ones, those that are tied under all their names."""
    expected = model.state_dict(keep_vars=True)
    by_identity = {id(expected[name]): tensor for name, tensor in ready.items()}
    tied = {name: by_identity[id(place)] for name, place in expected.items() if id(place) in by_identity}
    model.load_state_dict(tied | ready, assign=True, strict=False)
    if hasattr(model, "tie_weights"):
        model.tie_weights()  # assigning has made two parameters of each tied one


def require_same_names(model: nn.Module, stored: StoredCheckpoint, ready: dict[str, Tensor]) -> None:
    """ValueError that names each tensor that the model needs and the checkpoint lacks, or has for nothing."""
    expected = model.state_dict(keep_vars=True)
    provided = {id(expected[name]) for name in ready}
    missing = {name for name, place in expected.items() if id(place) not in provided}
    _raise_if_any(
        model,
        missing=_not_ignored(missing, model, "_keys_to_ignore_on_load_missing"),
        unexpected=unexpected_tensors(model, stored),
    )


def require_complete_layers(model: nn.Module, stored: StoredCheckpoint) -> set[str]:
    """The names of all tensors of quantized layers; ValueError that names those that the checkpoint lacks."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    names = {f"{layer}.{kind}" for layer, module in layers.items() for kind in module.state_dict()}
    _raise_if_any(model, missing={name for name in names - stored.tensors.keys() if not name.endswith(_ZEROS)})
    return names


def unexpected_tensors(model: nn.Module, stored: StoredCheckpoint) -> set[str]:
    """What the checkpoint has and the model has no use for."""
    known = {*model.state_dict(), *(name for name, _ in model.named_buffers())}
    unexpected = {name for name in stored.tensors.keys() - known if not name.endswith(_COMPUTED)}
    return _not_ignored(unexpected, model, "_keys_to_ignore_on_load_unexpected")


def _raise_if_any(model: nn.Module, **names: set[str]) -> None:
    problems = [f"{len(found)} {what}: {', '.join(sorted(found))}" for what, found in names.items() if found]
    if problems:
        raise ValueError(f"the checkpoint's tensors are not those of {type(model).__name__}; {'; '.join(problems)}")


def _not_ignored(names: set[str], model: nn.Module, attribute: str) -> set[str]:
    """Without those that the model's class in transformers says are no matter."""
    patterns = getattr(model, attribute, None) or []
    return {name for name in names if not any(re.search(pattern, name) for pattern in patterns)}
