"""Who reads the output of a module: found by running the model once and watching every function with tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from ._batches import run_batches

# What passes values on in their channels, where the last dimension stays.
_VIEWS = {
    "clone", "contiguous", "detach", "expand", "expand_as", "flatten", "reshape", "reshape_as", "squeeze", "to",
    "type_as", "unflatten", "unsqueeze", "view", "view_as",
}  # fmt: skip
# What asks for no values.
_METADATA = {
    "__get__", "__len__", "dim", "element_size", "get_device", "is_complex", "is_contiguous", "is_floating_point",
    "ndimension", "numel", "size", "stride",
}  # fmt: skip
_PRODUCTS = {"mul", "multiply", "__mul__", "__rmul__"}


@dataclass
class Readers:
    """What `find_readers` saw."""

    linears: dict[nn.Module, set[nn.Linear]] = field(default_factory=dict)  # that read a source's output
    others: dict[nn.Module, str] = field(default_factory=dict)  # what else does, in words, the first one found
    sources: dict[nn.Linear, set[nn.Module | None]] = field(default_factory=dict)  # of each linear's inputs


def find_readers(model: nn.Module, sources: Iterable[nn.Module], batch: Any) -> Readers:
    """Who reads the outputs of `sources` while the model runs `batch`.

    Followed are the values themselves and what positive factors for their channels could be pulled out of: views, ReLU,
    and products with something else.
    """
    trace = _Trace(model)
    handles = [source.register_forward_hook(trace.add_source) for source in sources]
    handles.append(model.register_forward_hook(lambda _module, _inputs, output: trace.leave(output)))
    try:
        with trace:
            run_batches(model, [batch], "Tracing", progress=False)
    finally:
        for handle in handles:
            handle.remove()
    return trace.readers


class _Trace(TorchFunctionMode):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.readers = Readers()
        self._origins = WeakIdKeyDictionary()  # tensor -> the module whose output it is
        self._linears = {id(module.weight): module for module in model.modules() if type(module) is nn.Linear}

    def add_source(self, source: nn.Module, _inputs: Any, output: Any) -> None:
        self.readers.linears.setdefault(source, set())
        if isinstance(output, Tensor) and output.dim() > 0:
            self._origins[output] = source
        else:
            self._read(source, f"a caller that gets a {type(output).__name__}")

    def leave(self, output: Any) -> None:
        for tensor in tensors_of(output):
            if tensor in self._origins:
                self._read(self._origins[tensor], "the caller of the model")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        read = [leaf for leaf in leaves if leaf in self._origins]
        linear = self._linears.get(id(args[1])) if func is F.linear and len(args) > 1 else None
        if linear is not None and args[0] is leaves[0]:
            self._read_by_linear(linear, self._origins.get(args[0]))
            read = read[1:] if args[0] in self._origins else read
        for tensor in read:
            if isinstance(result, Tensor) and len(read) == 1 and _passes_on(func, tensor, result, args, kwargs):
                self._origins[result] = self._origins[tensor]
            elif isinstance(result, Tensor) or func.__name__ not in _METADATA:
                self._read(self._origins[tensor], func.__name__)
        return result

    def _read(self, source: nn.Module, reader: str) -> None:
        self.readers.others.setdefault(source, reader)

    def _read_by_linear(self, linear: nn.Linear, source: nn.Module | None) -> None:
        self.readers.sources.setdefault(linear, set()).add(source)
        if source is not None:
            self.readers.linears[source].add(linear)


def _passes_on(func: Any, tensor: Tensor, result: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether channels of the result are those of the tensor, times something."""
    if result.dtype != tensor.dtype or result.dim() == 0 or result.shape[-1] != tensor.shape[-1]:
        return False
    name = func.__name__
    if name in _VIEWS or name == "relu":
        return True
    if name == "dropout":
        return not kwargs.get("training", args[2] if len(args) > 2 else True)
    return name in _PRODUCTS and result.shape == tensor.shape


def tensors_of(output: Any) -> Iterable[Tensor]:
    """All tensors in what a model returns."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors_of(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors_of(value)
    elif hasattr(output, "__dict__"):
        yield from tensors_of(list(vars(output).values()))
