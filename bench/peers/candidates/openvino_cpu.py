"""OpenVINO: a compiled model for each shape and thread count, its tensors bound, so that nothing is copied."""

from typing import Any

import numpy as np
import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class OpenVino(Candidate):
    """int8 weight, float32 in and out; the faster of two: activations quantized with one scale that is known beforehand
    (FakeQuantize, as NNCF quantizes a model), or for each token as they come (compressed weight).
    """

    name = "OpenVINO"
    takes = "float32"
    tolerance = 0.02
    saturates = True
    pool = "OpenVINO"
    through = "C++"  # Python only starts the request

    def __init__(self) -> None:
        import openvino
        import openvino.opset13

        self.version = openvino.__version__.split("-")[0]
        self._openvino, self._ops = openvino, openvino.opset13
        self._core = openvino.Core()

    def pack(self, weights: Weights, threads: int) -> Any:
        return weights

    def prepare(self, packed: Weights, x: Activations, threads: int) -> list[Call]:
        return [self._compile(packed, x, threads, known_scale) for known_scale in (True, False)]

    def _compile(self, weights: Weights, x: Activations, threads: int, known_scale: bool) -> Call:
        ops, settings = self._ops, {}
        parameter = ops.parameter([x.m, weights.k], self._openvino.Type.f32)
        weight = ops.multiply(
            ops.convert(ops.constant(weights.q.numpy()), "f32"), ops.constant(weights.scale[:, None].numpy())
        )
        if known_scale:
            high = ops.constant(np.float32(x.float32.abs().max()))
            low = ops.constant(np.float32(-x.float32.abs().max() * 128 / 127))
            activations = ops.fake_quantize(parameter, low, high, low, high, 256)
        else:
            activations = parameter
            settings = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 64}
        model = self._openvino.Model([ops.matmul(activations, weight, False, True)], [parameter], "linear")
        settings |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        # float32, not the bfloat16 it prefers on some CPUs: that only adds conversions here.
        request = self._core.compile_model(
            model, "CPU", settings | {"INFERENCE_PRECISION_HINT": "f32"}
        ).create_infer_request()
        request.set_input_tensor(self._openvino.Tensor(x.float32.numpy()))
        return Call(request.infer, lambda _: torch.from_numpy(request.get_output_tensor().data))
