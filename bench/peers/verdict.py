"""What the project promises of its speed, line by line, as passed or failed.

A promise that speaks of the machine's limits is judged by calls from C++, beside what probes of these limits reached in
turns with them (or else by the best that was measured in the run); how the same looks through PyTorch, with the cost of
its call and a new result each time, is a line of its own.

Reads results and nothing else. A line is a list of cases, each a number and where it was measured; the worst case is
the measured value of the line, except where the line speaks of a mean. "Ahead of" and "ratio" are times divided: 1.2
means that the other one takes 1.2 times as long as we do.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from peers.results import CPP, PACKED, STORED, Extra, Results, Row, threads_text

Case = tuple[float, str]  # a number, and where
# Packed, stored, what a line then has behind its number and its promise.
WAYS = ((CPP["packed"], CPP["stored"], "", ""), (PACKED, STORED, "p", ", through PyTorch"))
DYNAMIC = {"float32": "a8w8 dynamic f32", "bfloat16": "a8w8 dynamic bf16"}


@dataclass(frozen=True)
class Line:
    """One promise. `number` is the one it has in the list of promises, with a letter where that holds several."""

    number: str
    promise: str
    limit: float
    at_least: bool  # or at most
    measured: float | None
    where: str

    @property
    def status(self) -> str:
        if self.measured is None:
            return "not measured"
        return "passed" if (self.measured >= self.limit if self.at_least else self.measured <= self.limit) else "failed"


def judge(results: Results) -> list[Line]:
    """Every line that a benchmark can decide."""
    ahead = list(_ahead_of_peers(results))
    lines = [
        _least("1a", "packed: ratio to the best peer, at every shape", 1.0, ((r, w) for _, r, w in ahead)),
        _mean("1b", "packed: the same, geometric mean for m <= 32", 1.15, ahead, lambda row: row.m <= 32),
        _mean("1c", "packed: the same, geometric mean for n, k <= 1536", 1.3, ahead, _is_small),
    ]
    for way in WAYS:
        lines += _limits(results, *way)
    lines += [
        _most("5a", "quantizing: time beside the int8 op, m = 128", 1.08, _quantizing(results, "128 x")),
        _most("5b", "quantizing: time beside the int8 op, m = 1", 1.05, _quantizing(results, "1 x")),
        _least(
            "5c", "linear_dynamic: ratio to every float-in peer, at every shape", 1.0, _ahead_of_float_peers(results)
        ),
        _most("6a", "output dtypes: time beside bfloat16", 1.05, _output_dtypes(results)),
        _least("6b", "int4: speed beside int8, m >= 64", 0.8, _extra(results, "int4", "int8", "int4")),
        _least("6c", "int4: speed beside int8, m = 1 cold", 1.0, _extra(results, "int4 cold", "int8", "int4")),
        _least(
            "6d",
            "batches of small matrices: 2 threads beside 1, through PyTorch",
            1.7,
            _two_threads(results, "batches"),
        ),
        _most("7a", "call in C++, 1 x 64 x 64, in us", 1.0, _cpp_call(results)),
    ]
    for number, name in (("7b", "npu_quant_matmul"), ("7c", "ops.quant_matmul"), ("7d", "linear_dynamic")):
        promise = f"call of {name} from Python: time beside linear float32"
        lines.append(_most(number, promise, 1.3, _extra(results, "call", name, "linear float32")))
    lines += [
        _least("8", "2 threads beside 1, m >= 64 and n >= 1024", 1.9, _two_threads_cpp(results)),
        _least(
            "8p",
            "2 threads beside 1, m >= 64 and n >= 1024, through PyTorch",
            1.9,
            _two_threads(results, "two threads"),
        ),
    ]
    return sorted(lines, key=lambda line: line.number)  # stable


def _limits(results: Results, packed: str, stored: str, p: str, how: str) -> list[Line]:
    """Beside the machine's limits, and stored weights beside packed ones."""
    large = [row for row in results.rows if not row.cold and row.m >= 128 and min(row.n, row.k) >= 4096]
    cold = [row for row in results.rows if row.cold and row.m == 1]
    peak = 0.65 if "amx" in results.machine.isa else 0.93
    of_read, beside = "of the read bandwidth, m = 1 cold, n, k >= 1024", "stored: speed beside packed"
    few_or_many = _stored(results, packed, stored, lambda m: m <= 8 or m >= 256)
    between = _stored(results, packed, stored, lambda m: 8 < m < 256)
    return [
        _least(
            f"2{p}", f"packed: of the int8 peak, m >= 128 and n, k >= 4096{how}", peak, _of_peak(results, large, packed)
        ),
        _least(f"3a{p}", f"{beside}, m <= 8 and m >= 256{how}", 0.9, few_or_many),
        _least(f"3b{p}", f"{beside}, 8 < m < 256{how}", 0.75, between),
        _least(f"4a{p}", f"packed: {of_read}{how}", 0.9, _of_bandwidth(results, cold, packed)),
        _least(f"4b{p}", f"stored: {of_read}{how}", 0.9, _of_bandwidth(results, cold, stored)),
    ]


