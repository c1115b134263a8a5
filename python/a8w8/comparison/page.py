"""The HTML page of a comparison: one file, nothing from the network, readable without JavaScript."""

from html import escape
from pathlib import Path
from string import Template

from .plots import causes_plot, layers_plot
from .result import CAUSES, Comparison, LayerRow, percent

_TEMPLATE = Path(__file__).with_name("page.html")

# Title, sort key (a number, or the text of the cell if None), and what it means.
_COLUMNS = (
    ("layer", "Name in the model"),
    ("SQNR dB", "10 log10(signal / error): higher is better; 6 dB are one bit"),
    ("cosine", "Between all outputs of the float and the quantized layer"),
    ("max error", "The largest difference of one output"),
    ("saturated", "Share of the int8 activations at an end of their range"),
    ("clipped", "Share of the activations beyond the range, which are cut off"),
    ("error by cause", "Shares of the error's power; sorts by the name of the largest"),
    ("shape", "Outputs x inputs; sorts by size"),
    ("scheme", "w8a8: one scale from calibration; w8a8_dynamic: a scale per token"),
    ("#", "Place in the model"),
)


def page(comparison: Comparison) -> str:
    """The whole document."""
    rows = comparison.rows
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(comparison.about.get("model", "quantized model")),
        facts=_facts(comparison),
        tiles=_tiles(comparison),
        legend=_legend(),
        layers_plot=layers_plot(rows),
        causes_plot=causes_plot(rows),
        head="".join(
            f'<th scope="col" title="{escape(tip)}"><button>{escape(name)}</button></th>' for name, tip in _COLUMNS
        ),
        body="\n".join(map(_row, rows)),
        count=str(len(rows)),
    )


def _facts(comparison: Comparison) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in comparison.about.items())


def _tiles(comparison: Comparison) -> str:
    end, rows = comparison.end_to_end, comparison.rows
    tiles = []
    if end is not None:
        note = f"{end.output}, {end.positions} positions"
        tiles += [(decibels(end.sqnr_db), "SQNR end to end", note), (f"{end.cosine:.6f}", "cosine end to end", note)]
        if end.top1_agreement is not None:
            tiles.append((percent(end.top1_agreement), "same first choice", "of the next token"))
        if end.embedding_cosine is not None:
            worst = f"worst {end.worst_embedding_cosine:.6f}"
            tiles.append((f"{end.embedding_cosine:.6f}", "cosine of embeddings", worst))
    values = sorted(row.sqnr_db for row in rows)
    tiles.append((decibels(values[len(values) // 2]), "median layer", f"of {len(rows)} quantized"))
    tiles.append((decibels(values[0]), "worst layer", rows[0].name))
    return "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span><small>{escape(note)}</small></div>'
        for value, name, note in tiles
    )


def _legend() -> str:
    return "".join(f'<span><i class="c{i}"></i>{escape(cause)}</span>' for i, cause in enumerate(CAUSES))


def _row(row: LayerRow) -> str:
    flag = ' <em title="Takes scaled inputs (SmoothQuant)">smoothed</em>' if row.smoothed else ""
    cells = (
        (row.name, f"<code>{escape(row.name)}</code>{flag}"),
        (row.sqnr_db, f"{row.sqnr_db:.2f}"),
        (row.cosine, f"{row.cosine:.6f}"),
        (row.max_error, f"{row.max_error:.4g}"),
        (row.saturated, percent(row.saturated)),
        (row.clipped, percent(row.clipped)),
        (row.main_cause, _cause_bar(row)),
        (row.out_features * row.in_features, f"{row.out_features} × {row.in_features}"),
        (row.scheme, escape(row.scheme)),
        (row.order, str(row.order)),
    )
    return "<tr>" + "".join(f'<td data-key="{escape(str(key))}">{text}</td>' for key, text in cells) + "</tr>"


def _cause_bar(row: LayerRow) -> str:
    """A stacked bar, and the largest cause in words."""
    if not row.causes:
        return "no error" if row.sqnr_db == float("inf") else "not known"
    parts = "".join(
        f'<i class="c{i}" style="width:{100 * row.causes[cause]:.2f}%" title="{escape(cause)}: '
        f'{percent(row.causes[cause])}"></i>'
        for i, cause in enumerate(CAUSES)
        if row.causes[cause] > 0
    )
    return f'<span class="bar">{parts}</span>{escape(row.main_cause)} {percent(row.causes[row.main_cause])}'


def decibels(value: float) -> str:
    """41.23 -> "41.2 dB"."""
    return "no error" if value == float("inf") else f"{value:.1f} dB"
