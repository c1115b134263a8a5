"""The command `a8w8`, which is also `python -m a8w8`.

Some verbs are those of a C++ program that lies beside the op library: this package finds the program and hands over.
Others run models, and are modules of this package. It is a package of its own because importing a8w8 loads PyTorch,
which takes seconds; so a module of a verb imports a8w8 and torch only in what its `main` calls.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_VARIABLE = "A8W8_PROGRAM"  # a program elsewhere, for instance in a build folder


@dataclass(frozen=True)
class PythonVerb:
    """A verb that needs PyTorch."""

    module: str  # in this package, with main(arguments: list[str]) -> int: the exit status
    summary: str
    only_with: tuple[str, ...] = ()  # not empty: the verb is the program's unless one of these options is there


PYTHON_VERBS = {
    "compare": PythonVerb("compare", "a float model and its quantized one, layer by layer and end to end"),
    "run": PythonVerb("run", "embeddings and similarities, or greedy text, of a quantized model"),
    # Dynamic quantization needs no model: the program streams the files.
    "quantize": PythonVerb(
        "quantize", "float checkpoint to int8; static with calibration", ("--scheme=w8a8", "--smooth", "--calibration")
    ),
}


def program_path() -> Path:
    """Where the program is expected: A8W8_PROGRAM, or else `lib/` inside the package a8w8, which is not imported."""
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        return Path(override)
    package = importlib.util.find_spec("a8w8")
    folder = Path(package.origin).parent if package and package.origin else Path(__file__).parents[1] / "a8w8"
    return folder / "lib" / "a8w8"


def python_verb(arguments: Sequence[str]) -> PythonVerb | None:
    """The verb of this package that the command line means, or None if it is for the program."""
    verb = PYTHON_VERBS.get(arguments[0]) if arguments else None
    if verb is None or not verb.only_with:
        return verb
    words = arguments[1:]
    given = {word.split("=")[0] for word in words} | set(words)
    given |= {f"{word}={value}" for word, value in zip(words, words[1:], strict=False)}  # --scheme w8a8
    return verb if given & set(verb.only_with) else None


def main() -> int:
    """Runs the verb in sys.argv and returns the exit status; does not return if the program runs."""
    arguments = sys.argv[1:]
    verb = python_verb(arguments)
    if verb is not None:
        return importlib.import_module(f"{__name__}.{verb.module}").main(arguments[1:])
    path = program_path()
    try:
        verbs = _output(path, "--verbs").split()
        if arguments in (["--help"], ["-h"]):
            print(_help(_output(path, "--help"), verbs))
            return 0
    except (OSError, subprocess.CalledProcessError) as error:
        return _complain(
            f"the program {path} does not run: {error}.\n"
            "Likely cause: the package is used from a source tree that is not built yet, or was built for another "
            f"platform.\nBuild it with `make build`, or set {ENVIRONMENT_VARIABLE} to a program built elsewhere.",
            status=1,
        )
    if arguments == ["--verbs"]:
        print("\n".join(_all_verbs(verbs)))
        return 0
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        return _complain(f'unknown verb "{arguments[0]}"; known are {", ".join(_all_verbs(verbs))}', status=2)
    sys.stdout.flush()
    os.execv(path, ["a8w8", *arguments])


def _output(path: Path, option: str) -> str:
    return subprocess.run([path, option], capture_output=True, text=True, check=True).stdout


def _all_verbs(of_program: list[str]) -> list[str]:
    return [*of_program, *(name for name in PYTHON_VERBS if name not in of_program)]


def _help(of_program: str, verbs: list[str]) -> str:
    """The program's help, whose last section lists its verbs in two columns, with ours added."""
    ours = [f"  {name:<28}{verb.summary}" for name, verb in PYTHON_VERBS.items() if name not in verbs]
    return "\n".join([of_program.rstrip(), *ours])


def _complain(message: str, status: int) -> int:
    print(f"a8w8: {message}", file=sys.stderr)
    return status
