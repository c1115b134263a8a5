"""Stand-ins for classes whose constructor takes a device: `torch.device("npu:0")` is `torch.device("cpu")`.

The real classes cannot be changed, nor torch.device be subclassed, and instances must be real ones, for C++ reads them.
So the stand-in is a class without instances: calling it constructs the real one, `isinstance` and `issubclass` ask for
the real one, and it equals and hashes as the real one does, so that sets and tables made before and after the exchange
(torch.compile has several) find it either way.
"""

from typing import Any

from ._npu_names import is_npu_name


class _StandInMeta(type):
    _real: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        device = args[0] if args else kwargs.get("device", kwargs.get("type"))
        # The index goes, too: torch.device("npu:0") has to equal the device of a tensor, which is "cpu".
        return cls._real("cpu") if is_npu_name(device) else cls._real(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls._real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or issubclass(subclass, cls._real)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls._real

    def __hash__(cls) -> int:
        return hash(cls._real)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._real, name)

    def __repr__(cls) -> str:
        return repr(cls._real)


def stand_in(real: type, module: str) -> type:
    """A class to put in the place of `real`, under the name that it has in `module`."""
    attributes = {
        "_real": real,
        "__doc__": real.__doc__,
        "__module__": module,
        "__qualname__": real.__name__,
    }
    return _StandInMeta(real.__name__, (), attributes)
