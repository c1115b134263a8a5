"""The outcome of a comparison: rows, tables, JSON."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from .ends import EndToEnd

# What can make a layer's error; `layer_meter` says how each is measured.
CAUSES = ("weight rounding", "activation rounding", "activation clipping", "bias", "rest")


@dataclass(frozen=True)
class LayerRow:
    """How far one quantized layer is from its float original, both fed the original's inputs."""

    name: str
    sqnr_db: float  # 10 log10(sum y^2 / sum (y - y_quantized)^2); infinite where nothing differs
    cosine: float  # between all outputs of both, as two long vectors
    max_error: float
    scheme: str = ""  # "w8a8" or "w8a8_dynamic"
    out_features: int = 0
    in_features: int = 0
    order: int = 0  # place in the model, from 0
    saturated: float = 0.0  # share of the int8 activations at an end of their range (dynamic: one a token at least)
    clipped: float = 0.0  # share of the activations beyond that range
    causes: dict[str, float] = field(default_factory=dict)  # CAUSES: share of the error's power; empty without error
    smoothed: bool = False  # takes scaled inputs (SmoothQuant), and was given them

    @property
    def main_cause(self) -> str:
        """The largest of `causes`, or an empty string."""
        return max(self.causes, key=self.causes.__getitem__, default="")


@dataclass(frozen=True)
class Comparison:
    """Rows by SQNR, worst first, and the outputs of the whole models."""

    rows: list[LayerRow]
    end_to_end: EndToEnd | None = None
    about: dict[str, str] = field(default_factory=dict)  # what was compared: shown as it is

    def table(self, limit: int | None = None) -> str:
        """The rows, or the `limit` worst ones, as text in columns."""
        rows = self.rows[:limit]
        width = max(map(len, ("layer", *(row.name for row in rows))))
        lines = [
            f"{'layer':<{width}}  {'SQNR dB':>8}  {'cosine':>9}  {'max error':>10}  {'saturated':>9}  {'clipped':>8}  "
            "main cause of the error"
        ]
        lines += [
            f"{row.name:<{width}}  {row.sqnr_db:8.2f}  {row.cosine:9.6f}  {row.max_error:10.4g}  "
            f"{percent(row.saturated):>9}  {percent(row.clipped):>8}  {_cause_text(row)}"
            for row in rows
        ]
        return "\n".join(lines)

    def summary(self) -> str:
        """A few sentences: end to end, the layers, and what makes their errors."""
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        lines += [_end_text(self.end_to_end)] if self.end_to_end else []
        values = sorted(row.sqnr_db for row in self.rows)
        lines.append(
            f"{len(values)} layers, SQNR from {values[0]:.2f} dB ({self.rows[0].name}) to {values[-1]:.2f} dB, "
            f"median {values[len(values) // 2]:.2f} dB"
        )
        shares = self.causes()
        if shares:
            lines.append(
                "What makes the layers' errors, on average: "
                + ", ".join(f"{n} {percent(s)}" for n, s in shares.items())
            )
        smoothed = sum(row.smoothed for row in self.rows)
        if smoothed:
            lines.append(
                f"{smoothed} layers take smoothed inputs (SmoothQuant): the float model's were scaled likewise for them"
            )
        return "\n".join(lines)

    def causes(self) -> dict[str, float]:
        """Each cause's share, the mean over the layers that have an error."""
        rows = [row for row in self.rows if row.causes]
        return {cause: sum(row.causes[cause] for row in rows) / len(rows) for cause in CAUSES} if rows else {}

    def json(self, indent: int | None = 2) -> str:
        """Everything; where a figure is infinite (no error at all) or no number, null."""
        document = {
            "about": self.about,
            "end_to_end": self.end_to_end and asdict(self.end_to_end),
            "causes": self.causes(),
            "layers": [{**asdict(row), "main_cause": row.main_cause} for row in self.rows],
        }
        return json.dumps(finite(document), indent=indent, allow_nan=False)

    def html(self) -> str:
        """A page that stands alone: plots, and a table that sorts; no network, no other files."""
        from .page import page  # the template is read only where it is wanted

        return page(self)


def percent(share: float) -> str:
    """0.0123 -> "1.2 %"; tiny shares keep a digit that counts."""
    value = 100 * share
    return f"{value:.0f} %" if value == 0 or value >= 10 else f"{value:.1f} %" if value >= 0.1 else f"{value:.1g} %"


def finite(value: Any) -> Any:
    """The same with None in place of floats that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cause_text(row: LayerRow) -> str:
    return f"{row.main_cause} {percent(row.causes[row.main_cause])}" if row.causes else "none"


def _end_text(end: EndToEnd) -> str:
    text = (
        f"End to end ({end.output}, {end.positions} positions): SQNR {end.sqnr_db:.2f} dB, cosine {end.cosine:.6f}, "
        f"max error {end.max_error:.4g}"
    )
    if end.top1_agreement is not None:
        text += f", same first choice {percent(end.top1_agreement)}"
    if end.embedding_cosine is not None:
        text += f", embeddings' cosine {end.embedding_cosine:.6f} (worst {end.worst_embedding_cosine:.6f})"
    return text
