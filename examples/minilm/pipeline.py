"""From the float model to int8 checkpoints on disk."""

from pathlib import Path

import a8w8
from corpus import load_pairs, sentences, split
from embedding import load_float_model, make_batches

BATCH_SIZE = 30
# Names of the int8 models in the results, and their folders below the output folder.
FOLDERS = {"int8 dynamic": "minilm-w8a8-dynamic", "int8 static": "minilm-w8a8-static"}


def quantize_and_save(out: Path) -> None:
    """Quantizes MiniLM twice, with the calibration half of the text where needed, and saves msModelSlim checkpoints."""
    model = load_float_model()
    calibration = [batch.inputs for batch in make_batches(sentences(split(load_pairs())[0]), BATCH_SIZE)]
    dynamic = a8w8.quantize_model(model, "w8a8_dynamic")
    static = a8w8.quantize_model(model, "w8a8", calibration=calibration)
    for name, quantized in zip(FOLDERS, (dynamic, static), strict=True):
        a8w8.save_checkpoint(quantized, out / FOLDERS[name])
