"""What a model reads for calibration: texts through its tokenizer, or token ids as they are."""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._command import Problem, first_line

if TYPE_CHECKING:
    import torch

ID_FILES = (".safetensors", ".npz", ".pt")


@dataclass(frozen=True)
class Inputs:
    """Batches for the model, and how much is in them."""

    batches: list[dict[str, "torch.Tensor"]]
    texts: int
    tokens: int


def check_calibration_file(file: Path) -> None:
    """Before the model is loaded, which takes longer."""
    if not file.is_file():
        raise Problem(f"--calibration {file} does not exist or is no file")
    if file.stat().st_size == 0:
        raise Problem(f"--calibration {file} is empty; texts like those the model will see are needed")


def read_batches(options: argparse.Namespace, config: Any) -> Inputs:
    """The calibration file as batches of token ids. Texts of equal length go together, so nothing is ever padded."""
    file: Path = options.calibration
    longest = min(options.max_length, getattr(config, "max_position_embeddings", None) or options.max_length)
    if file.suffix in ID_FILES:
        rows = [row[:longest] for row in islice(_stored_ids(file), options.samples)]
    else:
        rows = _tokenized(options.float_dir, file, islice(_texts(file), options.samples), longest)
    rows = [row for row in rows if len(row) > 0]
    if not rows:
        raise Problem(f"--calibration {file} holds no text")
    _check_ids(file, rows, getattr(config, "vocab_size", None))
    batches = list(_batches(rows, options.batch_size, getattr(config, "is_encoder_decoder", False)))
    return Inputs(batches, len(rows), sum(map(len, rows)))


def _texts(file: Path) -> Iterator[str]:
    """Line by line, empty ones left out."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _text_of_json(file, number, line) if file.suffix == ".jsonl" else line.strip("\r\n")
    except UnicodeDecodeError as error:
        raise Problem(f"--calibration {file} is no text in UTF-8: {error}; token ids come as {ID_FILES}") from error


def _text_of_json(file: Path, number: int, line: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{file}, line {number}: no JSON: {error}") from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise Problem(f'{file}, line {number}: holds no "text", allowed: objects like {{"text": "..."}}')
    return text


def _tokenized(folder: Path, file: Path, texts: Iterable[str], longest: int) -> list[list[int]]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # it raises whatever the missing file leads to
        raise Problem(
            f"{folder} holds no tokenizer that could read {file} ({type(error).__name__}: {first_line(error)}); "
            f"put the tokenizer's files there, or give --calibration token ids: input_ids in {', '.join(ID_FILES)}"
        ) from error
    return [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts]


def _stored_ids(file: Path) -> Iterator["torch.Tensor"]:
    """Rows of `input_ids` (n, length); where an attention_mask of the same shape is 0 nothing is kept."""
    import torch

    try:
        stored = _load(file)
    except Exception as error:  # three formats, each with errors of its own
        raise Problem(f"--calibration {file} cannot be read: {first_line(error)}") from error
    ids = stored.get("input_ids") if isinstance(stored, dict) else stored
    if not isinstance(ids, torch.Tensor) or ids.dim() not in (1, 2) or ids.is_floating_point():
        what = f"{ids.dtype} of shape {tuple(ids.shape)}" if isinstance(ids, torch.Tensor) else "absent"
        raise Problem(f"--calibration {file}: input_ids is {what}, allowed: integers (texts, length) or (length)")
    mask = stored.get("attention_mask") if isinstance(stored, dict) else None
    if mask is not None and mask.shape != ids.shape:
        raise Problem(f"--calibration {file}: attention_mask is {tuple(mask.shape)}, allowed: {tuple(ids.shape)}")
    mask = torch.ones_like(ids) if mask is None else mask
    for row, kept in zip(torch.atleast_2d(ids), torch.atleast_2d(mask), strict=True):
        yield row[kept != 0]


def _load(file: Path) -> Any:
    import numpy
    import torch
    from safetensors.torch import load_file

    if file.suffix == ".safetensors":
        return load_file(file)
    if file.suffix == ".pt":
        return torch.load(file, weights_only=True)
    with numpy.load(file, allow_pickle=False) as arrays:
        return {
            name: torch.from_numpy(arrays[name]) for name in arrays.files if name in ("input_ids", "attention_mask")
        }


def _check_ids(file: Path, rows: list[Any], vocabulary: int | None) -> None:
    least, largest = min(int(min(row)) for row in rows), max(int(max(row)) for row in rows)
    if least < 0 or (vocabulary is not None and largest >= vocabulary):
        raise Problem(
            f"--calibration {file}: tokens reach from {least} to {largest}, but the model has {vocabulary}; "
            "was it made with another tokenizer?"
        )


def _batches(rows: list[Any], size: int, is_encoder_decoder: bool) -> Iterator[dict[str, "torch.Tensor"]]:
    import torch

    by_length: dict[int, list[Any]] = {}
    for row in rows:
        by_length.setdefault(len(row), []).append(row)
    for same in by_length.values():
        for begin in range(0, len(same), size):
            ids = torch.stack([torch.as_tensor(row, dtype=torch.int64) for row in same[begin : begin + size]])
            batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            yield batch | ({"decoder_input_ids": ids} if is_encoder_decoder else {})