def _is_small(row: Row) -> bool:
    return max(row.n, row.k) <= 1536


def _least(number: str, promise: str, limit: float, cases: Iterable[Case]) -> Line:
    measured, where = min(cases, default=(None, ""))
    return Line(number, promise, limit, True, measured, where)


def _most(number: str, promise: str, limit: float, cases: Iterable[Case]) -> Line:
    measured, where = max(cases, default=(None, ""))
    return Line(number, promise, limit, False, measured, where)


def _mean(
    number: str, promise: str, limit: float, ahead: list[tuple[Row, float, str]], of: Callable[[Row], bool]
) -> Line:
    """For each number of threads; the worse one counts."""
    means = []
    for threads in {row.threads for row, _, _ in ahead}:
        ratios = [ratio for row, ratio, _ in ahead if row.threads == threads and of(row)]
        if ratios:
            means.append((geometric_mean(ratios), f"{len(ratios)} shapes, {threads_text(threads)}"))
    return _least(number, promise, limit, means)


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _ahead_of_peers(results: Results) -> Iterable[tuple[Row, float, str]]:
    for row in results.rows:
        best = results.best_peer(row)
        if best is not None:
            yield row, best[1], f"{row.where}: {best[0]}"


def _ahead_of_float_peers(results: Results) -> Iterable[Case]:
    """Each peer beside our op with the same input: a float32 peer beside float32."""
    for row in results.rows:
        for name in results.peers():
            ours = DYNAMIC.get(results.takes(name))
            if ours in row.us and name in row.us:
                yield row.us[name] / row.us[ours], f"{row.where}: {name}"


def _of_peak(results: Results, rows: list[Row], name: str) -> Iterable[Case]:
    for row in rows:
        peak = row.peak_gops or results.machine.peak_int8_gops.get(row.threads)
        if peak and name in row.us:
            yield row.gops(name) / peak, row.where


def _of_bandwidth(results: Results, rows: list[Row], name: str) -> Iterable[Case]:
    """Weights of less than some MB are not read at the speed of large reads, by nobody."""
    for row in rows:
        bandwidth = row.read_gbps or results.machine.read_gbps.get(row.threads)
        if bandwidth and name in row.us and min(row.n, row.k) >= 1024:
            yield row.gbps(name) / bandwidth, row.where


def _stored(results: Results, packed: str, stored: str, of: Callable[[int], bool]) -> Iterable[Case]:
    for row in results.rows:
        if of(row.m) and packed in row.us and stored in row.us:
            yield row.us[packed] / row.us[stored], row.where


def _quantizing(results: Results, shape: str) -> Iterable[Case]:
    for extra in _group(results, "quantizing"):
        if extra.where.startswith(shape):
            for name in ("linear_dynamic", "linear_static"):
                yield extra.us[name] / extra.us["int8"], f"{name}, {extra.where}"


def _output_dtypes(results: Results) -> Iterable[Case]:
    beside = {"float16 by token": "bfloat16 by token", "int8": "bfloat16", "int32": "bfloat16"}
    for extra in _group(results, "output dtypes"):
        for name, bfloat16 in beside.items():
            yield extra.us[name] / extra.us[bfloat16], f"{name.split()[0]}, {extra.where}"


def _two_threads(results: Results, group: str) -> Iterable[Case]:
    for extra in _group(results, group):
        for name in extra.us:
            what, one, _ = name.partition("1 thread")
            if one:
                yield extra.us[name] / extra.us[f"{what}2 threads"], f"{what}{extra.where}"


def _two_threads_cpp(results: Results) -> Iterable[Case]:
    """Not in turns, but of the same run."""
    warm = {(row.m, row.n, row.k, row.threads): row for row in results.rows if not row.cold}
    for (m, n, k, threads), one in warm.items():
        two = warm.get((m, n, k, 2))
        for name in CPP.values():
            if threads == 1 and two is not None and m >= 64 and n >= 1024 and name in one.us and name in two.us:
                yield one.us[name] / two.us[name], f"{name.removeprefix('C++ ')} {m} x {n} x {k}"


def _cpp_call(results: Results) -> Iterable[Case]:
    if results.machine.cpp_call_us is not None:
        yield results.machine.cpp_call_us, "1 thread"


def _extra(results: Results, group: str, above: str, below: str) -> Iterable[Case]:
    for extra in _group(results, group):
        if above in extra.us and below in extra.us:
            yield extra.us[above] / extra.us[below], extra.where


def _group(results: Results, group: str) -> Iterable[Extra]:
    return (extra for extra in results.extras if extra.group == group)
