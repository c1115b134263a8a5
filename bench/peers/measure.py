"""How something is timed on a machine that does other things, too.

Candidates take turns within rounds, in one process, in an order that changes from round to round: whatever slows the
machine down for a while slows all of them down. A turn begins with a pause and a few calls that are not timed; the
figure of a turn is the mean of its timed calls, and the figure of a candidate is the lower quartile of its turns, since
disturbances only ever add.
"""

import gc
import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

# After a parallel region the threads of OpenMP, ONNX Runtime and TBB spin for a while. On a machine with few cores that
# costs the next candidate up to half its speed; after 2 ms all of them sleep.
PAUSE_S = 0.002
TURN_S = 0.002  # timed calls of a turn take about this long together,
LONG_S = 0.010  # but from here on one call is enough, and what it finds in the caches does not matter
MIN_ROUNDS, MAX_ROUNDS = 3, 40


@dataclass(frozen=True)
class Turn:
    """before() is not timed; then run() is, `calls` times."""

    run: Callable[[], object]
    before: Callable[[], object]
    calls: int = 1


def warm_turn(run: Callable[[], object], seconds: float, turn_s: float = TURN_S) -> Turn:
    """Weights in the cache as far as they fit. `seconds`: about what a call takes."""

    def before() -> None:
        time.sleep(PAUSE_S)
        if seconds < LONG_S:
            run()
            run()

    return Turn(run, before, max(1, math.ceil(turn_s / max(seconds, 1e-7))))


def cold_turn(run: Callable[[], object], twin: Callable[[], object], flush: Callable[[], object]) -> Turn:
    """Weights in memory only.

    flush empties the caches; then the twin, the same with other weights, brings back code, activations and threads, as
    the layer before would in a model.
    """

    def before() -> None:
        flush()
        time.sleep(PAUSE_S)
        twin()

    return Turn(run, before)


class Flush:
    """Reads a buffer of eight times the last level cache."""

    def __init__(self) -> None:
        self._buffer = torch.ones(min(8 * last_level_cache(), 2**30) // 8, dtype=torch.int64)

    def __call__(self) -> None:
        self._buffer.sum()


def last_level_cache() -> int:
    """Bytes; 32 MiB if the system does not tell."""
    sizes = [file.read_text().strip() for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(size[:-1]) * 1024 for size in sizes if size.endswith("K")), default=2**25)


def take_turns(turns: dict[str, Turn], budget_s: float) -> dict[str, float]:
    """Seconds for one call of each, after as many rounds as the budget allows."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    names, order = list(turns), random.Random(0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + budget_s
        for number in range(MAX_ROUNDS):
            if number >= MIN_ROUNDS and time.perf_counter() > end:
                break
            order.shuffle(names)
            for name in names:
                samples[name].append(_time(turns[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: lower_quartile(times) for name, times in samples.items()}


def _time(turn: Turn) -> float:
    turn.before()
    run = turn.run
    start = time.perf_counter()
    for _ in range(turn.calls):
        run()
    return (time.perf_counter() - start) / turn.calls


class OtherLoad:
    """How much of the CPUs other processes use, from its making on: what a run was disturbed by."""

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        """CPU seconds of everybody but this process and its children, and of all CPUs together."""
        stat = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        hertz, own = os.sysconf("SC_CLK_TCK"), os.times()
        busy = (sum(stat) - stat[3] - stat[4]) / hertz  # all but idle and iowait
        return busy - sum(own[:4]), sum(stat) / hertz

    def share(self) -> float:
        others, total = (now - start for now, start in zip(self._now(), self._start, strict=True))
        return max(0.0, others / total) if total else 0.0


def lower_quartile(times: list[float]) -> float:
    return sorted(times)[len(times) // 4]


def estimate(run: Callable[[], object], enough_s: float = 1.0) -> float:
    """Seconds for one call, roughly: the fastest of three, but a call that takes long is not repeated."""
    fastest = math.inf
    for _ in range(3):
        start = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - start)
        if fastest > enough_s:
            break
    return fastest
