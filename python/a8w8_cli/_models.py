"""What the verbs that run models share: models, tokenizers, texts to ids. It needs torch: import it inside `main`."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def be_quiet() -> None:
    """Keeps transformers from filling the terminal with hints and progress bars of its own."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module="transformers")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json; an error that says what is expected of a folder where there is none."""
    file = folder / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; a model is a folder with config.json and the weights")
    return json.loads(file.read_text(encoding="utf-8"))


def load_tokenizer(*folders: Path) -> Any | None:
    """That of the first folder with the files of one, or None."""
    for folder in folders:
        if any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json")):
            return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return None


def make_batches(
    tokenizer: Any, texts: Sequence[str], size: int, max_length: int, may_pad: bool = True
) -> list[dict[str, Tensor]]:
    """Inputs of some texts each; one at a time where nothing can be padded."""
    if tokenizer.pad_token is None:
        may_pad = False
    batches = []
    for start in range(0, len(texts), size if may_pad else 1):
        part = list(texts[start : start + (size if may_pad else 1)])
        inputs = tokenizer(part, padding=may_pad, truncation=True, max_length=max_length, return_tensors="pt")
        if inputs["input_ids"].shape[1] == 0:
            raise ValueError(f"text {part[0]!r} has no tokens")
        batches.append({name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs})
    return batches


def longest_input(model: nn.Module) -> int | None:
    """How many tokens the model takes at once; None if its config says nothing of it."""
    return getattr(model.config, "max_position_embeddings", None)


def check_ids(model: nn.Module, ids: Tensor, what: str) -> None:
    """ValueError if `ids` (b, s) are too many or not of the model's vocabulary; `what` says whose they are."""
    vocabulary = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if vocabulary is not None and int(ids.max()) >= vocabulary:
        raise ValueError(
            f"token id {int(ids.max())} of {what} is not below {vocabulary}, the size of the model's vocabulary; "
            "is the tokenizer that of another model?"
        )
    longest = longest_input(model)
    if longest is not None and ids.shape[1] > longest:
        raise ValueError(f"{what} has {ids.shape[1]} tokens, but the model takes {longest}")
