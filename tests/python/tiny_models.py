"""One small random model of each family that the tests load: built in milliseconds, shaped like the real ones."""

from collections.abc import Callable

import torch
from torch import nn

_SIZES = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "initializer_range": 0.2,
}  # fmt: skip
_GROUPED = {**_SIZES, "num_key_value_heads": 2}
IDS = torch.arange(3, 15).reshape(2, 6)


def bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**_SIZES))


def bert_classifier() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(BertConfig(**_SIZES, num_labels=3))


def qwen2() -> nn.Module:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**_GROUPED, tie_word_embeddings=True))


def qwen2_base() -> nn.Module:
    from transformers import Qwen2Config, Qwen2Model

    return Qwen2Model(Qwen2Config(**_GROUPED))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**_GROUPED))


def mistral() -> nn.Module:
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(MistralConfig(**_GROUPED, sliding_window=4))


def gpt_neox() -> nn.Module:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    return GPTNeoXForCausalLM(GPTNeoXConfig(**_SIZES))


def phi3() -> nn.Module:
    from transformers import Phi3Config, Phi3ForCausalLM

    return Phi3ForCausalLM(Phi3Config(**_GROUPED))


def mixtral() -> nn.Module:
    """With experts, of which a few tokens reach some."""
    from transformers import MixtralConfig, MixtralForCausalLM

    return MixtralForCausalLM(MixtralConfig(**_GROUPED, num_local_experts=4))


def qwen2_vl() -> nn.Module:
    """With a part for images, which IDS do not reach."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    text = {**_GROUPED, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}
    vision = {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2, "patch_size": 4}
    return Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision))


_ALL = (bert, bert_classifier, qwen2, qwen2_base, llama, mistral, gpt_neox, phi3, mixtral, qwen2_vl)
BUILDERS: dict[str, Callable[[], nn.Module]] = {build.__name__: build for build in _ALL}
# Calibration with IDS reaches each layer of all but the last two.
CASES = [
    (family, scheme)
    for family in BUILDERS
    for scheme in ("w8a8_dynamic", "w8a8")
    if scheme == "w8a8_dynamic" or family not in ("mixtral", "qwen2_vl")
]


def build(family: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """In evaluation mode."""
    return in_dtype(BUILDERS[family](), dtype)


def in_dtype(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """As from_pretrained builds it: `model.to(dtype)` would cast rotary frequencies, too."""
    result = type(model)._from_config(model.config, dtype=dtype)
    result.load_state_dict(model.state_dict())
    return result.eval()


@torch.no_grad()
def output(model: nn.Module) -> torch.Tensor:
    """What the model makes of IDS."""
    result = model(input_ids=IDS)
    return result.logits if hasattr(result, "logits") else result.last_hidden_state
