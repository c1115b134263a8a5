"""ONNX Runtime: a session for each weight and thread count, input and output bound, so that nothing is copied."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class _OnnxRuntime(Candidate):
    takes = "float32"
    through = "C++"  # Python only starts the session

    def __init__(self) -> None:
        import onnx
        import onnxruntime

        self.version = f"{onnxruntime.__version__}"
        self._onnx, self._runtime = onnx, onnxruntime

    @abstractmethod
    def _node(self, weights: Weights) -> Any:
        """The node from "x" to "y"."""

    @abstractmethod
    def _constants(self, weights: Weights) -> dict[str, np.ndarray]:
        """What the node reads besides "x", by name."""

    def pack(self, weights: Weights, threads: int) -> Any:
        return self._session(weights, threads, {})

    def pack_twin(self, weights: Weights, threads: int) -> Any:
        return self._session(weights, threads, {"session.force_spinning_stop": "1"})

    def _session(self, weights: Weights, threads: int, entries: dict[str, str]) -> Any:
        helper, float32 = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            [self._node(weights)],
            "linear",
            [helper.make_tensor_value_info("x", float32, [None, weights.k])],
            [helper.make_tensor_value_info("y", float32, [None, weights.n])],
            [self._onnx.numpy_helper.from_array(value, name) for name, value in self._constants(weights).items()],
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        for key, value in entries.items():
            options.add_session_config_entry(key, value)
        session = self._runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session, weights.n

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        session, n = packed
        value = self._runtime.OrtValue.ortvalue_from_numpy
        y = value(np.empty((x.m, n), np.float32))
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", value(x.float32.numpy()))
        binding.bind_ortvalue_output("y", y)
        return [Call(lambda: session.run_with_iobinding(binding), lambda _: torch.from_numpy(y.numpy()))]


class OrtDynamic(_OnnxRuntime):
    """`DynamicQuantizeMatMul`, float32 in and out: what its optimizer makes of DynamicQuantizeLinear, MatMulInteger and
    the scaling in a model quantized by `quantize_dynamic`. uint8 activations, one scale and zero point for all of them.
    """

    name = pool = "ORT dynamic"  # each session has threads of its own
    tolerance = 0.02
    saturates = True

    def _node(self, weights: Weights) -> Any:
        return self._onnx.helper.make_node(
            "DynamicQuantizeMatMul", ["x", "weight", "scale"], ["y"], domain="com.microsoft"
        )

    def _constants(self, weights: Weights) -> dict[str, np.ndarray]:
        return {"weight": weights.q.t().contiguous().numpy(), "scale": weights.scale.numpy()}


class OrtNBits(_OnnxRuntime):
    """`MatMulNBits` with 8 bits and accuracy level 4: float32 in and out, activations quantized to int8 by blocks.

    Blocks of k as large as it has them and k allows: the larger, the faster.
    """

    name = pool = "ORT NBits8"
    tolerance = 0.02

    @staticmethod
    def _block(weights: Weights) -> int:
        return next(block for block in (256, 128, 64, 32) if weights.k % block == 0)

    def _node(self, weights: Weights) -> Any:
        return self._onnx.helper.make_node(
            "MatMulNBits",
            ["x", "weight", "scale"],
            ["y"],
            domain="com.microsoft",
            K=weights.k,
            N=weights.n,
            bits=8,
            block_size=self._block(weights),
            accuracy_level=4,
        )

    def _constants(self, weights: Weights) -> dict[str, np.ndarray]:
        block = self._block(weights)
        unsigned = (weights.q.int() + 128).to(torch.uint8)  # its zero point, where none is given
        return {
            "weight": unsigned.reshape(weights.n, -1, block).numpy(),
            "scale": weights.scale.repeat_interleave(weights.k // block).numpy(),
        }
