"""torchair.configs."""

from torchair.configs import compiler_config

from a8w8.compat._refusal import refuse

__all__ = ["compiler_config"]
__getattr__ = refuse(__name__)
