"""torchair.core."""

from torchair.core import utils

from a8w8.compat._refusal import refuse

__all__ = ["utils"]
__getattr__ = refuse(__name__)
