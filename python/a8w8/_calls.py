"""Calls of the ops of a forward pass go the short way into PyTorch (adapters/torch/python_calls.cpp).

Each of these `torch.ops.…` stays the object that it is; only what happens when it is called changes, and of that only
the time. Where the short way was not built, for want of Python's headers, calls take PyTorch's own.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import torch
from torch._ops import OpOverloadPacket

OPS = (
    "npu::npu_quant_matmul",
    "npu::npu_trans_quant_param",
    "npu::npu_quantize",
    "npu::npu_dynamic_quant",
    "a8w8::linear_dynamic",
    "a8w8::linear_static",
    "a8w8::quant_matmul_packed",
)


def install(library: Path) -> None:
    """Shortens the calls of OPS by means of the extension module `library`, if there is one."""
    if not library.is_file():
        return
    make_call = load(library).make_call
    for name in OPS:
        namespace, op = name.split("::")
        packet = getattr(getattr(torch.ops, namespace), op)
        # Of several overloads PyTorch chooses one by the arguments; ours have one, the vendor's may have more.
        call = make_call(name, packet.op) if packet.overloads() == ["default"] else None
        if call is not None:
            _call_by(packet, call)


def load(library: Path) -> ModuleType:
    """The extension module."""
    spec = importlib.util.spec_from_file_location("a8w8._calls_abi3._calls", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _call_by(packet: OpOverloadPacket, call) -> None:
    # A function of C in a class is called without the instance. Calls are looked up in the class: one for each op.
    packet.__class__ = type("OpOverloadPacket", (OpOverloadPacket,), {"__module__": "torch._ops", "__call__": call})
