"""What runs here and why: the product that is emulated, the CPU, the kernels chosen for it."""

import json
from typing import Any

import torch


def current() -> dict[str, Any]:
    """version, product, cpu, isas {compiled, supported, usable}, kernels {gemm, dot, epilogue, quantize}, threads."""
    return json.loads(torch.ops.a8w8.config())


def show_config() -> None:
    """Prints `current()` for people."""
    config = current()
    rows = {
        "a8w8": f"{config['version']} with PyTorch {torch.__version__}",
        "product": f"{config['product']} (A8W8_PRODUCT, a8w8.set_product)",
        "CPU": f"{config['cpu']}, {config['threads']} threads",
        **{f"ISAs {state}": ", ".join(names) or "none" for state, names in config["isas"].items()},
        **{f"{role} kernel": name for role, name in config["kernels"].items()},
    }
    width = max(map(len, rows))
    print("\n".join(f"{label:<{width}}  {value}" for label, value in rows.items()))


def product() -> str:
    """The product whose rules the ops apply: "atlas-a2" (the default, or A8W8_PRODUCT) or "atlas-inference"."""
    return torch.ops.a8w8.product()


def set_product(name: str) -> None:
    """Chooses the product: "atlas-a2" or "atlas-inference"; anything else is an error that names the two."""
    torch.ops.a8w8.set_product(name)
