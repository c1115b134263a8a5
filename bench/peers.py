"""The int8 linear beside its peers on this CPU: `make bench-peers`, or, in .venv-bench,

    python bench/peers.py [--suite NAME] [--threads T ...] [--json FILE] [--write-docs]

measures every peer that is installed, shows the ratios, and judges what the project promises of its speed. The parts
are in the folder of the same name.
"""

import sys
from pathlib import Path

# The package comes from the source tree. Of the two things here that are named peers, Python imports the folder.
sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from peers.cli import main

if __name__ == "__main__":
    sys.exit(main())
