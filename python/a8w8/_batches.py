"""Feeds batches to a model for calibration and comparison."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import length_hint
from typing import Any

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from torch import Tensor, nn


@torch.no_grad()
def run_batches(model: nn.Module, batches: Iterable[Any], description: str, progress: bool) -> int:
    """Calls model(**batch) for mappings, model(*batch) for tuples and lists, else model(batch); returns how many."""
    count = 0
    with _evaluating(model), _bar(not progress) as bar:
        task = bar.add_task(description, total=length_hint(batches) or None, rows=0, unit="")
        for batch in batches:
            if isinstance(batch, Mapping):
                model(**batch)
            elif isinstance(batch, tuple | list):
                model(*batch)
            else:
                model(batch)
            count += 1
            rows, unit = _rows(batch)
            bar.update(task, advance=1, rows=bar.tasks[task].fields["rows"] + rows, unit=unit)
    return count


class _Throughput(ProgressColumn):
    """Rows of input in a second."""

    def render(self, task: Task) -> Text:
        rows, seconds = task.fields["rows"], task.finished_time or task.elapsed
        return Text(f"{rows / seconds:,.0f} {task.fields['unit']}/s" if rows and seconds else "")


def _bar(disable: bool) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Throughput()
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), disable=disable)


def _rows(batch: Any) -> tuple[int, str]:
    """How many rows the first tensor of a batch feeds to a linear layer, and what to call them."""
    items = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else (batch,)
    for item in items:
        if isinstance(item, Tensor) and item.dim() > 0:
            return (item.shape[:-1].numel(), "rows") if item.is_floating_point() else (item.numel(), "tokens")
    return 0, ""


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
