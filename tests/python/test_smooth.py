"""smooth_model: the same float model with smoother inputs, where that can be proven, and reasons where it cannot."""

import a8w8
import pytest
import torch
from a8w8.nn import QuantizedLinear
from conftest import token_batches
from torch import nn


def tiny_qwen2(dtype: torch.dtype = torch.float32, **options) -> nn.Module:
    """Two blocks, with outlier channels as large models have them."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=False, initializer_range=0.1, **options,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.input_layernorm.weight[3] = 40.0
            layer.post_attention_layernorm.weight[5] = -25.0
            layer.input_layernorm.weight[7] = 0.0
            layer.mlp.up_proj.weight[11] *= 30
    return model.to(dtype)


class Block(nn.Module):
    """A norm with two readers, and whatever `use` does with the norm's output besides."""

    def __init__(self, use, norm=nn.LayerNorm):
        super().__init__()
        self.norm, self.a, self.b = norm(8), nn.Linear(8, 8), nn.Linear(8, 8)
        nn.init.normal_(self.norm.weight)
        self.use = use

    def forward(self, x):
        y = self.norm(x)
        return self.a(y) + torch.tanh(self.b(y.reshape(-1, 8))).reshape(x.shape) + self.use(self, y)


class OnePlusNorm(nn.Module):
    """As Gemma's."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return nn.functional.rms_norm(x, x.shape[-1:]) * (1 + self.weight)


def nothing(block, y):
    return 0


X = [torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1)) for _ in range(2)]


def smoothed(model, batches=X, alpha=0.5, **options):
    result, report = a8w8.smooth_model(model, batches, alpha, progress=False, **options)
    return result, report


@torch.no_grad()
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, OnePlusNorm, lambda n: nn.LayerNorm(n, bias=False)])
def test_norms_of_all_kinds_take_the_factors(norm):
    model = Block(nothing, norm)
    model.a.weight[:, 2] *= 0.01
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result, report = smoothed(model)
    assert report.smoothed == {"norm": ("a", "b")} and not report.left
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    torch.testing.assert_close(result(X[0]), model(X[0]), rtol=1e-5, atol=1e-5)

    y = torch.cat([model.norm(x) for x in X]).reshape(-1, 8)
    columns = torch.cat([model.a.weight, model.b.weight]).abs().amax(0)
    factors = y.abs().amax(0).sqrt() / columns.sqrt()
    torch.testing.assert_close(result.norm(X[0]) * factors, model.norm(X[0]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result.a.weight, model.a.weight * factors, rtol=1e-4, atol=1e-6)
    assert result.a.bias is model.a.bias


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@torch.no_grad()
def test_a_decoder_is_smoothed_wherever_a_norm_or_a_product_feeds_it(dtype):
    model, batches = tiny_qwen2(dtype), token_batches()
    result, report = smoothed(model, batches)
    layers = [f"model.layers.{i}" for i in (0, 1)]
    assert report.smoothed == {
        name: tuple(f"{name.rpartition('.')[0]}.{reader}" for reader in readers)
        for layer in layers
        for name, readers in {
            f"{layer}.input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            f"{layer}.mlp.up_proj": ("down_proj",),
            f"{layer}.post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
        }.items()
    }
    assert set(report.left) == {"lm_head", *(f"{layer}.self_attn.o_proj" for layer in layers)}
    logits, expected = (m(**batches[0]).logits.float() for m in (result, model))
    bound = 1e-5 if dtype == torch.float32 else 0.05
    assert (logits - expected).norm() < bound * expected.norm()
    assert result.model.embed_tokens.weight is model.model.embed_tokens.weight
    assert all(parameter.dtype == dtype for parameter in result.parameters())


@torch.no_grad()
def test_smoothing_makes_outliers_cheaper():
    model, batches = tiny_qwen2(), token_batches(4)
    expected = model(**batches[0]).logits

    def error(scheme, **options):
        quantized = a8w8.quantize_model(model, scheme, batches, ["lm_head"], progress=False, **options)
        return ((quantized(**batches[0]).logits - expected).norm() / expected.norm()).item()

    assert error("w8a8", smooth=0.5) < 0.6 * error("w8a8")
    plain = a8w8.quantize_model(model, "w8a8_dynamic", skip=["lm_head"], progress=False)
    plain = (plain(**batches[0]).logits - expected).norm() / expected.norm()
    assert error("w8a8_dynamic", smooth=0.5) < 0.8 * plain


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (lambda block, y: y, "norm is also read by add"),
        (lambda block, y: y[:, :1], "norm is also read by __getitem__"),
        (lambda block, y: torch.cat([y, y]).mean(), "norm is also read by cat"),
        (lambda block, y: y.detach().sum(), "norm is also read by sum"),
        (lambda block, y: float(y.max()), "norm is also read by max"),
        (lambda block, y: nn.functional.linear(y, torch.ones(8, 8)), "norm is also read by linear"),
        (lambda block, y: block.a(torch.ones(8)), "a reads more than norm"),
        (lambda block, y: block.norm(torch.ones(8)), "norm is also read by add"),
    ],
)
def test_a_norm_that_others_read_is_left(use, why):
    with pytest.raises(ValueError, match=rf"Block holds nothing that can be smoothed:\n  a \(1\): {why}"):
        smoothed(Block(use))


def test_what_cannot_be_seen_is_found_by_other_outputs():
    """numpy reads memory, and no function of torch that could be watched."""
    model = Block(nothing)
    model.norm.register_forward_hook(keep_unseen)
    model.use = lambda block, y: torch.from_numpy(block.norm.kept)
    with pytest.raises(ValueError, match=r"a \(1\): outputs change if norm is divided"):
        smoothed(model)


def keep_unseen(module, _inputs, output):
    with torch._C.DisableTorchFunction():
        module.kept = output.detach().numpy().copy()


def test_bert_has_residuals_behind_its_norms(bert):
    with pytest.raises(ValueError) as caught:
        smoothed(bert, token_batches())
    assert "encoder.layer.*.intermediate.dense (2): encoder.layer.*.attention.output.LayerNorm is also read by add" in (
        str(caught.value)
    )


def test_tied_weights_stay():
    model = Block(nothing)
    model.c = nn.Linear(8, 8)
    model.c.weight = model.b.weight
    with pytest.raises(ValueError, match=r"a \(1\): [bc] shares its weight with another module"):
        smoothed(model)


@torch.no_grad()
def test_layers_that_stay_float_change_along_with_those_that_do_not():
    model = Block(nothing)
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", X, skip=["b"], smooth=0.5, progress=False)
    assert isinstance(quantized.a, QuantizedLinear) and type(quantized.b) is nn.Linear
    assert not torch.equal(quantized.b.weight, model.b.weight)
    torch.testing.assert_close(quantized(X[0]), model(X[0]), rtol=0, atol=0.1)
    with pytest.raises(ValueError, match="holds nothing that can be smoothed"):
        smoothed(model, layers=[])


def test_batches_may_come_from_a_generator():
    model = tiny_qwen2()
    quantized = a8w8.quantize_model(model, "w8a8", (batch for batch in token_batches()), smooth=0.5, progress=False)
    assert quantized.model.layers[0].mlp.down_proj.scheme == "w8a8"


def test_what_was_smoothed_is_shown(capsys):
    a8w8.quantize_model(tiny_qwen2(), "w8a8", token_batches(), ["lm_head"], smooth=0.5)
    shown = capsys.readouterr().out
    assert "Smoothed with alpha 0.5: 12 layers; 2 stay as they are" in shown
    assert "smoothed  model.layers.*.self_attn.q_proj (2)" in shown


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"alpha is 1.5, allowed: 0 to 1"):
        smoothed(Block(nothing), alpha=1.5)
    with pytest.raises(ValueError, match=r"calibration holds no batch"):
        smoothed(Block(nothing), [])
    with pytest.raises(ValueError, match=r"a: its inputs hold NaN or infinity"):
        smoothed(Block(nothing), [X[0], torch.full((1, 1, 8), float("nan"))])
