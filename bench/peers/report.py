"""The tables: for the terminal, and the same as Markdown."""

from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from peers.results import PACKED, Results, Row, threads_text
from peers.verdict import Line

STYLES = {"passed": "green", "failed": "bold red", "not measured": "yellow"}


@dataclass(frozen=True)
class Grid:
    """Cells as text, the first `left` columns aligned to the left."""

    title: str
    header: list[str]
    cells: list[list[str]]
    left: int = 1


def verdict_grid(lines: list[Line]) -> Grid:
    cells = []
    for line in lines:
        measured = "-" if line.measured is None else f"{line.measured:.3g}"
        limit = f"{'>=' if line.at_least else '<='} {line.limit:g}"
        cells.append([line.number, line.promise, line.status, line.where, measured, limit])
    return Grid("What is promised", ["", "promise", "verdict", "worst", "measured", "limit"], cells, left=4)


def ratio_grids(results: Results) -> list[Grid]:
    """For each number of threads, warm and cold: microseconds of the packed op, and how many times that others take."""
    names = [
        entrant.name
        for entrant in results.entrants
        if entrant.name != PACKED and any(entrant.name in row.us for row in results.rows)
    ]
    grids = []
    for threads in sorted({row.threads for row in results.rows}, reverse=True):
        for cold in (False, True):
            rows = [row for row in results.rows if (row.threads, row.cold) == (threads, cold)]
            if rows:
                title = f"{'Cold' if cold else 'Warm'} weights, {threads_text(threads)}"
                header = [
                    "m x n x k",
                    "packed us",
                    "GB/s" if cold else "GOP/s",
                    *(_short(n) for n in names),
                    "best peer",
                ]
                grids.append(Grid(title, header, [_cells(results, row, names) for row in rows]))
    return grids


def _short(name: str) -> str:
    return name.removeprefix("a8w8 ")


def _cells(results: Results, row: Row, names: list[str]) -> list[str]:
    shape = f"{row.m} x {row.n} x {row.k}"
    if PACKED not in row.us:
        return [shape, *("-" for _ in range(len(names) + 3))]
    ours, best = row.us[PACKED], results.best_peer(row)
    rate = row.gbps(PACKED) if row.cold else row.gops(PACKED)
    ratios = [f"{row.us[name] / ours:.2f}" if name in row.us else "-" for name in names]
    return [shape, f"{ours:.3g}" if ours < 1000 else f"{ours:.0f}", f"{rate:.0f}", *ratios, best[0] if best else "-"]


def legend(results: Results) -> list[str]:
    """What the figures mean and where they come from, a paragraph each."""
    machine = results.machine
    peaks = "; ".join(
        f"{threads_text(threads)}: peak {gops:.0f} GOP/s, read {machine.read_gbps[threads]:.1f} GB/s"
        for threads, gops in sorted(machine.peak_int8_gops.items())
    )
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    peers = {entrant.name: f"{entrant.name} {entrant.version}" for entrant in results.entrants if entrant.version}
    others = ", ".join(text for name, text in peers.items() if not name.startswith("a8w8"))
    return [
        f"Measured on {machine.cpu} ({machine.isa}). {peaks or 'Peak and bandwidth were not measured'}.",
        f"{versions}; {others}.",
        "Figures beside the packed op's microseconds are times divided by its time: above 1 the other one is slower. "
        "Lower quartile of interleaved turns. int8 to bfloat16 with both scales: packed and stored (ours), oneDNN (one "
        "scale for all rows), vLLM s8; int32 sums: _int_mm; the others take and give float and quantize inside, as our "
        "named dynamic do; torch bf16 and f32 are no int8 and there for orientation only. C++ packed and C++ stored "
        "are ours called from C++, timed right before: ONNX Runtime and OpenVINO are judged beside these, the others "
        "beside ours called through PyTorch.",
    ]


def left_out(results: Results) -> list[str]:
    """Who is not in the tables, entirely or in part, and why."""
    missing = [f"{entrant.name} is not here: {entrant.missing}" for entrant in results.entrants if entrant.missing]
    clipped = [
        f"{name} clips sums of two products to int16 on this CPU, and its answers are off by up to 30%: shown, and "
        "not judged beside"
        for name in results.clipped
    ]
    return [*(f"WRONG: {text}" for text in results.wrong), *clipped, *missing, *results.notes]


def terminal(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for number, name in enumerate(grid.header):
        left = number < grid.left
        table.add_column(name if left else name.replace(" ", "\n"), justify="left" if left else "right", no_wrap=True)
    for cells in grid.cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in cells))
    return table


def markdown(grid: Grid) -> str:
    align = ["---" if number < grid.left else "---:" for number in range(len(grid.header))]
    lines = [grid.header, align, *grid.cells]
    return "\n".join("| " + " | ".join(cell or " " for cell in cells) + " |" for cells in lines)
