"""torchair.ge_concrete_graph.ge_apis: importable, as the vendor's examples import it. There is no graph engine."""

from a8w8.compat._refusal import refuse

__getattr__ = refuse(__name__)
