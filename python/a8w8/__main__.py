"""`python -m a8w8 VERB ...` is the command `a8w8 VERB ...`."""

import sys

from a8w8_cli import main

sys.exit(main())
