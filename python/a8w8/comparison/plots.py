"""Plots as inline SVG: colours come from the page's style sheet, so they follow light and dark."""

import math
from html import escape

from .result import CAUSES, LayerRow, percent

_WIDTH, _LEFT, _RIGHT = 960, 52, 12
_PLOT_HEIGHT = 220
_BAR = 20  # height of a line of the causes' plot
_LABELS = 320  # their names
_WORST = 15


def layers_plot(rows: list[LayerRow]) -> str:
    """SQNR of each layer in the order of the model, in the colour of the main cause of its error."""
    shown = sorted((row for row in rows if math.isfinite(row.sqnr_db)), key=lambda row: row.order)
    if not shown:
        return "<p>No layer has an error.</p>"
    low, high, step = _scale([row.sqnr_db for row in shown])
    inner = _WIDTH - _LEFT - _RIGHT

    def y_of(value: float) -> float:
        return 10 + _PLOT_HEIGHT * (high - value) / (high - low)

    marks = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(tick):.1f}" y2="{y_of(tick):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y_of(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in _ticks(low, high, step)
    ]
    radius = 5 if len(shown) <= 120 else 3
    for i, row in enumerate(shown):
        x, y = _LEFT + inner * (i + 0.5) / len(shown), y_of(row.sqnr_db)
        colour = f"c{CAUSES.index(row.main_cause)}" if row.causes else "c4"
        tip = f"{row.name}: {row.sqnr_db:.2f} dB" + (f", {row.main_cause}" if row.causes else "")
        marks.append(
            f'<line class="stem" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y_of(low):.1f}"/>'
            f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{escape(tip)}</title></circle>'
        )
    marks.append(
        f'<text x="{_LEFT + inner / 2:.0f}" y="{_PLOT_HEIGHT + 32}" text-anchor="middle">'
        f"{len(shown)} layers, in the order of the model</text>"
    )
    return _svg(_PLOT_HEIGHT + 40, "SQNR of each layer in dB", marks)


def causes_plot(rows: list[LayerRow]) -> str:
    """The error of the worst layers, relative to their signal, by cause: bars as long as the error is large."""
    shown = [row for row in rows if row.causes and math.isfinite(row.sqnr_db)][:_WORST]
    if not shown:
        return "<p>No layer has an error that can be taken apart.</p>"
    longest = max(_relative_error(row) for row in shown)
    room = _WIDTH - _LABELS - 80
    marks = []
    for i, row in enumerate(shown):
        top, x = 6 + i * (_BAR + 6), float(_LABELS)
        name = row.name if len(row.name) <= 46 else "…" + row.name[-45:]
        marks.append(
            f'<text x="{_LABELS - 8}" y="{top + 14}" text-anchor="end">{escape(name)}'
            f"<title>{escape(row.name)}</title></text>"
        )
        for c, cause in enumerate(CAUSES):
            width = room * _relative_error(row) / longest * row.causes[cause]
            if width > 0.05:
                marks.append(
                    f'<rect class="c{c}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}">'
                    f"<title>{escape(cause)}: {percent(row.causes[cause])}</title></rect>"
                )
                x += width
        marks.append(f'<text x="{x + 6:.1f}" y="{top + 14}">{percent(_relative_error(row))}</text>')
    return _svg(12 + len(shown) * (_BAR + 6), "Error of the worst layers by cause, relative to the output", marks)


def _relative_error(row: LayerRow) -> float:
    """Size of the error over size of the output, as amplitudes."""
    return 10 ** (-row.sqnr_db / 20)


def _scale(values: list[float]) -> tuple[float, float, float]:
    """Ends and distance of the ticks; never an empty range."""
    spread = max(max(values) - min(values), 6.0)
    step = next(step for step in (2, 5, 10, 20, 50, 100, 1000) if spread / step <= 6 or step == 1000)
    low, high = math.floor(min(values) / step - 0.3) * step, math.ceil(max(values) / step + 0.1) * step
    return float(low), float(high), float(step)


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [low + i * step for i in range(round((high - low) / step) + 1)]


def _svg(height: int, label: str, marks: list[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">' + "".join(marks) + "</svg>"
