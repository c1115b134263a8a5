"""What several tests need: where things are, and models small enough to build for each test."""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: tests fetch nothing

import pytest
import torch
from torch import nn

REPOSITORY = Path(__file__).parents[2]
for folder in ("python", "examples/minilm", "bench"):  # the package where it is not installed; demo, comparison
    sys.path.insert(0, str(REPOSITORY / folder))


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data() -> Path:
    return REPOSITORY / "tests" / "data"


@pytest.fixture
def bert() -> nn.Module:
    """A model of one's own."""
    return tiny_bert()


def tiny_bert() -> nn.Module:
    """BERT with random weights: 2 blocks of 6 linear layers, and the pooler."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    return BertModel(config).eval()


def token_batches(count: int = 2, sentences: int = 4, length: int = 8) -> list[dict[str, torch.Tensor]]:
    """Inputs for `bert`."""
    return [
        {
            "input_ids": torch.randint(0, 100, (sentences, length)),
            "attention_mask": torch.ones(sentences, length, dtype=torch.int64),
        }
        for _ in range(count)
    ]
