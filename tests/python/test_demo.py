"""The demo's pieces, on a tiny model and on numbers made up."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import a8w8
import corpus
import demo
import evaluate
import metrics
import numpy as np
import pytest
import report
import torch
from conftest import REPOSITORY, tiny_bert, token_batches
from embedding import Batch, embed
from rich.console import Console

NAMES = ["float32", "bfloat16", "int8 dynamic", "int8 static"]


def test_corpus_is_pairs_of_distinct_sentences_on_several_topics():
    pairs = corpus.load_pairs()
    texts = corpus.sentences(pairs)
    assert len(texts) >= 200 and len(set(texts)) == len(texts)
    assert texts[:2] == [pairs[0].sentence, pairs[0].paraphrase]
    halves = corpus.split(pairs)
    assert len(halves[0]) == len(halves[1]) and not set(halves[0]) & set(halves[1])
    assert {pair.topic for pair in halves[0]} == {pair.topic for pair in halves[1]}
    assert len({pair.topic for pair in pairs}) >= 8


def test_damaged_corpus_is_refused_by_line(tmp_path):
    (tmp_path / "texts.tsv").write_text("weather\tIt rains.\tRain falls.\nweather\tIt snows.\n")
    with pytest.raises(ValueError, match=r"texts\.tsv:2 holds 2 columns"):
        corpus.load_pairs(tmp_path / "texts.tsv")


def tiny_batches() -> list[Batch]:
    """Eight sentences in two batches, the rows shuffled; the second has padding."""
    first, second = token_batches(2)
    second["attention_mask"][:, 5:] = 0
    return [Batch([0, 3, 5, 6], first), Batch([7, 2, 1, 4], second)]


def test_embeddings_are_means_of_real_tokens_in_the_order_of_the_texts(bert):
    batches = tiny_batches()
    vectors = embed(bert, batches)
    assert vectors.shape == (8, 32) and vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(8))
    with torch.no_grad():
        hidden = bert(**batches[1].inputs).last_hidden_state[1, :5].mean(dim=0)
    torch.testing.assert_close(vectors[2], hidden / hidden.norm())


def test_metrics():
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]] + np.float32([[0, 0, 0, 0.1]] * 4)
    assert metrics.paraphrase_hits(vectors) == 4
    assert metrics.paraphrase_hits(vectors[[0, 2, 1, 3]]) == 0
    assert metrics.cosines(np.float32([[1, 0], [1, 1]]), np.float32([[2, 0], [1, -1]])).tolist() == [1.0, 0.0]
    assert metrics.pair_similarities(np.float32([[1, 0], [0, 1], [0.5, 2]])).tolist() == [0.0, 0.5, 2.0]
    values = np.array([3.0, 1.0, 2.0, 5.0])
    assert metrics.rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert metrics.rank_correlation(values, -values) == pytest.approx(-1)
    assert metrics.rank_correlation(values, np.array([3.0, 2.0, 1.0, 5.0])) == pytest.approx(0.8)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[metrics.Results, Path]:
    """All four models, tiny, measured by the demo's code; the int8 ones have been on disk."""
    folder, batches, bert = tmp_path_factory.mktemp("measured"), tiny_batches(), tiny_bert()
    models = {"float32": bert, "bfloat16": type(bert)(bert.config).to(torch.bfloat16).eval()}
    models["bfloat16"].load_state_dict(bert.state_dict())
    calibration = [batch.inputs for batch in batches]
    for name, scheme in (("int8 dynamic", "w8a8_dynamic"), ("int8 static", "w8a8")):
        quantized = a8w8.quantize_model(bert, scheme, calibration if scheme == "w8a8" else None, progress=False)
        a8w8.save_checkpoint(quantized, folder / scheme)
        models[name] = a8w8.load_model(folder / scheme)
    return evaluate.measure(models, batches, 3, {"float32": 10**6, "int8 dynamic": 10**5}, folder), folder


@pytest.fixture
def results(measured, tmp_path) -> metrics.Results:
    """A copy to change; the embeddings are in tmp_path."""
    shutil.copyfile(measured[1] / "embeddings.npz", tmp_path / "embeddings.npz")
    return copy.deepcopy(measured[0])


def test_measurements(results, tmp_path):
    assert [model.name for model in results.models] == NAMES
    assert (results.sentences, results.batch_size, results.rounds) == (8, 4, 3)
    reference, _, dynamic, static = results.models
    assert reference.cosine_mean == pytest.approx(1) and reference.rank_correlation == pytest.approx(1)
    for model in (dynamic, static):
        assert 0.99 < model.cosine_worst <= model.cosine_mean < 1
        assert len(model.layers) == 13
        assert [row["sqnr_db"] for row in model.layers] == sorted(row["sqnr_db"] for row in model.layers)
    assert not reference.layers
    assert all(model.sentences_per_second > 0 for model in results.models)
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32
    biases = 2 * (5 * 32 + 64) + 32
    assert reference.linear_bytes == 4 * (weights + biases)
    assert dynamic.linear_bytes == weights + (4 + 4 + 4) * biases  # scale, offset and bias
    assert reference.other_bytes == dynamic.other_bytes
    with np.load(tmp_path / "embeddings.npz") as stored:
        assert stored.files == NAMES
    again = metrics.Results.from_json(json.loads(json.dumps(results.to_json())))
    assert again == results


def test_presentation(results, tmp_path, capsys):
    assert demo.present(results, tmp_path, Console(width=80), None) == 0
    shown = capsys.readouterr().out
    text = (tmp_path / "report.md").read_text()
    for out in (shown, text):
        assert all(name in out for name in NAMES)
        assert results.config["cpu"] in out and results.config["kernels"]["gemm"] in out
        assert results.model("int8 static").layers[0]["name"] in out
        assert results.model("int8 static").layers[5]["name"] not in out
    assert "…" not in shown, shown  # nothing is cut off at the usual width
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_readme_is_updated_between_the_markers(results, tmp_path):
    (tmp_path / "demo.png").write_bytes(b"picture")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.update_readme(tmp_path, results, tmp_path / "demo.png")
    text = readme.read_text()
    assert text == f"before\n{report.BEGIN}\n{report.markdown_table(results)}\n{report.END}\nafter\n"
    assert (tmp_path / "docs" / "images" / "demo.png").read_bytes() == b"picture"
    readme.write_text("no markers")
    with pytest.raises(ValueError, match=r"README\.md lacks the markers"):
        report.update_readme(tmp_path, results, tmp_path / "demo.png")
    assert readme.read_text() == "no markers"


def test_int8_that_is_not_good_fails_and_says_why(results, tmp_path, capsys):
    reference, _, dynamic, static = results.models
    reference.hits = 100
    dynamic.hits, static.hits = 98, 97
    static.cosine_mean = 0.9849
    assert demo.present(results, tmp_path, Console(width=200), None) == 1
    shown = capsys.readouterr().out
    assert "int8 static: the mean cosine to float32 is 0.9849, required: 0.985 or more" in shown
    assert "int8 static: 97 paraphrases found, required: at least 98% of 100" in shown
    assert "int8 dynamic:" not in shown
    dynamic.cosine_mean = float("nan")
    assert [text.split(":")[0] for text in metrics.shortfalls(results)] == [
        "int8 dynamic",
        "int8 static",
        "int8 static",
    ]


def test_command_explains_itself():
    command = [sys.executable, str(Path("examples") / "minilm" / "demo.py"), "--help"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--update-readme" in result.stdout
