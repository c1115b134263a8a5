"""The command `a8w8`, which is also `python -m a8w8`.

Its verbs are those of a C++ program that lies beside the op library: this package finds the program and hands over.
It is a package of its own because importing a8w8 loads PyTorch, which takes seconds and which no verb there needs.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT_VARIABLE = "A8W8_PROGRAM"  # a program elsewhere, for instance in a build folder


def program_path() -> Path:
    """Where the program is expected: A8W8_PROGRAM, or else `lib/` inside the package a8w8, which is not imported."""
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        return Path(override)
    package = importlib.util.find_spec("a8w8")
    folder = Path(package.origin).parent if package and package.origin else Path(__file__).parents[1] / "a8w8"
    return folder / "lib" / "a8w8"


def main() -> int:
    """Runs the verb in sys.argv; does not return if the program runs."""
    path = program_path()
    arguments = sys.argv[1:]
    try:
        verbs = subprocess.run([path, "--verbs"], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        return _complain(
            f"the program {path} does not run: {error}.\n"
            "Likely cause: the package is used from a source tree that is not built yet, or was built for another "
            f"platform.\nBuild it with `make build`, or set {ENVIRONMENT_VARIABLE} to a program built elsewhere.",
            status=1,
        )
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        return _complain(f'unknown verb "{arguments[0]}"; known are {", ".join(verbs)}', status=2)
    sys.stdout.flush()
    os.execv(path, ["a8w8", *arguments])


def _complain(message: str, status: int) -> int:
    print(f"a8w8: {message}", file=sys.stderr)
    return status
