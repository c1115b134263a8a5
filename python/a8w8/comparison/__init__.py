"""How good is a quantized model? Layer by layer on the inputs of the float original, and end to end.

`run` feeds both models; `sums` adds up errors, `layer_meter` those of one layer and what causes them, `ends` those of
the models' outputs; `result` is what comes out, and `page` its HTML.
"""

from .ends import EndToEnd
from .result import Comparison, LayerRow
from .run import compare

__all__ = ["Comparison", "EndToEnd", "LayerRow", "compare"]
