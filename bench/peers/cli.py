"""The command: measures, shows, judges. Exit status 1 if an answer was wrong; a broken promise is no error."""

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from peers import docs, machine, report
from peers.candidates import ALL, install
from peers.extras import Extras, WrongAnswer
from peers.measure import OtherLoad
from peers.picture import draw
from peers.results import CPP, REPOSITORY, Entrant, Machine, Results, load, save
from peers.run import Runner
from peers.suites import Suite, load_suites
from peers.verdict import judge

BUSY = 0.03  # of the CPUs in other hands disturbs what two threads do together
WIDTH = 180  # what the tables need; a narrower terminal wraps them


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(width=max(WIDTH, Console().width))
    suites = load_suites()
    results = load(options.show) if options.show else measure(suites[options.suite], options, console)
    return present(results, options, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/peers.py", description="The int8 linear beside its peers.")
    parser.add_argument("--suite", default="all", choices=sorted(load_suites()), help="shapes of bench/suites.json")
    parser.add_argument("--threads", type=int, action="append", metavar="T", help="may be repeated; default: 1 and 2")
    parser.add_argument("--budget", type=float, default=2.0, metavar="S", help="seconds for the turns of a shape")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "build/release/a8w8", help="the C++ command line")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out/bench", help="folder for picture and results")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything here as well")
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing, show what --json wrote")
    parser.add_argument("--write-docs", action="store_true", help="put tables and picture into docs/performance.md")
    return parser


def measure(suite: Suite, options: argparse.Namespace, console: Console) -> Results:
    threads = options.threads or sorted({1, min(2, torch.get_num_threads())})
    candidates, missing = install()
    load_of_others = OtherLoad()
    here = {candidate.name: candidate for candidate in candidates}
    results = Results(
        suite=suite.name,
        versions={"a8w8": here["a8w8 packed"].version, "PyTorch": torch.__version__},
        machine=_machine(),
        entrants=[
            *(Entrant(name, "ours", "int8", here["a8w8 packed"].version, through="C++") for name in CPP.values()),
            *(
                Entrant(
                    kind.name,
                    kind.role,
                    kind.takes,
                    getattr(here.get(kind.name), "version", ""),
                    missing.get(kind.name),
                    kind.through,
                )
                for kind in ALL
            ),
        ],
    )
    columns = (
        TextColumn("Measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress:

        def complain(text: str) -> None:
            progress.console.print(f"[bold yellow]! {text}", highlight=False)

        def ask_cpp() -> None:
            notes: list[str] = []
            machine.measure(results.machine, options.binary, threads, notes.append)
            for text in notes:
                complain(text)
                if text not in results.notes:
                    results.notes.append(text)

        for name, reason in missing.items():
            complain(f"{name} is not here: {reason}")
        extras = Extras(suite, threads, options.budget / 2)
        units = len(threads) * len(suite.nk) * (len(suite.m) + len(suite.cold_m))
        task = progress.add_task("", total=units + len(extras.steps))
        ask_cpp()  # before and after: a machine shared with others is not equally fast all the time
        runner = Runner(results, candidates, options.budget, complain, lambda: progress.advance(task), options.binary)
        runner.run(suite, threads)
        for step in extras.steps:
            try:
                results.extras.append(step())
            except WrongAnswer as error:
                results.wrong.append(str(error))
                complain(str(error))
            progress.advance(task)
        ask_cpp()
        if (share := load_of_others.share()) > BUSY:
            results.notes.append(
                f"other processes used {share:.0%} of the CPUs meanwhile: figures are not to be trusted"
            )
    return results


def _machine() -> Machine:
    """As far as the op library tells; the C++ benchmark adds the figures."""
    config = json.loads(torch.ops.a8w8.config())
    return Machine(config["cpu"], config["isas"]["usable"][-1])


def present(results: Results, options: argparse.Namespace, console: Console) -> int:
    lines = judge(results)
    for grid in report.ratio_grids(results):
        console.print(report.terminal(grid))
    console.print(report.terminal(report.verdict_grid(lines)))
    for text in report.legend(results):
        console.print(text, highlight=False)
    for text in report.left_out(results):
        console.print(f"[bold yellow]! {text}", highlight=False)
    picture = options.out / "peers.png"
    draw(results, picture)
    judged = [dataclasses.asdict(line) | {"status": line.status} for line in lines]
    for file in filter(None, (options.out / "peers.json", options.json)):
        save(results, file, verdict=judged)
    console.print(f"Picture: {picture}   Results: {options.out / 'peers.json'}", highlight=False)
    if options.write_docs:
        console.print(f"Updated {docs.write(REPOSITORY / 'docs', results, lines, picture)}", highlight=False)
    return 1 if results.wrong else 0
