"""Makes PyTorch's Python API accept "npu" devices as the CPU."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch._C._dynamo.eval_frame as eval_frame
from torch import Tensor, nn
from torch.jit import _builtins
from torch.overrides import get_overridable_functions
from torch.utils._device import _device_constructors

from ._npu_names import cpu_for_npu, is_npu_name
from ._stand_in import stand_in

# Every public function that takes `device` as a keyword; a test compares this with the schemas of PyTorch.
_FACTORIES = {
    "torch": """
        arange as_tensor asarray bartlett_window blackman_window empty empty_like empty_permuted empty_quantized
        empty_strided eye from_file full full_like hamming_window hann_window kaiser_window linspace logspace normal
        ones ones_like rand rand_like randint randint_like randn randn_like randperm range scalar_tensor
        sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
        sparse_csr_tensor tensor tril_indices triu_indices zeros zeros_like""",
    "torch.fft": "fftfreq rfftfreq",
    "torch.nested": "as_nested_tensor nested_tensor",
    "torch.Tensor": "new new_empty new_empty_strided new_full new_ones new_tensor new_zeros",
}
_OWNERS = {
    "torch": torch,
    "torch.fft": torch.fft,
    "torch.nested": torch.nested,
    "torch.Tensor": Tensor,
    "torch._C._nn": torch._C._nn,
}


def install() -> None:
    """Exchanges the functions and classes that take a device. They stay exchanged until the process ends."""
    get_overridable_functions()  # fills a table, which must hold the functions that C++ hands to modes
    _exchange(torch, "device", stand_in(torch.device, "torch"))
    _exchange(torch, "Generator", stand_in(torch.Generator, "torch"))
    for owner, names in _FACTORIES.items():
        for name in names.split():
            _exchange_function(owner, name, _with_device_keyword)
    _exchange_function("torch.Tensor", "to", _with_device_first)
    _exchange_function("torch._C._nn", "_parse_to", _with_device_first)  # how modules read the arguments of their `to`
    _add_npu_methods()
    torch.serialization.register_package(_LAST, lambda storage: None, _restore_npu_storage)


def _exchange_function(owner: str, name: str, wrap: Callable[..., Any]) -> None:
    replacement = wrap(getattr(_OWNERS[owner], name))
    # The name under which it is found: to pickle it, and for code generated from a graph that calls it.
    module, *parents = owner.split(".") if owner == "torch.Tensor" else (owner,)
    replacement.__module__ = module
    replacement.__qualname__ = ".".join([*parents, name])
    _exchange(_OWNERS[owner], name, replacement)


def _exchange(owner: Any, name: str, replacement: Any) -> None:
    """Puts the replacement into its place, and beside the original in the two tables that know it by identity."""
    original = getattr(owner, name)
    if original in _device_constructors():  # those that `with torch.device(...)` gives a device, also in traced code
        _device_constructors().add(replacement)
    operator = _builtins._find_builtin(original)
    if operator is not None:  # how TorchScript compiles it
        _builtins._register_builtin(replacement, operator)
    if owner is Tensor:  # torch.compile takes for methods of tensors what it finds in the class, under any name
        setattr(Tensor, f"_without_npu_{name}", original)
    setattr(owner, name, replacement)


def _with_device_keyword(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def translate(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs:
            kwargs["device"] = cpu_for_npu(kwargs["device"])
        return function(*args, **kwargs)

    _leave_alone_in_torch_compile(translate)
    return translate


def _with_device_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """For `to`: the device is the keyword, or any positional argument (the first is the tensor, of a method)."""

    @functools.wraps(function)
    def translate(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs:
            kwargs["device"] = cpu_for_npu(kwargs["device"])
        return function(*[cpu_for_npu(argument) for argument in args], **kwargs)

    _leave_alone_in_torch_compile(translate)
    return translate


def _leave_alone_in_torch_compile(function: Callable[..., Any]) -> None:
    """Traced functions inline this one, but torch.compile does not compile it for itself after a graph break.

    It would do so for each tensor it meets, and soon warn that there are too many of them.
    """
    skip = eval_frame._FrameExecStrategy(eval_frame._FrameAction.SKIP, eval_frame._FrameAction.DEFAULT)
    eval_frame.set_code_exec_strategy(function.__code__, skip)


def _add_npu_methods() -> None:
    Tensor.npu = _tensor_npu
    nn.Module.npu = _module_npu
    # A descriptor written in C, for that is all that torch.compile reads from a tensor in the middle of a graph.
    Tensor.is_npu = torch._C.TensorBase.is_cpu
    traced = sys.modules.get("torch._dynamo.variables.tensor")
    if traced is not None:  # it has made its table already
        traced.all_tensor_attrs["is_npu"] = Tensor.is_npu


def _tensor_npu(
    self: Tensor,
    device: Any = None,
    non_blocking: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
) -> Tensor:
    """The tensor itself: the NPU is the CPU here."""
    return self


def _module_npu(self: nn.Module, device: Any = None) -> nn.Module:
    """The module itself: the NPU is the CPU here."""
    return self


_LAST = 1000  # order among those that are asked how to restore a storage; ours knows its own tag


def _restore_npu_storage(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage | None:
    """For torch.load: storages saved from an NPU, and map_location="npu:0"."""
    return storage if is_npu_name(location) else None
