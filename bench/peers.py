"""The int8 linear beside what PyTorch itself offers on this CPU: same shapes and threads, taking turns in one process.

    python bench/peers.py [--threads T] [--shape M,N,K ...] [--rounds R] [--json FILE]

A round times each candidate once on warm weights; the figure is the median over the rounds. Ratios above 1 mean that
a8w8 is faster. Every candidate's answer is checked first. On CPUs without VNNI or bf16 instructions some of PyTorch's
paths are reference code: a candidate that takes more than SLOW seconds for one call is left out from then on ("-").
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import a8w8
import torch
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

DEFAULT_SHAPES = [(m, 4096, 4096) for m in (1, 2, 4, 8, 16, 32, 64, 128, 512)] + [(128, 384, 384), (128, 1536, 384)]
SLOW = 0.5
PEERS = ("oneDNN u8s8", "float32", "bf16")
Candidates = dict[str, Callable[[], torch.Tensor]]


def candidates(m: int, n: int, k: int) -> Candidates:
    """Callables that compute an (m, n) product, by name. int8 ones have bfloat16 results."""
    x = torch.randint(-128, 128, (m, k), dtype=torch.int8)
    weight = torch.randint(-127, 128, (n, k), dtype=torch.int8)
    scale = torch.full((n,), 1e-4)
    x_f32, weight_f32, x_bf16, weight_bf16 = x.float(), weight.float(), x.bfloat16(), weight.bfloat16()
    # oneDNN is fast with unsigned activations only: the same numbers, shifted by a zero point.
    x_u8, packed = (x.int() + 128).to(torch.uint8), torch.ops.onednn.qlinear_prepack(weight, [m, k])
    zeros = torch.zeros(n, dtype=torch.int64)
    return {
        "a8w8": lambda: torch.ops.npu.npu_quant_matmul(x, weight.t(), scale, output_dtype=torch.bfloat16),
        "oneDNN u8s8": lambda: torch.ops.onednn.qlinear_pointwise(
            x_u8, 1.0, 128, packed, scale, zeros, None, 1.0, 0, torch.bfloat16, "none", [], ""
        ),
        "float32": lambda: torch.nn.functional.linear(x_f32, weight_f32) * 1e-4,
        "bf16": lambda: torch.nn.functional.linear(x_bf16, weight_bf16) * 1e-4,
    }


def check(answers: Candidates) -> set[str]:
    """All candidates agree within what bfloat16 and saturating instructions allow. Returns those that are too slow."""
    expected = answers["a8w8"]().float()
    slow = set()
    for name, run in answers.items():
        start = time.perf_counter()
        answer = run().float()
        if time.perf_counter() - start > SLOW:
            slow.add(name)
        error = (answer - expected).norm() / expected.norm()
        if not error < 0.3:
            raise SystemExit(f"{name} gives something else than a8w8: relative error {error:.3f}")
    return slow


def measure(answers: Candidates, rounds: int) -> dict[str, float]:
    """Median microseconds by name."""
    times: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(rounds):
        for name, run in answers.items():
            run()  # brings its weights back into the cache after the others' turns
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e6)
    return {name: statistics.median(t) for name, t in times.items()}


def parse_shape(text: str) -> tuple[int, int, int]:
    m, n, k = (int(v) for v in text.split(","))
    return m, n, k


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--shape", type=parse_shape, action="append", metavar="M,N,K")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rows, left_out = [], set()
    for m, n, k in track(options.shape or DEFAULT_SHAPES, description="Measuring"):
        answers = {name: run for name, run in candidates(m, n, k).items() if name not in left_out}
        left_out |= check(answers)
        fast = {name: run for name, run in answers.items() if name not in left_out}
        rows.append({"m": m, "n": n, "k": k, "us": measure(fast, options.rounds)})

    config = json.loads(torch.ops.a8w8.config())
    print(f"{config['cpu']}, {config['isas']['usable'][-1]}, {options.threads} threads; microseconds, median")
    table = Table(box=box.SIMPLE)
    for column in ("m, n, k", "a8w8", "GOP/s", *(f"{name}{x}" for name in PEERS for x in ("", " ratio"))):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        us = row["us"]
        peers = [(us[name], us[name] / us["a8w8"]) if name in us else None for name in PEERS]
        gops = 2e-3 * row["m"] * row["n"] * row["k"] / us["a8w8"]
        figures = [text for peer in peers for text in ((f"{peer[0]:.0f}", f"{peer[1]:.2f}") if peer else ("-", "-"))]
        table.add_row(f"{row['m']}, {row['n']}, {row['k']}", f"{us['a8w8']:.0f}", f"{gops:.0f}", *figures)
    Console(width=120).print(table)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"config": config, "rows": rows, "version": a8w8.__version__}, file, indent=2)


if __name__ == "__main__":
    main()
