"""What the verbs of this package share as command lines; nothing here imports torch."""

import argparse
import sys
from collections.abc import Callable


class Usage(Exception):
    """The command line is wrong: exit status 2."""


class Problem(Exception):
    """The files are wrong: exit status 1."""


def exit_status(work: Callable[[], int]) -> int:
    """That of `work`; what it raises for a user to read is printed in the form of the program's errors."""
    try:
        return work()
    except Usage as error:
        return _complain(error, 2)
    except (Problem, OSError, ValueError, RuntimeError, ImportError) as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130


def _complain(error: Exception, status: int) -> int:
    print(f"a8w8: {error}", file=sys.stderr)
    return status


def positive(text: str) -> int:
    """The type of an option for argparse: an integer from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def first_line(error: Exception) -> str:
    """Of its message; some explain themselves at length."""
    return next(iter(str(error).splitlines()), "")
