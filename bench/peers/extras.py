"""What is timed apart from the shapes: each a group of a few things that take turns."""

from collections.abc import Callable

import a8w8
import torch

from peers.measure import Flush, Turn, cold_turn, estimate, take_turns, warm_turn
from peers.operands import Activations, Weights
from peers.results import Extra, threads_text
from peers.suites import Suite


class WrongAnswer(Exception):
    """An answer that is not right; its message says which."""


Runs = dict[str, Callable[[], object]]
CALLS_S = 0.02  # a turn of calls that take a microsecond each


class Extras:
    """The measurements as a list, so that their number is known beforehand: each is a function that makes an Extra."""

    def __init__(self, suite: Suite, thread_counts: list[int], budget_s: float) -> None:
        self._budget_s = budget_s
        self._flush = Flush()
        self.steps: list[Callable[[], Extra]] = []
        for threads in thread_counts:
            for m in (128, 1):
                self.steps.append(lambda m=m, t=threads: self._quantizing(m, t))
            for m, n, k in ((1, 4096, 4096), (128, 4096, 4096), (128, 384, 384)):
                self.steps.append(lambda shape=(m, n, k), t=threads: self._output_dtypes(*shape, t))
            for m in (64, 128, 512):
                self.steps.append(lambda m=m, t=threads: self._int4(m, t))
            self.steps.append(lambda t=threads: self._int4_cold(t))
            self.steps.append(lambda t=threads: self._call(t))
        if {1, 2} <= set(thread_counts):
            for n in (64, 128, 256):
                self.steps.append(lambda n=n: self._batches(n))
            for m, n, k in suite.shapes:
                if m >= 64 and n >= 1024:
                    self.steps.append(lambda shape=(m, n, k): self._two_threads(*shape))

    def _quantizing(self, m: int, threads: int) -> Extra:
        """What quantizing adds to the int8 op."""
        torch.set_num_threads(threads)
        x, weights, packed = _operands(m, 4096, 4096)
        input_scale = x.float32.abs().max().reshape(1) / 127
        no_offset, deq_scale = torch.zeros(1), weights.scale * input_scale
        x_float = x.bfloat16
        runs: Runs = {
            "int8": lambda: quant_matmul_packed(x, packed, weights),
            "linear_dynamic": lambda: torch.ops.a8w8.linear_dynamic(x_float, packed, weights.scale),
            "linear_static": lambda: torch.ops.a8w8.linear_static(x_float, input_scale, no_offset, packed, deq_scale),
        }
        return self._compare("quantizing", f"{m} x 4096 x 4096, {threads_text(threads)}", runs)

    def _output_dtypes(self, m: int, n: int, k: int, threads: int) -> Extra:
        """int8 and int32 have no scale per token: each dtype beside a bfloat16 with the same operands."""
        torch.set_num_threads(threads)
        x, weights, _ = _operands(m, n, k)

        def run(dtype: torch.dtype, token_scale: torch.Tensor | None) -> Callable[[], object]:
            return lambda: torch.ops.npu.npu_quant_matmul(
                x.q, weights.q.t(), weights.scale, pertoken_scale=token_scale, output_dtype=dtype
            )

        runs: Runs = {
            "bfloat16 by token": run(torch.bfloat16, x.token_scale),
            "float16 by token": run(torch.float16, x.token_scale),
            "bfloat16": run(torch.bfloat16, None),
            "int8": run(torch.int8, None),
            "int32": run(torch.int32, None),
        }
        return self._compare("output dtypes", f"{m} x {n} x {k}, {threads_text(threads)}", runs)

    def _int4(self, m: int, threads: int) -> Extra:
        torch.set_num_threads(threads)
        return self._compare("int4", f"{m} x 4096 x 4096, {threads_text(threads)}", _int4_and_int8(m, 4096, 4096, 2))

    def _int4_cold(self, threads: int) -> Extra:
        torch.set_num_threads(threads)
        runs, twins = _int4_and_int8(1, 4096, 4096, 2), _int4_and_int8(1, 4096, 4096, 3)
        turns = {name: cold_turn(run, twins[name], self._flush) for name, run in runs.items()}
        return self._take_turns("int4 cold", f"1 x 4096 x 4096, {threads_text(threads)}, cold", turns)

    def _call(self, threads: int) -> Extra:
        """A linear so small that what is left is the call."""
        torch.set_num_threads(threads)
        x, weights, _ = _operands(1, 64, 64)
        x_float, weight_float, weight_t = x.float32, weights.float32(), weights.q.t()
        runs: Runs = {
            "npu_quant_matmul": lambda: torch.ops.npu.npu_quant_matmul(
                x.q, weight_t, weights.scale, pertoken_scale=x.token_scale, output_dtype=torch.bfloat16
            ),
            "ops.quant_matmul": lambda: a8w8.ops.quant_matmul(
                x.q, weight_t, weights.scale, pertoken_scale=x.token_scale, output_dtype=torch.bfloat16
            ),
            "linear_dynamic": lambda: a8w8.ops.linear_dynamic(x_float, weights.q, weights.scale),
            "linear float32": lambda: torch.nn.functional.linear(x_float, weight_float),
        }
        return self._compare("call", f"1 x 64 x 64, {threads_text(threads)}", runs, CALLS_S)

    def _batches(self, n: int) -> Extra:
        a = torch.randint(-128, 128, (64, 16, 64), dtype=torch.int8)
        b = torch.randint(-128, 128, (64, n, 64), dtype=torch.int8).transpose(1, 2)
        scale = torch.full((n,), 1e-4)
        runs = {"": lambda: torch.ops.npu.npu_quant_matmul(a, b, scale, output_dtype=torch.bfloat16)}
        return self._by_threads("batches", f"64 x (16 x {n} x 64)", runs)

    def _two_threads(self, m: int, n: int, k: int) -> Extra:
        x, weights, packed = _operands(m, n, k)
        runs: Runs = {
            "packed ": lambda: quant_matmul_packed(x, packed, weights),
            "stored ": lambda: torch.ops.npu.npu_quant_matmul(
                x.q, weights.q.t(), weights.scale, pertoken_scale=x.token_scale, output_dtype=torch.bfloat16
            ),
        }
        return self._by_threads("two threads", f"{m} x {n} x {k}", runs)

    def _by_threads(self, group: str, where: str, runs: Runs) -> Extra:
        """Each with 1 and with 2 threads; 1 and 2 take turns, too."""
        turns = {}
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for name, run in runs.items():
                turn = warm_turn(run, estimate(run))

                def before(turn: Turn = turn, threads: int = threads) -> None:
                    torch.set_num_threads(threads)
                    turn.before()

                turns[f"{name}{threads_text(threads)}"] = Turn(turn.run, before, turn.calls, threads_text(threads))
        return self._take_turns(group, where, turns)

    def _compare(self, group: str, where: str, runs: Runs, turn_s: float | None = None) -> Extra:
        more = {} if turn_s is None else {"turn_s": turn_s}
        return self._take_turns(
            group, where, {name: warm_turn(run, estimate(run), **more) for name, run in runs.items()}
        )

    def _take_turns(self, group: str, where: str, turns: dict[str, Turn]) -> Extra:
        return Extra(group, where, {name: 1e6 * s for name, s in take_turns(turns, self._budget_s).items()})


