"""One shape after the other: prepare the candidates, check their answers, let them take turns.

Before those of a weight our op is timed from C++, in a process of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from peers import cpp
from peers.candidates.base import Call, Candidate
from peers.measure import Flush, Turn, cold_turn, estimate, settle, take_turns, warm_turn
from peers.operands import Activations, Answer, Weights
from peers.results import Results, Row, reason, threads_text
from peers.suites import Suite

# Who takes this many times as long as we do, and long enough to hold the others up, is left out from then on.
SLOW_FACTOR, SLOW_S = 10, 0.05
SATURATED = 0.3  # the error of a kernel that clips its int16 sums


@dataclass
class Runner:
    """`complain` is told of everything that is left out, `step` after each measurement.

    `binary` is the program `a8w8`.
    """

    results: Results
    candidates: list[Candidate]
    budget_s: float
    complain: Callable[[str], None]
    step: Callable[[], None]
    binary: Path | None = None
    _slow: set[tuple[str, int]] = field(default_factory=set)
    _failures: set[tuple[str, str]] = field(default_factory=set)
    flush: Callable[[], None] = field(default_factory=Flush)

    def run(self, suite: Suite, thread_counts: list[int]) -> None:
        for n, k in suite.nk:
            weights, others = Weights.random(n, k, seed=2), Weights.random(n, k, seed=3)
            for threads in thread_counts:
                torch.set_num_threads(threads)
                self._run_weights(suite, weights, others, threads)

    def _run_weights(self, suite: Suite, weights: Weights, others: Weights, threads: int) -> None:
        from_cpp = self._from_cpp(suite, (weights.n, weights.k), threads)
        packed = self._pack(weights, threads, lambda candidate: candidate.pack)
        packed_others = self._pack(others, threads, lambda candidate: candidate.pack_twin) if suite.cold_m else {}
        for m in suite.m:
            x = Activations.random(m, weights.k)
            row = Row(m, weights.n, weights.k, threads, False, {})
            calls, seconds = self._prepare(packed, x, Answer(x, weights), row)
            turns = {name: warm_turn(call.run, seconds[name], self._pool(name)) for name, call in calls.items()}
            self._measure(row, turns, from_cpp)
            if m in suite.cold_m:
                row = Row(m, weights.n, weights.k, threads, True, {})
                twins, _ = self._prepare(packed_others, x, Answer(x, others), row)
                turns = {
                    name: cold_turn(calls[name].run, twins[name].run, self.flush, self._pool(name))
                    for name in calls
                    if name in twins
                }
                self._measure(row, turns, from_cpp)

    def _from_cpp(self, suite: Suite, nk: tuple[int, int], threads: int) -> cpp.Times:
        if self.binary is None:
            return {}
        settle()
        return cpp.measure(self.binary, nk, suite.m, suite.cold_m, threads, self._note)

    def _pool(self, name: str) -> str:
        return next(candidate.pool for candidate in self.candidates if candidate.name == name)

    def _measure(self, row: Row, turns: dict[str, Turn], from_cpp: cpp.Times) -> None:
        row.us = {name: 1e6 * seconds for name, seconds in take_turns(turns, self.budget_s).items()}
        figures = from_cpp.get((row.m, row.threads, row.cold), cpp.Figures())
        row.us |= figures.us
        row.peak_gops, row.read_gbps = figures.peak_gops, figures.read_gbps
        self.results.rows.append(row)
        self.step()

    def _pack(
        self, weights: Weights, threads: int, method: Callable[[Candidate], Callable[[Weights, int], Any]]
    ) -> dict[Candidate, Any]:
        packed = {}
        for candidate in self.candidates:
            if (candidate.name, threads) in self._slow:
                continue
            try:
                packed[candidate] = method(candidate)(weights, threads)
            except Exception as error:
                self._leave_out(candidate, f"n={weights.n} k={weights.k}, {threads_text(threads)}", error)
        return packed

    def _prepare(
        self, packed: dict[Candidate, Any], x: Activations, answer: Answer, row: Row
    ) -> tuple[dict[str, Call], dict[str, float]]:
        """The fastest call of each candidate that gives the right answer, and about how long it takes."""
        calls: dict[str, Call] = {}
        seconds: dict[str, float] = {}
        for candidate, weights in packed.items():
            name = candidate.name
            if (name, row.threads) in self._slow:
                continue
            if candidate.pool != "OpenMP":
                settle()
            try:
                offered = candidate.prepare(weights, x, row.threads)
                right = [call for call in offered if self._is_right(candidate, call, answer, row)]
                timed = [(estimate(call.run), call) for call in right]
            except Exception as error:
                self._leave_out(candidate, row.where, error)
                continue
            if not timed:
                continue
            seconds[name], calls[name] = min(timed, key=lambda pair: pair[0])
            limit = max(SLOW_S, SLOW_FACTOR * next(iter(seconds.values())))  # ours come first
            if seconds[name] > limit and candidate.role != "ours":
                self._slow.add((name, row.threads))
                self._note(
                    f"{name} is left out from {row.where} on: one call took {seconds.pop(name):.3g} s, "
                    f"the limit is {limit:.2g} s"
                )
                del calls[name]
        return calls, seconds

    def _is_right(self, candidate: Candidate, call: Call, answer: Answer, row: Row) -> bool:
        error = answer.error(call.read(call.run()), candidate.gives)
        clips = candidate.saturates and not torch.cpu._is_vnni_supported()
        tolerance = SATURATED if clips else candidate.tolerance
        if error <= tolerance:
            if error > candidate.tolerance and candidate.name not in self.results.clipped:
                self.results.clipped.append(candidate.name)
            return True
        text = f"{candidate.name} is wrong at {row.where}: relative error {error:.3g}, at most {tolerance} is right"
        self.results.wrong.append(text)
        self.complain(text)
        return False

    def _leave_out(self, candidate: Candidate, where: str, error: Exception) -> None:
        if candidate.role == "ours":
            raise error
        if (candidate.name, reason(error)) not in self._failures:  # said once, not at each shape
            self._failures.add((candidate.name, reason(error)))
            self._note(f"{candidate.name} fails, first at {where}: {reason(error)}")

    def _note(self, text: str) -> None:
        self.results.notes.append(text)
        self.complain(text)
