"""From the names in a checkpoint to those of the model it is for, as far as transformers tolerates differences, too."""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ._stored_checkpoint import StoredCheckpoint, StoredLayer

# Old names of LayerNorm's parameters.
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def with_names_of(model: nn.Module, stored: StoredCheckpoint) -> StoredCheckpoint:
    """The checkpoint with the model's names, tensors that belong to a head that the model lacks left out.

    Names may have the prefix of the base model ("model.", "bert.") where the model has none, and the other way round.
    Norms of msModelSlim's outlier suppression may be called `<norm>.module.weight`.
    """
    stored = _renamed(stored, _plain_rename(model))
    return _without_norm_wrappers(model, _renamed(stored, _prefix_rename(model, stored)))


def _renamed(stored: StoredCheckpoint, rename: Callable[[str], str | None]) -> StoredCheckpoint:
    """Each tensor under the name that `rename` gives, or left out where that is None."""
    tensors: dict[str, Tensor] = {}
    layers: dict[str, StoredLayer] = {}
    for name, tensor in stored.tensors.items():
        new = rename(name)
        if new in tensors and not torch.equal(tensors[new], tensor):
            raise ValueError(f"{name} is another name of {new}, but the two are stored with different values")
        if new is not None:
            tensors[new] = tensor
    for layer, facts in stored.layers.items():
        new = rename(f"{layer}.weight")
        if new is not None:
            layers[new.removesuffix(".weight")] = facts
    return stored.with_names(layers, tensors)


def _plain_rename(model: nn.Module) -> Callable[[str], str]:
    """What transformers renames whatever the model's names are: its own old ones."""
    mapping: dict[str, str] = getattr(model, "_checkpoint_conversion_mapping", None) or {}

    def rename(name: str) -> str:
        for old, new in _OLD_NAMES.items():
            if name.endswith(old):
                name = name.removesuffix(old) + new
        for pattern, replacement in mapping.items():
            renamed, count = re.subn(pattern, replacement, name)
            if count:
                return renamed
        return name

    return rename


def _prefix_rename(model: nn.Module, stored: StoredCheckpoint) -> Callable[[str], str | None]:
    prefix = getattr(model, "base_model_prefix", "")
    if not prefix:
        return lambda name: name
    start = f"{prefix}."
    stored_with = any(name.startswith(start) for name in stored.tensors)
    base = getattr(model, prefix, None)
    if base is None and stored_with:  # a base model from the checkpoint of one with a head
        return lambda name: name.removeprefix(start) if name.startswith(start) else None
    if base is not None and not stored_with:
        heads = {child for child, _ in model.named_children()} - {child for child, _ in base.named_children()}
        return lambda name: name if name.partition(".")[0] in heads else start + name
    return lambda name: name


def _without_norm_wrappers(model: nn.Module, stored: StoredCheckpoint) -> StoredCheckpoint:
    modules = {name for name, _ in model.named_modules()}

    def rename(name: str) -> str:
        owner, _, kind = name.rpartition(".")
        norm = owner.removesuffix(".module")
        return f"{norm}.{kind}" if owner not in modules and norm in modules else name

    return _renamed(stored, rename)
