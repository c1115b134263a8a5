"""Who takes part."""

from peers.candidates import (
    onnx_runtime,
    openvino_cpu,
    ours,
    torch_fbgemm,
    torch_float,
    torch_int_mm,
    torch_onednn,
    torchao_int8,
    vllm_cpu,
)
from peers.candidates.base import Candidate
from peers.results import reason

# In the order of the table. Ours come first: whether a peer is too slow to go on with is measured against them.
ALL: tuple[type[Candidate], ...] = (
    ours.Packed,
    ours.Stored,
    ours.DynamicFloat32,
    ours.DynamicBfloat16,
    torch_onednn.OneDnnUnsigned,
    torch_onednn.OneDnnSigned,
    torch_int_mm.IntMm,
    vllm_cpu.VllmInt8,
    vllm_cpu.VllmSymmetric,
    vllm_cpu.VllmAsymmetric,
    vllm_cpu.VllmAmx,
    torch_fbgemm.Fbgemm,
    onnx_runtime.OrtDynamic,
    onnx_runtime.OrtNBits,
    openvino_cpu.OpenVino,
    torchao_int8.TorchAo,
    torch_float.Bfloat16,
    torch_float.Float32,
)


def install() -> tuple[list[Candidate], dict[str, str]]:
    """Those that can be had here, and why each of the others cannot."""
    present, missing = [], {}
    for kind in ALL:
        try:
            present.append(kind())
        except Exception as error:  # whatever an import raises, the others go on
            if kind.role == "ours":
                raise
            missing[kind.name] = reason(error)
    return present, missing
