"""a8w8 compare, as the command runs it, on a small model."""

import json

import a8w8
import pytest
import torch
from a8w8_cli.compare import SENTENCES, main
from conftest import tiny_bert
from model_support import save_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A float model with a tokenizer, and the same model quantized."""
    root = tmp_path_factory.mktemp("compare")
    torch.manual_seed(0)
    model = tiny_llama()
    model.save_pretrained(root / "float")
    save_tokenizer(root / "float")
    a8w8.save_checkpoint(a8w8.quantize_model(model, "w8a8_dynamic", progress=False), root / "int8")
    return root / "float", root / "int8"


def test_prints_a_summary_and_the_worst_layers(folders, capsys):
    assert main([*map(str, folders), "--rows", "3"]) == 0
    output = capsys.readouterr().out
    assert f"inputs: {len(SENTENCES)} sentences of a8w8's own" in output
    assert "End to end (logits" in output and "same first choice" in output
    assert "LlamaForCausalLM, float32" in output
    assert "... and 12 better ones" in output


def test_texts_page_and_json(folders, tmp_path, capsys):
    texts, page, figures = (tmp_path / name for name in ("texts.txt", "page.html", "figures.json"))
    texts.write_text("the cat sat on a mat\n\ncopper prices rose again\nnobody answered\n", encoding="utf-8")
    options = ["--texts", texts, "--html", page, "--json", figures, "--limit", "2", "--max-length", "3"]
    assert main([*map(str, folders), *map(str, options)]) == 0
    assert f"inputs: 2 texts of {texts}, 6 tokens" in capsys.readouterr().out
    document = json.loads(figures.read_text(encoding="utf-8"))
    assert len(document["layers"]) == 15 and document["end_to_end"]["positions"] == 6
    assert document["about"]["model"] == "int8"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_json_alone_goes_to_the_terminal(folders, capsys):
    assert main([*map(str, folders), "--limit", "1", "--dtype", "bfloat16", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "bfloat16" in document["about"]["float model"] and document["layers"][0]["main_cause"]


def test_without_a_tokenizer_ids_are_random_and_the_output_says_so(tmp_path, capsys):
    model = tiny_bert()
    model.save_pretrained(tmp_path / "float")
    a8w8.save_checkpoint(a8w8.quantize_model(model, "w8a8_dynamic", progress=False), tmp_path / "int8")
    arguments = [str(tmp_path / "float"), str(tmp_path / "int8")]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "8 sequences of random token ids, for neither folder holds a tokenizer, 256 tokens" in first
    assert "embeddings' cosine" in first
    assert main(arguments) == 0 and capsys.readouterr().out == first

    (tmp_path / "texts.txt").write_text("a", encoding="utf-8")
    assert main([*arguments, "--texts", str(tmp_path / "texts.txt")]) == 1
    assert "--texts needs a tokenizer" in capsys.readouterr().err


def test_problems_and_wrong_usage(folders, tmp_path, capsys):
    floats, quantized = map(str, folders)
    for arguments, message in (
        ([floats, str(tmp_path / "absent")], "absent does not exist; a model is a folder"),
        ([str(tmp_path / "absent"), quantized], "absent does not exist; a model is a folder"),
        ([quantized, quantized], "is quantized already"),
        ([floats, quantized, "--texts", str(tmp_path / "none.txt")], "none.txt"),
        ([floats, quantized, "--html", str(tmp_path / "no" / "page.html"), "--limit", "1"], "page.html"),
    ):
        assert main(arguments) == 1, arguments
        assert message in capsys.readouterr().err
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    assert main([floats, quantized, "--texts", str(tmp_path / "empty.txt")]) == 1
    assert "holds no text" in capsys.readouterr().err
    for arguments in ([floats], [floats, quantized, "--limit", "0"], [floats, quantized, "--dtype", "int8"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--html", "absent/page.html"], "--html absent/page.html: the folder absent does not exist"),
        (["--json", "."], "--json . is a folder; a file name is needed"),
        (["--texts", "absent.txt"], "--texts absent.txt: No such file or directory"),
    ],
)
def test_what_would_fail_at_the_end_fails_at_once(option, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path), str(tmp_path), *option]) == 1
    assert said in capsys.readouterr().err


def test_ids_beyond_the_vocabulary_are_refused():
    from a8w8_cli import _models
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                 intermediate_size=8, max_position_embeddings=4))  # fmt: skip
    _models.check_ids(model, torch.tensor([[0, 8]]), "it")
    with pytest.raises(ValueError, match="token id 9 of it is not below 9"):
        _models.check_ids(model, torch.tensor([[9]]), "it")
    with pytest.raises(ValueError, match="it has 5 tokens, but the model takes 4"):
        _models.check_ids(model, torch.zeros(1, 5, dtype=torch.int64), "it")
