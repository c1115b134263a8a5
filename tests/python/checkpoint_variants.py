"""Checkpoint folders in the variants that no sample covers, and the models that compute by hand what they mean.

Everything here is plain torch, written from the description of the formats: no op of the library is used. A model by
hand has in place of each quantized linear a function; all else is shared with the float model, so its outputs are the
bits to expect.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_models import in_dtype
from torch import Tensor, nn

Compute = Callable[[Tensor], Tensor]
IDS = torch.arange(20)[None] * 7 % 50


def tiny_qwen2(dtype: torch.dtype) -> nn.Module:
    """One block and an untied head; biases on query, key and value."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False, initializer_range=0.1,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    for layer in linears(model).values():
        if layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.3)
    return in_dtype(model, dtype)


def linears(model: nn.Module) -> dict[str, nn.Linear]:
    """Those to quantize: all but the head."""
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and name != "lm_head"}


@dataclass
class Variant:
    """A checkpoint in the making: tensors, the type of each, and what each layer computes."""

    model: nn.Module
    ranges: dict[str, tuple[Tensor, Tensor]]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    by_hand: dict[str, Compute] = field(default_factory=dict)

    @classmethod
    def of(cls, model: nn.Module) -> "Variant":
        """With the inputs' ranges on IDS, and all that stays float."""
        ranges: dict[str, tuple[Tensor, Tensor]] = {}
        hooks = [
            layer.register_forward_pre_hook(
                lambda _, x, name=name: ranges.update({name: (x[0].min().clamp(max=0), x[0].max().clamp(min=0))})
            )
            for name, layer in linears(model).items()
        ]
        with torch.no_grad():
            model(IDS)
        for hook in hooks:
            hook.remove()
        result = cls(model, ranges)
        quantized = linears(model)
        for name, tensor in model.state_dict().items():
            if name.rpartition(".")[0] not in quantized:
                result.add(name, tensor, "FLOAT")
        return result

    def add(self, name: str, tensor: Tensor | None, quant_type: str) -> None:
        if tensor is not None:
            self.tensors[name], self.types[name] = tensor.detach().clone().contiguous(), quant_type

    def outputs(self, ids: Tensor = IDS) -> Tensor:
        """Of the model by hand."""
        model = copy.deepcopy(self.model)
        for name, compute in self.by_hand.items():
            model.set_submodule(name, ByHand(compute))
        with torch.no_grad():
            return model(ids).logits

    def write_msmodelslim(self, folder: Path, kind: str) -> Path:
        """`kind`: the end of the names of the older tool's files."""
        self._write_config(folder, {})
        (folder / f"quant_model_description_{kind}.json").write_text(
            json.dumps({"model_quant_type": "W8A8", **self.types})
        )
        save_file(self.tensors, folder / f"quant_model_weight_{kind}.safetensors")
        return folder

    def write_compressed_tensors(self, folder: Path, activations: dict[str, object]) -> Path:
        weights = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True, "dynamic": False}
        group = {
            "targets": ["Linear"],
            "weights": weights,
            "input_activations": activations,
            "output_activations": None,
        }
        scheme = {
            "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
            "ignore": ["lm_head"], "config_groups": {"group_0": {**group, "format": "int-quantized"}},
        }  # fmt: skip
        self._write_config(folder, {"quantization_config": scheme})
        save_file(self.tensors, folder / "model.safetensors", {"format": "pt"})
        return folder

    def _write_config(self, folder: Path, more: dict[str, object]) -> None:
        folder.mkdir(parents=True)
        config = self.model.config.to_dict()
        config |= {"architectures": [type(self.model).__name__], "dtype": str(self.model.dtype)[6:], **more}
        (folder / "config.json").write_text(json.dumps(config))


class ByHand(nn.Module):
    """A function as a layer."""

    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x)


def static(
    weight: Tensor,
    scale: Tensor,
    offset: Tensor,
    deq_scale: Tensor,
    correction: Tensor,
    bias: Tensor | None = None,
    parity: str = "exact",
) -> Compute:
    """x divided by one scale; `correction` is added to the sums, `bias` after scaling.

    vLLM-Ascend multiplies by the reciprocal, rounded to the dtype of x.
    """

    def compute(x: Tensor) -> Tensor:
        factor = (1 / scale.to(x.dtype)).float()
        scaled = x.float() / scale.float() if parity == "exact" else x.float() * factor
        x_q = torch.round(scaled + offset.float()).clamp(-128, 127)
        sums = x_q.double() @ weight.double().t() + correction.double()  # whole numbers, exact
        y = sums.float() * deq_scale.float()
        return (y if bias is None else y + bias.float()).to(x.dtype)

    return compute


def dynamic(weight: Tensor, weight_scale: Tensor, bias: Tensor | None) -> Compute:
    """A scale per row of x."""

    def compute(x: Tensor) -> Tensor:
        scale = x.float().abs().amax(dim=-1, keepdim=True) / 127
        x_q = torch.round(x.float() / scale).clamp(-128, 127)
        y = (x_q.double() @ weight.double().t()).float() * weight_scale.float().flatten() * scale
        return (y if bias is None else y + bias.float()).to(x.dtype)

    return compute


