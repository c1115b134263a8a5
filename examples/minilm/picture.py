"""The results as one picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from metrics import LEAST_COSINE, Matrix, Results, cosines, pair_similarities

COLORS = {"float32": "#64748b", "bfloat16": "#94a3b8", "int8 dynamic": "#0d9488", "int8 static": "#ea580c"}
INK, FAINT = "#1e293b", "#e2e8f0"
STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#cbd5e1",
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.axisbelow": True,
}


def draw(results: Results, embeddings: Path, target: Path) -> None:
    """Draws similarities (int8 over float), speed, size, cosines and the SQNR of each layer."""
    with np.load(embeddings) as stored:
        vectors = {name: stored[name] for name in stored.files}
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(14, 8.2), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(2, 3, width_ratios=(1.45, 1, 1), wspace=0.04, hspace=0.06)
        _draw_similarities(figure.add_subplot(grid[:, 0]), vectors, results)
        _draw_speed(figure.add_subplot(grid[0, 1]), results)
        _draw_size(figure.add_subplot(grid[0, 2]), results)
        _draw_cosines(figure.add_subplot(grid[1, 1]), vectors)
        _draw_layers(figure.add_subplot(grid[1, 2]), results)
        config = results.config
        figure.suptitle("MiniLM-L6 sentence embeddings in int8", x=0.012, ha="left", fontsize=17, fontweight="bold")
        figure.supxlabel(
            f"{results.sentences} sentences not used for calibration · {config['cpu']}, {config['threads']} threads · "
            f"{config['kernels']['gemm']}",
            x=0.012,
            ha="left",
            fontsize=9.5,
            color="#64748b",
        )
        figure.savefig(target, dpi=110)
        plt.close(figure)


def _int8_names(names: dict[str, Matrix]) -> list[str]:
    return [name for name in COLORS if name.startswith("int8") and name in names]


def _draw_similarities(axes: Axes, vectors: dict[str, Matrix], results: Results) -> None:
    reference = pair_similarities(vectors["float32"])
    rows, columns = np.triu_indices(len(vectors["float32"]), k=1)
    partners = columns == rows ^ 1
    low = min(float(reference.min()), 0.0) - 0.05
    axes.plot([low, 1], [low, 1], color="#94a3b8", linewidth=1, zorder=1)
    for name in reversed(_int8_names(vectors)):  # the better model on top
        similarities = pair_similarities(vectors[name])
        hits = results.model(name).hits
        axes.scatter(reference, similarities, s=5, alpha=0.3, color=COLORS[name], linewidths=0, zorder=2)
        axes.scatter(
            reference[partners],
            similarities[partners],
            s=38,
            color=COLORS[name],
            edgecolors="white",
            linewidths=0.7,
            label=f"paraphrases, {name} finds {hits} of {results.sentences}",
            zorder=3,
        )
    axes.set(xlim=(low, 1), ylim=(low, 1), xlabel="float32", ylabel="int8")
    axes.set(title="Similarity of every two sentences")
    axes.grid(color=FAINT)
    found = results.model("float32").hits
    title = f"float32 finds {found} of {results.sentences} paraphrases"
    axes.legend(frameon=False, loc="upper left", title=title, alignment="left")


def _bars(axes: Axes, results: Results, values: list[float], labels: list[str], **style: float) -> None:
    names = [model.name for model in results.models]
    places = np.arange(len(names))[::-1]
    axes.barh(places, values, color=[COLORS[name] for name in names], height=0.62, **style)
    for place, value, label in zip(places, values, labels, strict=True):
        axes.text(value, place, f" {label}", va="center", fontweight="bold")
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(values) * 1.3)
    axes.spines["left"].set_visible(False)


def _draw_speed(axes: Axes, results: Results) -> None:
    speeds = [model.sentences_per_second for model in results.models]
    reference = results.model("float32").sentences_per_second
    _bars(axes, results, speeds, [f"{speed:.0f} ({speed / reference:.2g}x)" for speed in speeds])
    axes.set(title="Sentences per second")


def _draw_size(axes: Axes, results: Results) -> None:
    linear = [model.linear_bytes / 1e6 for model in results.models]
    total = [(model.linear_bytes + model.other_bytes) / 1e6 for model in results.models]
    _bars(axes, results, linear, [""] * len(linear))
    _bars(axes, results, total, [f"{size:.0f} MB" for size in total], alpha=0.4)
    axes.set(title="Size (dark: the linear layers)")


def _draw_cosines(axes: Axes, vectors: dict[str, Matrix]) -> None:
    similar = {name: cosines(vectors["float32"], vectors[name]) for name in _int8_names(vectors)}
    lowest = min([*LEAST_COSINE.values(), *(float(values.min()) for values in similar.values())])
    for name, values in similar.items():
        label = f"{name}: mean {values.mean():.4f}, required {LEAST_COSINE[name]}"
        axes.hist(values, bins=np.linspace(lowest - 1e-3, 1, 46), color=COLORS[name], alpha=0.7, label=label)
        axes.axvline(LEAST_COSINE[name], color=COLORS[name], linestyle="--", linewidth=1.2, ymax=0.75)
    axes.set(title="Cosine to the float32 embedding", ylabel="sentences")
    axes.legend(frameon=False, loc="upper left")
    axes.margins(y=0.35)


def _draw_layers(axes: Axes, results: Results) -> None:
    int8 = [model for model in results.models if model.layers]
    order = sorted({row["name"] for model in int8 for row in model.layers}, key=_depth)
    table = np.array(
        [[row[name] for name in order] for row in ({r["name"]: r["sqnr_db"] for r in m.layers} for m in int8)]
    )
    places = np.arange(len(order))
    axes.vlines(places, table.min(axis=0), table.max(axis=0), color=FAINT, linewidth=3, zorder=1)
    for model, sqnr in zip(int8, table, strict=True):
        axes.scatter(places, sqnr, color=COLORS[model.name], s=22, label=model.name, zorder=2)
    worst = int(table.min(axis=0).argmin())
    lowest = (worst, table[:, worst].min())
    side = ("left", "center", "right")[3 * worst // len(order)]  # so that the name stays inside
    axes.annotate(order[worst], lowest, (0, -13), textcoords="offset points", ha=side, fontsize=8)
    axes.set(title="Signal to quantization noise", ylabel="SQNR, dB", xlabel="layer, from input to output")
    axes.margins(y=0.16)
    axes.legend(frameon=False, loc="upper center", ncols=2)


def _depth(name: str) -> tuple[int, int, str]:
    """Sorts BERT's layers by the way of the data."""
    parts = name.split(".")
    block = next((int(part) for part in parts if part.isdigit()), 10**6)
    stages = ("attention.self", "attention.output", "intermediate", "output")
    return block, next((stage for stage, key in enumerate(stages) if key in name), len(stages)), name
