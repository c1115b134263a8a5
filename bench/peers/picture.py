"""The picture: how many times as long as we the best peer takes, a panel for each weight, over the number of rows."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from peers.results import PACKED, STORED, Results, Row, threads_text

COLORS = {PACKED: "#1f77b4", STORED: "#e07b39"}
COLUMNS = 4
TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)


def draw(results: Results, file: Path) -> None:
    """A line for packed and stored weights, 2 threads (solid) and 1 (dotted); crosses are cold weights."""
    weights = list(dict.fromkeys((row.n, row.k) for row in results.rows))
    columns = min(COLUMNS, max(1, len(weights)))
    lines = math.ceil(len(weights) / columns) or 1
    figure = Figure(figsize=(3.4 * columns + 0.6, 2.9 * lines + 1.3), dpi=110, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for panel, nk in zip(axes, weights, strict=False):
        _panel(panel, results, nk)
    for panel in axes[: len(weights)]:
        _ticks(panel, sorted({row.m for row in results.rows}))  # now that the limits, which all share, are known
    for panel in axes[len(weights) :]:
        panel.set_axis_off()
    handles = {text: line for panel in axes for line, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=columns, fontsize=8, frameon=False
        )
    figure.suptitle(f"Time of the best peer / time of a8w8; above 1 we are faster. {results.machine.cpu}", fontsize=11)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


def _panel(axes: Axes, results: Results, nk: tuple[int, int]) -> None:
    rows = [row for row in results.rows if (row.n, row.k) == nk]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_title(f"n = {nk[0]}, k = {nk[1]}", fontsize=9)
    axes.axhline(1, color="black", linewidth=1)
    axes.axhline(1.3 if max(nk) <= 1536 else 1.15, color="green", linewidth=0.8, linestyle=":", label="mean promised")
    counts = sorted({row.threads for row in rows}, reverse=True)
    for name, color in COLORS.items():
        for threads, style in zip(counts, ("-", ":", "--", "-."), strict=False):
            what = f"{name}, {threads_text(threads)}"
            warm = _points(results, [row for row in rows if row.threads == threads and not row.cold], name)
            cold = _points(results, [row for row in rows if row.threads == threads and row.cold], name)
            axes.plot(*warm, style, marker="o", markersize=2.5, linewidth=1.2, color=color, label=what)
            if threads == counts[0]:
                axes.plot(*cold, "x", markersize=5, color=color, label=f"{what}, cold")
    axes.grid(alpha=0.25)


def _ticks(axes: Axes, rows: list[int]) -> None:
    axes.set_xticks(rows, [str(m) for m in rows], fontsize=7)
    lowest, highest = axes.get_ylim()
    values = [value for value in TICKS if lowest < value < highest]
    axes.set_yticks(values, [f"{value:g}" for value in values], fontsize=7)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())


def _points(results: Results, rows: list[Row], name: str) -> tuple[list[int], list[float]]:
    found = [(row, results.best_peer(row)) for row in sorted(rows, key=lambda row: row.m) if name in row.us]
    return [row.m for row, best in found if best], [
        best[1] * row.us[PACKED] / row.us[name] for row, best in found if best
    ]
