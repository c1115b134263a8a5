"""Feeds batches to a model for calibration and comparison."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from rich.progress import track
from torch import nn


@torch.no_grad()
def run_batches(model: nn.Module, batches: Iterable[Any], description: str, progress: bool) -> int:
    """Calls model(**batch) for mappings, model(*batch) for tuples and lists, else model(batch); returns how many."""
    count = 0
    with _evaluating(model):
        for batch in track(batches, description=description, disable=not progress):
            if isinstance(batch, Mapping):
                model(**batch)
            elif isinstance(batch, tuple | list):
                model(*batch)
            else:
                model(batch)
            count += 1
    return count


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode (no dropout), each module as it was afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
