"""What `a8w8 run` does with a model, and how long it takes."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ._models import check_ids, longest_input


def prompts(
    model: nn.Module, tokenizer: Any | None, texts: Sequence[str] | None, ids: Sequence[list[int]] | None
) -> list[tuple[str | None, Tensor]]:
    """Text, if there is one, and token ids (1, s) of each input; ValueError if the model does not have one of them."""
    if ids:
        found: list[tuple[str | None, Tensor]] = [(None, torch.tensor([item])) for item in ids]
        if tokenizer is not None:
            found = [(tokenizer.decode(item[0]), item) for _, item in found]
    else:
        found = [(text, tokenizer(text, return_tensors="pt")["input_ids"]) for text in texts or ()]
    for text, item in found:
        if item.numel() == 0:
            raise ValueError(f"text {text!r} has no tokens")
        check_ids(model, item, repr(text) if text else str(item[0].tolist()))
    return found


@torch.inference_mode()
def embed_all(model: nn.Module, inputs: list[tuple[str | None, Tensor]]) -> dict[str, Any]:
    """The mean over the tokens, of length 1, of each input, and all similarities."""
    model = getattr(model, "base_model", model)  # without a head
    _warm_up(model, inputs)
    embeddings, seconds = [], 0.0
    for _, ids in inputs:
        start = time.perf_counter()
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        seconds += time.perf_counter() - start
        hidden = getattr(output, "last_hidden_state", None)
        if hidden is None:
            raise ValueError(f"{type(model).__name__} gives no last_hidden_state to make embeddings from")
        embeddings.append(normalize(hidden.float().mean(dim=1), dim=-1)[0])
    together = torch.stack(embeddings)
    count = sum(ids.shape[1] for _, ids in inputs)
    return {
        "embeddings": [
            {"text": text, "ids": ids[0].tolist(), "tokens": ids.shape[1], "embedding": vector.tolist()}
            for (text, ids), vector in zip(inputs, embeddings, strict=True)
        ],
        "similarities": (together @ together.T).tolist(),
        "tokens": count,
        "tokens_per_second": count / seconds,
    }


def generate_all(
    model: nn.Module, tokenizer: Any | None, inputs: list[tuple[str | None, Tensor]], max_new_tokens: int
) -> dict[str, Any]:
    """Each input continued greedily, one after the other, with the times of both phases."""
    _warm_up(model, inputs)
    return {"generations": [_generate(model, tokenizer, text, ids, max_new_tokens) for text, ids in inputs]}


@torch.inference_mode()
def _generate(model: nn.Module, tokenizer: Any | None, text: str | None, ids: Tensor, limit: int) -> dict[str, Any]:
    """Prefill is the forward pass over the input, which gives the first new token; decode are the others."""
    ends = _end_ids(model)
    room = longest_input(model)
    steps = limit if room is None else min(limit, room - ids.shape[1] + 1)
    start = time.perf_counter()
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True)
    new = [int(output.logits[0, -1].argmax())]
    prefilled = time.perf_counter()
    length = ids.shape[1]
    while len(new) < steps and new[-1] not in ends:
        length += 1
        output = model(
            input_ids=torch.tensor([new[-1:]]),
            attention_mask=torch.ones(1, length, dtype=torch.int64),
            past_key_values=output.past_key_values,
            use_cache=True,
        )
        new.append(int(output.logits[0, -1].argmax()))
    decoded = time.perf_counter()
    ended = "an end token" if new[-1] in ends else "--max-new-tokens" if len(new) == limit else "the model's length"
    return {
        "text": text,
        "ids": ids[0].tolist(),
        "new_text": None if tokenizer is None else tokenizer.decode(new, skip_special_tokens=True),
        "new_ids": new,
        "ended_by": ended,
        "prefill_tokens": ids.shape[1],
        "prefill_seconds": prefilled - start,
        "prefill_tokens_per_second": ids.shape[1] / (prefilled - start),
        "decode_seconds": decoded - prefilled,
        "decode_tokens_per_second": (len(new) - 1) / (decoded - prefilled) if len(new) > 1 else None,
    }


def _end_ids(model: nn.Module) -> set[int]:
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if configured is None:
        configured = getattr(model.config, "eos_token_id", None)
    return set(configured if isinstance(configured, list) else [] if configured is None else [configured])


@torch.inference_mode()
def _warm_up(model: nn.Module, inputs: list[tuple[str | None, Tensor]]) -> None:
    """One short pass, not timed: the first one maps pages of the weights and starts threads."""
    model(input_ids=inputs[0][1][:, :1])
