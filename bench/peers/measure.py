"""How something is timed on a machine that does other things, too.

Candidates take turns within rounds, in one process, in an order that changes from round to round: whatever slows the
machine down for a while slows all of them down. A turn begins with calls that are not timed; the figure of a turn is
the mean of its timed calls, and the figure of a candidate is the lower quartile of its turns, since disturbances only
ever add.

[pools] Candidates bring three kinds of threads: OpenMP's, ONNX Runtime's and TBB's. Threads spin after the work is done
(OpenMP's up to 10 ms, ONNX Runtime's 40 ms), ready for more, and take cores away from whoever comes next with threads
of his own. So those with the same threads follow each other, and before others begin, all is quiet.
"""

import gc
import math
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

TURN_S = 0.002  # timed calls of a turn take about this long together,
LONG_S = 0.010  # but from here on one call is enough, and what it finds in the caches does not matter
MIN_ROUNDS, MAX_ROUNDS = 3, 40
QUIET_S, PATIENCE_S = 0.001, 0.2


@dataclass(frozen=True)
class Turn:
    """before() is not timed; then run() is, `calls` times. pool: whose threads these are, see [pools]."""

    run: Callable[[], object]
    before: Callable[[], object]
    calls: int = 1
    pool: str = "OpenMP"


def warm_turn(run: Callable[[], object], seconds: float, pool: str = "OpenMP", turn_s: float = TURN_S) -> Turn:
    """Weights in the cache as far as they fit. `seconds`: about what a call takes."""

    def before() -> None:
        if seconds < LONG_S:
            run()
            run()

    return Turn(run, before, max(1, math.ceil(turn_s / max(seconds, 1e-7))), pool)


def cold_turn(
    run: Callable[[], object], twin: Callable[[], object], flush: Callable[[], object], pool: str = "OpenMP"
) -> Turn:
    """Weights in memory only.

    flush empties the caches; then the twin, the same with other weights, brings back code, activations and threads, as
    the layer before would in a model. Threads that run does not share with its twin spin on from a call before.
    """

    def before() -> None:
        run()
        flush()
        twin()
        twin()

    return Turn(run, before, 1, pool)


def settle() -> None:
    """Waits until no thread of this process runs."""
    end = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(QUIET_S)
        if time.process_time() - used < QUIET_S / 4:
            return


class Flush:
    """Reads a buffer of eight times the last level cache, on as many cores as the candidates use.

    With threads that do not spin: whose turn comes next may bring others.
    """

    def __init__(self) -> None:
        self._buffer = np.ones(min(8 * last_level_cache(), 2**30) // 8, dtype=np.int64)
        self._helpers = ThreadPoolExecutor(os.cpu_count())

    def __call__(self) -> None:
        own, *others = np.array_split(self._buffer, torch.get_num_threads())
        waiting = [self._helpers.submit(part.sum) for part in others]
        own.sum()
        for part in waiting:
            part.result()


def last_level_cache() -> int:
    """Bytes; 32 MiB if the system does not tell."""
    sizes = [file.read_text().strip() for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(size[:-1]) * 1024 for size in sizes if size.endswith("K")), default=2**25)


def take_turns(turns: dict[str, Turn], budget_s: float) -> dict[str, float]:
    """Seconds for one call of each, after as many rounds as the budget allows."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    order = random.Random(0)
    pools = [
        [name for name in turns if turns[name].pool == pool] for pool in {turn.pool: None for turn in turns.values()}
    ]
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + budget_s
        for number in range(MAX_ROUNDS):
            if number >= MIN_ROUNDS and time.perf_counter() > end:
                break
            order.shuffle(pools)
            for names in pools:
                if len(pools) > 1 or number == 0:
                    settle()
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


def estimate(run: Callable[[], object], enough_s: float = 0.1) -> float:
    """Seconds for one call, roughly: the fastest of three, but a call that takes long is not repeated."""
    fastest = math.inf
    for _ in range(3):
        start = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - start)
        if fastest > enough_s:
            break
    return fastest
