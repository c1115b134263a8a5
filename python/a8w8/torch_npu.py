"""Runs a torch_npu script as it is: `python -m a8w8.torch_npu SCRIPT [ARGS]`, or `-m MODULE [ARGS]`."""

import builtins
import importlib.machinery
import io
import os
import runpy
import sys
from types import ModuleType, TracebackType

from a8w8 import compat

_USAGE = """usage: python -m a8w8.torch_npu SCRIPT [ARGS]
       python -m a8w8.torch_npu -m MODULE [ARGS]

Runs a script or a module that imports torch_npu or torchair, or names "npu" devices, on the CPU.
Where a torch_npu is installed, the script just runs."""


def main() -> None:
    """What `python SCRIPT` would do, after `a8w8.compat.install()`."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE)
        return
    if not arguments or arguments == ["-m"]:
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    _hide_own_frames()
    if arguments[0] == "-m":
        _run_module(arguments[1], arguments[2:])
    else:
        _run_script(arguments[0], arguments[1:])


def _run_script(script: str, arguments: list[str]) -> None:
    path = os.path.abspath(script)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        sys.exit(2)
    sys.argv[:] = [script, *arguments]
    if not getattr(sys.flags, "safe_path", False):  # python -P, from Python 3.11 on
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    compat.install()
    sys.modules["__main__"] = main_module = ModuleType("__main__")
    main_module.__dict__.update(
        __annotations__={},
        __builtins__=builtins,
        __cached__=None,
        __file__=path,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
    )
    exec(compile(source, path, "exec", dont_inherit=True), main_module.__dict__)


def _run_module(module: str, arguments: list[str]) -> None:
    sys.argv[:] = [module, *arguments]  # runpy puts the path of the module first
    compat.install()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _hide_own_frames() -> None:
    """Tracebacks begin with the script, as they do without this runner."""
    show = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        error.__traceback__ = _after_own_frames(traceback)  # which is what Python shows
        show(kind, error, error.__traceback__)

    sys.excepthook = excepthook


def _after_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Drops the frames of runpy and of this file, up to the last one of the latter before the script's."""
    own = traceback
    while own is not None and own.tb_frame.f_code.co_filename != __file__:
        own = own.tb_next
    while own is not None and own.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>", runpy.__file__):
        own = own.tb_next
    return own


if __name__ == "__main__":
    main()
