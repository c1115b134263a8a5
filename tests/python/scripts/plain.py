"""Nothing about NPUs: shows what a script sees of how it is run, then fails."""

import pickle
import sys
from pathlib import Path


class Local:
    pass


def fails(depth):
    if depth:
        fails(depth - 1)
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("second, of it") from error


print(__name__, __file__, __spec__, __doc__, type(__loader__).__name__, __package__)
print(sys.argv, Path(sys.path[0]).name, sys.modules["__main__"].__dict__ is globals())
print(type(pickle.loads(pickle.dumps(Local()))) is Local)
print(sorted(name for name in globals() if name.startswith("__")))
fails(1)