def rows(weight: Tensor, steps: float = 127, low: int = -128) -> tuple[Tensor, Tensor]:
    """Whole numbers and their scales [n, 1], in the dtype of the weight."""
    scale = weight.abs().amax(dim=1, keepdim=True) / steps
    return torch.round(weight / scale).clamp(low, -low - 1).to(torch.int8), scale


def asymmetric(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """input_scale and input_offset, [1], in the dtype of the model."""
    scale = ((high - low) / 255).reshape(1)
    return scale, (torch.round(-low / scale) - 128).clamp(-128, 127)


def _static_tensors(variant: Variant, name: str, layer: nn.Linear, parity: str = "exact") -> dict[str, Tensor]:
    """What msModelSlim's W8A8 and W8A8_MIX have in common; deq_scale as float32."""
    weight, weight_scale = rows(layer.weight)
    scale, offset = asymmetric(*variant.ranges[name])
    deq_scale = (scale * weight_scale).flatten().float()
    bias = torch.zeros(()) if layer.bias is None else layer.bias.float()
    quant_bias = torch.round(bias / deq_scale - offset.float() * weight.sum(dim=1).float()).to(torch.int32)
    variant.by_hand[name] = static(weight, scale, offset, deq_scale, quant_bias, parity=parity)
    return {
        "weight": weight, "weight_scale": weight_scale, "weight_offset": torch.zeros_like(weight_scale),
        "input_scale": scale, "input_offset": offset, "quant_bias": quant_bias, "deq_scale": deq_scale,
    }  # fmt: skip


def float16_static(folder: Path, parity: str = "exact") -> Variant:
    """W8A8 of a float16 model by the older tool: deq_scale as int64 with the bits of the float32 value."""
    variant = Variant.of(tiny_qwen2(torch.float16))
    for name, layer in linears(variant.model).items():
        tensors = _static_tensors(variant, name, layer, parity)
        tensors["deq_scale"] = tensors["deq_scale"].view(torch.int32).to(torch.int64)
        for kind, tensor in tensors.items():
            variant.add(f"{name}.{kind}", tensor, "W8A8")
        variant.add(f"{name}.bias", layer.bias, "FLOAT")
    variant.write_msmodelslim(folder, "w8a8")
    return variant


def mixed(folder: Path, side: str) -> Variant:
    """W8A8_MIX: both schemes' tensors, one weight."""
    variant = Variant.of(tiny_qwen2(torch.bfloat16))
    for name, layer in linears(variant.model).items():
        tensors = _static_tensors(variant, name, layer)
        for kind, tensor in tensors.items():
            variant.add(f"{name}.{kind}", tensor, "W8A8_MIX")
        variant.add(f"{name}.bias", layer.bias, "FLOAT")
        if side == "dynamic":
            variant.by_hand[name] = dynamic(tensors["weight"], tensors["weight_scale"], layer.bias)
    variant.write_msmodelslim(folder, "w8a8_mix")
    return variant


def w4a8(folder: Path) -> Variant:
    """W4A8_DYNAMIC: two rows of int4 in a byte, and the constants for the NPU's kernel."""
    variant = Variant.of(tiny_qwen2(torch.bfloat16))
    for name, layer in linears(variant.model).items():
        weight, scale = rows(layer.weight, steps=7, low=-8)
        packed = (weight[1::2] << 4) | (weight[0::2] & 15)
        slices = 16 if name.endswith(("o_proj", "down_proj")) else 1
        sums = 8 * (weight.float() * scale.float()).reshape(len(weight), slices, -1).sum(dim=2)
        for kind, tensor in (
            ("weight", packed), ("weight_scale", scale.float()), ("weight_offset", torch.zeros_like(scale.float())),
            ("scale_bias", sums),
        ):  # fmt: skip
            variant.add(f"{name}.{kind}", tensor, "W4A8_DYNAMIC")
        variant.add(f"{name}.bias", layer.bias, "FLOAT")
        variant.by_hand[name] = dynamic(weight, scale, layer.bias)
    variant.write_msmodelslim(folder, "w4a8_dynamic")
    return variant


def compressed_tensors_static(folder: Path, symmetric: bool, parity: str = "exact") -> Variant:
    """Static per tensor: the bias is a float, and the correction for the zero point is the reader's."""
    variant = Variant.of(tiny_qwen2(torch.bfloat16))
    for name, layer in linears(variant.model).items():
        weight, weight_scale = rows(layer.weight, steps=127.5)
        low, high = variant.ranges[name]
        if symmetric:
            scale, zero = (torch.maximum(-low, high) / 127.5).reshape(1), torch.zeros(1, dtype=torch.int8)
        else:
            scale, offset = asymmetric(low, high)
            zero = offset.to(torch.int8)
            variant.add(f"{name}.input_zero_point", zero, "")
        for kind, tensor in (("weight", weight), ("weight_scale", weight_scale), ("input_scale", scale)):
            variant.add(f"{name}.{kind}", tensor, "")
        variant.add(f"{name}.bias", layer.bias, "")
        deq_scale = (scale.float() * weight_scale.float() if parity == "exact" else scale * weight_scale).flatten()
        correction = -zero.double() * weight.double().sum(dim=1)
        variant.by_hand[name] = static(weight, scale, zero, deq_scale, correction, layer.bias, parity)
    activations = {"num_bits": 8, "type": "int", "strategy": "tensor", "symmetric": symmetric, "dynamic": False}
    variant.write_compressed_tensors(folder, activations)
    return variant
