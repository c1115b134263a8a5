"""Checkpoint folders made of others without running the model. The work is the op library's, in a thread of its own."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class QuantizeReport:
    """What `quantize_checkpoint` did.

    Attributes:
        quantized: names of the layers that are int8 now.
        kept: the other float matrices, each with the reason why it stays float.
        warnings: what a user should know before deploying the result.
        read_bytes, written_bytes: of tensors.
    """

    quantized: list[str]
    kept: dict[str, str]
    warnings: list[str]
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True)
class ConvertReport:
    """What `convert_checkpoint` did.

    Attributes:
        source_format, format: from and to.
        dynamic_layers, static_layers: how many quantized layers of each kind the result has.
        losses: sentences, each about something that the other format cannot express; empty if nothing is lost.
        notes: what was derived, and how.
        written_bytes: of tensors.
    """

    source_format: str
    format: str
    dynamic_layers: int
    static_layers: int
    losses: list[str]
    notes: list[str]
    written_bytes: int


def quantize_checkpoint(
    float_dir: str | Path,
    path: str | Path,
    *,
    format: str = "msmodelslim",
    skip: Sequence[str] = (),
    max_part_bytes: int = 4 << 30,
    num_threads: int = 0,
    durable: bool = False,
    progress: bool = True,
) -> QuantizeReport:
    """Quantizes the linear layers of a Hugging Face folder to W8A8_DYNAMIC, tensor by tensor, in bounded memory.

    The model is not built: which tensors are linear layers is told by name and shape (docs/quantize_a_checkpoint.md).
    Arithmetic is that of the format's own tool, in the dtype of each weight (float32, bfloat16 or float16). The folder
    at `path` appears whole or not at all.

    Args:
        float_dir: safetensors files with config.json.
        path: a folder that does not exist, is empty, or holds an older checkpoint, which is replaced.
        format: "msmodelslim" or "compressed-tensors".
        skip: layers to leave float: names, or patterns with * and ?.
        max_part_bytes: the size beyond which weights are split over several files.
        num_threads: 0 for A8W8_NUM_THREADS, or all cores.
        durable: wait until everything is on the disk; otherwise that happens some time later, as with copied files. A
            folder that is replaced is always only removed once the new one is safe.
        progress: show a progress bar.

    Raises:
        RuntimeError: folders that cannot be read or written, weights that are not finite, a pattern that matches no
            layer, a model whose layers lie transposed (GPT-2) or that is quantized already; by file, tensor and row.
        KeyboardInterrupt: after Ctrl-C; nothing is left behind.
    """
    arguments = (str(float_dir), str(path), format, list(skip), max_part_bytes, num_threads, durable)
    return QuantizeReport(**_run("Quantizing", torch.ops.a8w8.quantize_checkpoint, arguments, progress))


def convert_checkpoint(
    source: str | Path,
    path: str | Path,
    format: str,
    *,
    max_part_bytes: int = 4 << 30,
    num_threads: int = 0,
    durable: bool = False,
    progress: bool = True,
) -> ConvertReport:
    """Rewrites a quantized checkpoint in the other format, "msmodelslim" or "compressed-tensors".

    Weights are copied; scales and biases become what the other format has in their place, so that the same numbers are
    computed. The report says what is lost. Arguments and errors are those of `quantize_checkpoint`.
    """
    arguments = (str(source), str(path), format, max_part_bytes, num_threads, durable)
    return ConvertReport(**_run("Converting", torch.ops.a8w8.convert_checkpoint, arguments, progress))


def _run(what: str, op: Callable[..., str], arguments: tuple, progress: bool) -> dict:
    job = torch.ops.a8w8.new_job()
    result: list[str] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            result.append(op(*arguments, job))
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=work, name=f"a8w8 {what}")
    thread.start()
    try:
        _watch(what, job, thread, progress)
    except BaseException:
        torch.ops.a8w8.cancel_job(job)
        thread.join()
        raise
    thread.join()
    if errors:
        raise errors[0]
    return json.loads(result[0])


def _watch(what: str, job: int, thread: threading.Thread, progress: bool) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task(what, total=None)
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            done, total = torch.ops.a8w8.job_progress(job)
            if total:
                bar.update(task, completed=done, total=total)
