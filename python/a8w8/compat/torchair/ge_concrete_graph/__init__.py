"""torchair.ge_concrete_graph: importable, as the vendor's examples import it. There is no graph engine."""

from torchair.ge_concrete_graph import ge_apis

from a8w8.compat._refusal import refuse

__all__ = ["ge_apis"]
__getattr__ = refuse(__name__)
