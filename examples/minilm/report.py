"""The results as text: for the terminal, for report.md and for the README."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from metrics import ModelResult, Results
from rich import box
from rich.table import Table

COLUMNS = ("model", "on disk", "cosine", "worst", "ranks", "found", "sent./s", "speed")
LAYER_COLUMNS = ("model", "layer", "SQNR", "cosine", "error")
BEGIN, END = "<!-- demo:begin -->", "<!-- demo:end -->"
WORST = 5

MARKDOWN = """# MiniLM-L6 in int8

The model is quantized twice (a scale per token, found at run time; one scale per layer, calibrated on one half of the
text), saved, reloaded in another process, and run on the other half: {sentences} sentences, every two of which say the
same thing in different words.

{table}

![Quality, speed and size](demo.png)

## The worst {worst} layers of each int8 model

Each int8 layer is fed with the inputs of its float32 original, so its error is its own.
SQNR is in dB, the error the largest of all outputs.

{layers}
"""

NOTE = """\
Measured on {machine}.
Cosine (mean and worst) and ranks (Spearman's correlation of all pairwise similarities) are against float32. Found:
sentences whose nearest neighbour is their paraphrase. Speed: batches of {batch_size}, median of {rounds} interleaved
rounds, without tokenization."""


def terminal_table(results: Results) -> Table:
    title = f"MiniLM-L6 on {results.sentences} sentences it was not calibrated on"
    return _table(title, COLUMNS, [cells(results, model) for model in results.models], left=1)


def layers_table(results: Results) -> Table:
    title = f"The worst {WORST} layers of each, fed with float32's inputs (SQNR in dB)"
    return _table(title, LAYER_COLUMNS, _worst_layers(results), left=2)


def machine(results: Results) -> str:
    """The CPU and what ran on it."""
    config = results.config
    return (
        f"{config['cpu']}, {config['threads']} threads; usable ISAs: {', '.join(config['isas']['usable'])}; "
        f"kernels: {', '.join(config['kernels'].values())}; a8w8 {config['version']}, PyTorch {results.torch_version}"
    )


def markdown_table(results: Results) -> str:
    """The main table and what it was measured on; this part goes into the README."""
    rows = [cells(results, model) for model in results.models]
    note = NOTE.format(machine=machine(results), batch_size=results.batch_size, rounds=results.rounds)
    return f"{_markdown_rows(COLUMNS, rows, left=1)}\n\n{note}"


def markdown(results: Results) -> str:
    """report.md."""
    return MARKDOWN.format(
        sentences=results.sentences,
        table=markdown_table(results),
        worst=WORST,
        layers=_markdown_rows(LAYER_COLUMNS, _worst_layers(results), left=2),
    )


def update_readme(repository: Path, results: Results, picture: Path) -> None:
    """Puts the table between the markers of README.md, and the picture where the README shows it from."""
    readme = repository / "README.md"
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} lacks the markers {BEGIN} and {END}, between which the table goes")
    readme.write_text(f"{before}{BEGIN}\n{markdown_table(results)}\n{END}{after}", encoding="utf-8")
    target = repository / "docs" / "images" / "demo.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, target)


def cells(results: Results, model: ModelResult) -> list[str]:
    """One row of the main table, in the order of COLUMNS."""
    speedup = model.sentences_per_second / results.model("float32").sentences_per_second
    return [
        model.name,
        "-" if model.disk_bytes is None else f"{model.disk_bytes / 1e6:.1f} MB",
        f"{model.cosine_mean:.4f}",
        f"{model.cosine_worst:.4f}",
        f"{model.rank_correlation:.4f}",
        f"{model.hits}/{results.sentences}",
        f"{model.sentences_per_second:.0f}",
        f"{speedup:.2f}x",
    ]


def _worst_layers(results: Results) -> list[list[str]]:
    return [
        [model.name, row["name"], f"{row['sqnr_db']:.1f}", f"{row['cosine']:.5f}", f"{row['max_error']:.2g}"]
        for model in results.models
        for row in model.layers[:WORST]
    ]


def _table(title: str, columns: Sequence[str], rows: list[list[str]], left: int) -> Table:
    """The first `left` columns are text, the others numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown_rows(columns: Sequence[str], rows: list[list[str]], left: int) -> str:
    rule = ["---" if number < left else "---:" for number in range(len(columns))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, rule, *rows))
