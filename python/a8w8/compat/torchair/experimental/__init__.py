"""torchair.experimental."""

from torchair.experimental import inference

from a8w8.compat._refusal import refuse

__all__ = ["inference"]
__getattr__ = refuse(__name__)
