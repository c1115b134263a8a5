"""a8w8 run, as the command runs it, on small models."""

import json

import a8w8
import pytest
import torch
from a8w8_cli.run import main
from conftest import tiny_bert
from model_support import save_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "decoder"
    torch.manual_seed(0)
    a8w8.save_checkpoint(a8w8.quantize_model(tiny_llama(), "w8a8_dynamic", progress=False), folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Without a tokenizer."""
    folder = tmp_path_factory.mktemp("run") / "encoder"
    torch.manual_seed(0)
    a8w8.save_checkpoint(a8w8.quantize_model(tiny_bert(), "w8a8_dynamic", progress=False), folder)
    return folder


def _json(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_decoder_continues_as_generate_does(decoder, capsys):
    results = _json(capsys, decoder, "--text", "the cat sat", "--text", "copper prices", "--max-new-tokens", "6")
    assert results["class"] == "LlamaForCausalLM" and len(results["generations"]) == 2
    model = a8w8.load_model(decoder)
    for item in results["generations"]:
        ids = torch.tensor([item["ids"]])
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)
        assert item["new_ids"] == expected[0, ids.shape[1] :].tolist()
        assert item["prefill_tokens_per_second"] > 0 and item["decode_tokens_per_second"] > 0
        assert item["ended_by"] in ("--max-new-tokens", "an end token")
        assert isinstance(item["new_text"], str)


def test_weights_as_they_lie_give_the_same_text(decoder, capsys):
    options = ("--text", "a mat", "--max-new-tokens", "4")
    packed, plain = _json(capsys, decoder, *options), _json(capsys, decoder, *options, "--no-pack")
    assert packed["generations"][0]["new_ids"] == plain["generations"][0]["new_ids"]


def test_generation_ends_where_the_model_does(decoder, capsys):
    item = _json(capsys, decoder, "--ids", ",".join(["5"] * 46), "--max-new-tokens", "50")["generations"][0]
    assert len(item["new_ids"]) <= 3 and item["ended_by"] in ("the model's length", "an end token")


def test_words_for_people(decoder, capsys):
    assert main([str(decoder), "--text", "the cat sat", "--max-new-tokens", "3"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("the cat sat") and "prefill 3 tokens" in output and "3 new ones" in output


def test_an_encoder_gives_embeddings_and_similarities(encoder, decoder, capsys):
    texts = ("--text", "the cat sat", "--text", "the cat sat", "--text", "prices rose", "--tokenizer", decoder)
    results = _json(capsys, encoder, *texts)
    vectors = torch.tensor([item["embedding"] for item in results["embeddings"]])
    assert vectors.shape == (3, 32) and torch.allclose(vectors.norm(dim=1), torch.ones(3))
    similarities = torch.tensor(results["similarities"])
    assert torch.allclose(similarities, vectors @ vectors.T) and similarities[0, 1] == pytest.approx(1)
    with torch.inference_mode():
        ids = torch.tensor([results["embeddings"][2]["ids"]])
        mean = a8w8.load_model(encoder)(ids).last_hidden_state.mean(dim=1)[0]
    assert torch.allclose(vectors[2], mean / mean.norm(), atol=1e-6)

    assert main([str(encoder), *map(str, texts)]) == 0
    output = capsys.readouterr().out
    assert "Cosine similarity" in output and "1.0000" in output and "tokens/s" in output


def test_token_ids_need_no_tokenizer(encoder, capsys):
    results = _json(capsys, encoder, "--ids", "1,2,3", "--dtype", "bfloat16")
    assert results["embeddings"][0]["text"] is None and results["tokens"] == 3
    assert main([str(encoder), "--ids", "1,2,3"]) == 0
    assert capsys.readouterr().out.startswith("1. 1,2,3\n")


def test_problems_and_wrong_usage(encoder, decoder, tmp_path, capsys):
    for arguments, message in (
        ([tmp_path / "absent", "--text", "a"], "absent/config.json does not exist"),
        ([encoder, "--text", "a"], "holds no tokenizer; name a folder with one (--tokenizer)"),
        ([encoder, "--text", "a", "--tokenizer", tmp_path], "neither"),
        ([encoder, "--ids", "1,100"], "token id 100 of [1, 100] is not below 100"),
        ([encoder, "--ids", ",".join(["1"] * 33)], "has 33 tokens, but the model takes 32"),
        ([decoder, "--text", ""], "has no tokens"),
    ):
        assert main([*map(str, arguments)]) == 1, arguments
        assert message in capsys.readouterr().err
    for arguments in (
        [decoder],
        [decoder, "--text", "a", "--ids", "1"],
        [decoder, "--ids", "1,x"],
        [decoder, "--text", "a", "--max-new-tokens", "0"],
    ):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, arguments)])
        assert stop.value.code == 2
