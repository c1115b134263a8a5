"""Small random transformers models and a tokenizer for them."""

from pathlib import Path

import torch
from torch import nn

WORDS = "the cat sat on a mat while copper prices rose again and nobody answered phone".split()


def save_tokenizer(folder: Path, pad: bool = True) -> None:
    """One id a word, 0 for padding, 1 for unknown words, 2 for the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", "<eos>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = {"pad_token": "<pad>"} if pad else {}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", **tokens)
    fast.save_pretrained(folder)


def tiny_llama(dtype: torch.dtype = torch.float32) -> nn.Module:
    """2 blocks of 7 linear layers, and lm_head."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=48,
        eos_token_id=2,
        pad_token_id=0,
        dtype=dtype,
    )
    return LlamaForCausalLM(config).to(dtype).eval()