def _operands(m: int, n: int, k: int) -> tuple[Activations, Weights, torch.Tensor]:
    weights = Weights.random(n, k, seed=2)
    return Activations.random(m, k), weights, torch.ops.a8w8.pack_weight(weights.q)


def quant_matmul_packed(x: Activations, packed: torch.Tensor, weights: Weights) -> torch.Tensor:
    return a8w8.ops.quant_matmul_packed(
        x.q, packed, weights.scale, n=weights.n, pertoken_scale=x.token_scale, output_dtype=torch.bfloat16
    )


def _int4_and_int8(m: int, n: int, k: int, seed: int) -> Runs:
    """The same small numbers as int8 and as eight int4 to a word, weights as stored, bfloat16 out."""
    generator = torch.Generator().manual_seed(seed)
    x, weight = (torch.randint(-8, 8, (rows, k), dtype=torch.int32, generator=generator) for rows in (m, n))
    x4, weight4 = a8w8.ops.convert_weight_to_int4pack(x), a8w8.ops.convert_weight_to_int4pack(weight)
    x8, weight8 = x.to(torch.int8), weight.to(torch.int8)
    scale, token_scale = torch.full((n,), 1e-3), torch.full((m,), 1e-2)

    def run(a: torch.Tensor, b: torch.Tensor) -> Callable[[], torch.Tensor]:
        return lambda: torch.ops.npu.npu_quant_matmul(
            a, b.t(), scale, pertoken_scale=token_scale, output_dtype=torch.bfloat16
        )

    runs = {"int8": run(x8, weight8), "int4": run(x4, weight4)}
    if not torch.equal(runs["int8"](), runs["int4"]()):
        raise WrongAnswer(f"int4 gives something else than int8 at {m} x {n} x {k}")
    return runs
