"""torchair.core.utils: the logger. The level DEBUG shows each captured graph, INFO where it is written."""

import logging

from a8w8.compat._refusal import refuse

__all__ = ["logger"]
__getattr__ = refuse(__name__)

logger = logging.getLogger("torchair")
