"""The measurements, in a process of their own: all it knows of the int8 models is what lies on disk.

python examples/minilm/evaluate.py OUT   reads OUT/<folders of pipeline.py>, writes OUT/results.json and
OUT/embeddings.npz
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import a8w8
import numpy as np
import torch
from corpus import load_pairs, sentences, split
from embedding import Batch, embed, load_float_model, make_batches, model_folder
from metrics import ModelResult, Results, add_quality
from pipeline import BATCH_SIZE, FOLDERS
from rich.progress import Progress
from torch import nn

ROUNDS = 7
ENOUGH_SECONDS = 20.0  # of timing; on a slow machine it ends after the round that passes this, but not before the third


def evaluate(out: Path, rounds: int = ROUNDS) -> Results:
    """Loads the four models, runs the evaluation half of the text through each, and stores what came out."""
    texts = sentences(split(load_pairs())[1])
    batches = make_batches(texts, BATCH_SIZE)
    with Progress() as progress:
        loading = progress.add_task("Loading 4 models", total=4)
        models: dict[str, nn.Module] = {}
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            models[name] = load_float_model(dtype)
            progress.advance(loading)
        for name, folder in FOLDERS.items():
            models[name] = a8w8.load_model(out / folder)
            a8w8.nn.pack_weights_(models[name])
            progress.advance(loading)
    disk = {"float32": model_folder(), **{name: out / folder for name, folder in FOLDERS.items()}}
    results = measure(models, batches, rounds, {name: _weight_bytes(folder) for name, folder in disk.items()}, out)
    (out / "results.json").write_text(json.dumps(results.to_json(), indent=1), encoding="utf-8")
    return results


def measure(
    models: dict[str, nn.Module], batches: Sequence[Batch], rounds: int, disk_bytes: dict[str, int], out: Path
) -> Results:
    """Quality and speed of each model against models["float32"]; stores the embeddings."""
    vectors = {name: embed(model, batches).numpy() for name, model in models.items()}
    np.savez(out / "embeddings.npz", **vectors)
    seconds = _time(models, batches, rounds)
    inputs = [batch.inputs for batch in batches]
    count = sum(len(batch.rows) for batch in batches)
    rows = []
    for name, model in models.items():
        linear, other = _tensor_bytes(model)
        row = ModelResult(
            name, linear, other, disk_bytes.get(name), sentences_per_second=count / statistics.median(seconds[name])
        )
        add_quality(row, vectors["float32"], vectors[name])
        if any(isinstance(module, a8w8.nn.QuantizedLinear) for module in model.modules()):
            row.layers = [vars(layer) for layer in a8w8.compare(models["float32"], model, inputs).rows]
        rows.append(row)
    timed = len(seconds["float32"])
    return Results(count, len(batches[0].rows), timed, a8w8.config.current(), torch.__version__, rows)


def _time(models: dict[str, nn.Module], batches: Sequence[Batch], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round. In a round every model has its turn, so that disturbances hit all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in models}
    begin = time.perf_counter()
    with Progress() as progress:
        timing = progress.add_task("Timing", total=rounds * len(models))
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - begin > ENOUGH_SECONDS:
                break
            for name, model in models.items():
                start = time.perf_counter()
                embed(model, batches)
                seconds[name].append(time.perf_counter() - start)
                progress.advance(timing)
        progress.update(timing, completed=rounds * len(models))
    return seconds


def _tensor_bytes(model: nn.Module) -> tuple[int, int]:
    """Bytes of the linear layers' tensors and of all others, as stored (without non-persistent buffers)."""
    linear = total = 0
    for module in model.modules():
        size = sum(tensor.nbytes for name, tensor in module.state_dict().items() if "." not in name)
        total += size
        linear += size if isinstance(module, nn.Linear | a8w8.nn.QuantizedLinear) else 0
    return linear, total - linear


def _weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


if __name__ == "__main__":
    evaluate(Path(sys.argv[1]))
