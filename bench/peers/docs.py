"""Puts tables and picture into docs/performance.md, between markers: one place for each CPU that was measured."""

import re
import shutil
from pathlib import Path

from peers.report import left_out, legend, markdown, ratio_grids, verdict_grid
from peers.results import Results
from peers.verdict import Line

STUB = "# Performance\n"


def section(results: Results, lines: list[Line], picture: str) -> str:
    """Markdown. The verdict and the picture are open, the tables of ratios folded."""
    verdict = verdict_grid(lines)
    parts = [*legend(results), markdown(verdict), f"![Ratios to the best peer]({picture})"]
    for grid in ratio_grids(results):
        parts.append(f"<details><summary>{grid.title}</summary>\n\n{markdown(grid)}\n\n</details>")
    remarks = left_out(results)
    if remarks:
        parts.append("Remarks:\n\n" + "\n".join(f"- {text}" for text in remarks))
    return "\n\n".join(parts)


def label(cpu: str) -> str:
    """What the markers and the picture are named by: the CPU, in letters that a file name may have."""
    return re.sub(r"[^a-z0-9]+", "-", cpu.lower()).strip("-") or "cpu"


def write(folder: Path, results: Results, lines: list[Line], picture: Path) -> Path:
    """Replaces what stands between the markers of this CPU; a CPU without any gets them at the end."""
    document, name = folder / "performance.md", label(f"{results.machine.cpu} {results.machine.isa}")
    image = Path("images") / f"peers-{name}.png"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, folder / image)
    begin, end = f"<!-- bench-peers:begin {name} -->", f"<!-- bench-peers:end {name} -->"
    block = f"{begin}\n{section(results, lines, image.as_posix())}\n{end}"
    text = document.read_text(encoding="utf-8") if document.is_file() else STUB
    if begin in text and end in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n## {results.machine.cpu}\n\n{block}\n"
    document.write_text(text, encoding="utf-8")
    return document
