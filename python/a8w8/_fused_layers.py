"""Linears that a model has in one piece and the checkpoint in several, or the other way round."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._stored_checkpoint import StoredCheckpoint, StoredLayer

# The rows of the layer on the left are those of the layers on the right, one after the other.
_SHARDS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
_ONE_FOR_ALL = ("input_scale", "input_offset")
_BY_ROW = ("weight", "weight_scale", "weight_offset", "deq_scale", "quant_bias", "bias")
_FLOAT = StoredLayer("float", "FLOAT", False)


def with_layers_of(model: nn.Module, stored: StoredCheckpoint) -> StoredCheckpoint:
    """The checkpoint with fused linears where the model has them, and separate ones where it has those.

    Shards are copied into one tensor; pieces of a fused tensor are views of it.

    Raises:
        ValueError: shards of different types or input scales, shards that are missing, or sizes that do not add up.
    """
    state = _State(dict(stored.tensors), dict(stored.layers))
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or f"{name}.weight" in state.tensors:
            continue
        parent, _, leaf = name.rpartition(".")
        dot = f"{parent}." if parent else ""
        if leaf in _SHARDS:
            state.fuse(name, [dot + shard for shard in _SHARDS[leaf]])
        for fused, shards in _SHARDS.items():
            if leaf in shards and f"{dot}{fused}.weight" in state.tensors:
                names = [dot + shard for shard in shards]
                state.split(dot + fused, {shard: model.get_submodule(shard).out_features for shard in names})
    return stored.with_names(state.layers, state.tensors)


@dataclass
class _State:
    tensors: dict[str, Tensor]
    layers: dict[str, StoredLayer]

    def fuse(self, name: str, shards: list[str]) -> None:
        """Puts the rows of the shards under `name`; does nothing if there is none of them."""
        found = [shard for shard in shards if f"{shard}.weight" in self.tensors]
        if not found:
            return
        if found != shards:
            missing = ", ".join(shard for shard in shards if shard not in found)
            raise ValueError(f"the model's {name} is {' + '.join(shards)} in the checkpoint, which lacks {missing}")
        facts = self._one_type(name, shards)
        parts = {shard: self._take(shard) for shard in shards}
        kinds = parts[shards[0]].keys()
        for shard, part in parts.items():
            if part.keys() != kinds:
                differing = ", ".join(sorted(part.keys() ^ kinds))
                raise ValueError(f"{shards[0]} and {shard} must hold the same tensors for {name}: not both {differing}")
        for kind in kinds:
            self.tensors[f"{name}.{kind}"] = _joined(name, kind, {shard: part[kind] for shard, part in parts.items()})
        if facts is not _FLOAT:
            self.layers[name] = facts

    def split(self, fused: str, rows: dict[str, int]) -> None:
        """Puts the rows of a fused layer under the names of its shards."""
        stored_rows = self.tensors[f"{fused}.weight"].shape[0]
        if sum(rows.values()) != stored_rows:
            wanted = " + ".join(map(str, rows.values()))
            raise ValueError(f"{fused}.weight has {stored_rows} rows, but {', '.join(rows)} of the model need {wanted}")
        for kind, tensor in self._take(fused).items():
            pieces = [tensor] * len(rows) if kind in _ONE_FOR_ALL else tensor.split(list(rows.values()))
            self.tensors.update({f"{shard}.{kind}": piece for shard, piece in zip(rows, pieces, strict=True)})
        facts = self.layers.pop(fused, None)
        if facts is not None:
            self.layers.update(dict.fromkeys(rows, facts))

    def _one_type(self, name: str, shards: list[str]) -> StoredLayer:
        facts = [self.layers.pop(shard, _FLOAT) for shard in shards]
        if len(set(facts)) > 1:
            types = ", ".join(f"{shard} {fact.quant_type}" for shard, fact in zip(shards, facts, strict=True))
            raise ValueError(f"the model has {name} in one piece, so its shards must be of one type, but are: {types}")
        return facts[0]

    def _take(self, layer: str) -> dict[str, Tensor]:
        """Removes the tensors of one layer; by the last part of their names."""
        kinds = [kind for kind in (*_BY_ROW, *_ONE_FOR_ALL) if f"{layer}.{kind}" in self.tensors]
        return {kind: self.tensors.pop(f"{layer}.{kind}") for kind in kinds}


def _joined(name: str, kind: str, parts: dict[str, Tensor]) -> Tensor:
    first, *others = parts.values()
    shown = ", ".join(f"{shard} {_brief(part)}" for shard, part in parts.items())
    if any(part.dtype != first.dtype or part.shape[1:] != first.shape[1:] for part in others):
        raise ValueError(f"{kind} of the shards of {name} must agree in dtype and columns, but is: {shown}")
    if kind not in _ONE_FOR_ALL:
        return torch.cat(list(parts.values()))
    if any(not torch.equal(part.flatten(), first.flatten()) for part in others):
        raise ValueError(
            f"the model has {name} in one piece, so its shards must have one {kind}, but have: {shown}; "
            "they see the same input, so the checkpoint was probably calibrated for each by itself"
        )
    return first


def _brief(tensor: Tensor) -> str:
    return f"{tensor.item():g}" if tensor.numel() == 1 else f"{str(tensor.dtype)[6:]} {tuple(tensor.shape)}"
