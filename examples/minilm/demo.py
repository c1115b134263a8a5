"""A real model through int8: quantizes MiniLM-L6 twice, reloads it from disk, and shows what it costs and what it
gives.

python examples/minilm/demo.py [--out out/demo] [--update-readme]

Exit status 0 if int8 is as good as required (metrics.py), 1 if not.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported; the model is installed, nothing is fetched

import report
from metrics import Results, shortfalls
from picture import draw
from rich.console import Console

REPOSITORY = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out" / "demo", help="folder for everything written")
    parser.add_argument("--update-readme", action="store_true", help="put table and picture into README.md as well")
    options = parser.parse_args()
    console = Console()
    options.out.mkdir(parents=True, exist_ok=True)

    console.rule("1. Quantize MiniLM-L6: dynamic, and static with calibration; save as msModelSlim")
    from pipeline import quantize_and_save  # imports the libraries, so only after the first line is on the screen

    quantize_and_save(options.out)
    console.rule("2. Reload in a fresh process; run the other half of the text")
    evaluation = Path(__file__).with_name("evaluate.py")
    if subprocess.run([sys.executable, str(evaluation), str(options.out)], check=False).returncode != 0:
        console.print("[red]The evaluation failed; see above.")
        return 1
    console.rule("3. Results")
    results = Results.from_json(json.loads((options.out / "results.json").read_text(encoding="utf-8")))
    return present(results, options.out, console, REPOSITORY if options.update_readme else None)


def present(results: Results, out: Path, console: Console, repository: Path | None) -> int:
    """Shows and stores the results, and gives the verdict as exit status."""
    console.print(report.terminal_table(results))
    console.print(report.layers_table(results))
    console.print(report.machine(results))
    draw(results, out / "embeddings.npz", out / "demo.png")
    (out / "report.md").write_text(report.markdown(results), encoding="utf-8")
    console.print(f"Report: {out / 'report.md'}   Picture: {out / 'demo.png'}")
    if repository is not None:
        report.update_readme(repository, results, out / "demo.png")
        console.print(f"Updated {repository / 'README.md'}")
    problems = shortfalls(results)
    for problem in problems:
        console.print(f"[bold red]Not good enough:[/] {problem}")
    if not problems:
        console.print("[bold green]int8 is as good as required.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
