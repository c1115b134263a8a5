"""Writes docs/ops.md from the op library: its tables, its schemas, and the messages of calls that it refuses.

.venv/bin/python scripts/op_reference.py            # writes docs/ops.md
.venv/bin/python scripts/op_reference.py --check    # exit status 1 if docs/ops.md is not what would be written
"""

import argparse
import json
import re
import sys
from pathlib import Path

import a8w8
import torch

PAGE = Path(__file__).parents[1] / "docs" / "ops.md"
TEMPLATE = Path(__file__).with_name("op_reference.in.md")
PRODUCTS = ("atlas-a2", "atlas-inference")


def int8(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int8)


def int32(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int32)


def matmul(x1=None, x2=None, scale=None, **options):
    x1 = int8(2, 32) if x1 is None else x1
    x2 = int8(32, 8) if x2 is None else x2
    scale = torch.ones(8) if scale is None else scale
    return torch.ops.npu.npu_quant_matmul(x1, x2, scale, **options)


def refused_calls() -> dict[str, list]:
    """Calls that break one rule each: examples of the messages."""
    npu, own, ones = torch.ops.npu, torch.ops.a8w8, torch.ones
    cast = lambda *a, **o: npu.npu_format_cast(ones(2, 2), *a, **o)  # noqa: E731
    return {
        "npu_quant_matmul": [
            lambda: matmul(x2=int8(31, 8)),
            lambda: matmul(x1=int8(32)),
            lambda: matmul(x1=int8(0, 32)),
            lambda: matmul(x1=int8(2, 2, 32), x2=int8(3, 32, 8)),
            lambda: matmul(x2=int32(32, 8)),
            lambda: matmul(scale=ones(7)),
            lambda: matmul(bias=ones(8), output_dtype=torch.float16),
            lambda: matmul(bias=int32(7)),
            lambda: matmul(pertoken_scale=ones(2)),
            lambda: matmul(pertoken_scale=ones(3), output_dtype=torch.bfloat16),
            lambda: matmul(offset=ones(8), output_dtype=torch.float16),
            lambda: matmul(x1=int8(1, 65536), x2=int8(65536, 8)),
            lambda: matmul(x1=int32(2, 4), x2=int32(5, 8), output_dtype=torch.float16),
            lambda: matmul(x1=int32(2, 4), x2=int32(4, 8), output_dtype=torch.bfloat16),
            lambda: matmul(group_sizes=[1, 1, 256]),
            lambda: matmul(y_scale=ones(1)),
        ],
        "npu_trans_quant_param": [
            lambda: npu.npu_trans_quant_param(ones(3).half()),
            lambda: npu.npu_trans_quant_param(ones(3), ones(2)),
            lambda: npu.npu_trans_quant_param(ones(2, 3), ones(2, 3)),
            lambda: npu.npu_trans_quant_param(ones(3), None, 2),
        ],
        "npu_quantize": [
            lambda: npu.npu_quantize(int8(2, 3), ones(3), None, torch.qint8),
            lambda: npu.npu_quantize(ones(2, 3), ones(2), None, torch.qint8),
            lambda: npu.npu_quantize(ones(2, 3), ones(3), ones(1), torch.qint8),
            lambda: npu.npu_quantize(ones(2, 3), ones(3), None, torch.qint8, 2),
            lambda: npu.npu_quantize(ones(2, 8), ones(8), None, torch.quint4x2, 1, True),
            lambda: npu.npu_quantize(ones(2, 3), ones(3), None, torch.quint4x2, -1, False),
        ],
        "npu_dynamic_quant": [
            lambda: npu.npu_dynamic_quant(ones(4)),
            lambda: npu.npu_dynamic_quant(ones(2, 4), smooth_scales=ones(3)),
            lambda: npu.npu_dynamic_quant(ones(2, 4), smooth_scales=ones(2, 4), group_index=int32(2)),
            lambda: npu.npu_dynamic_quant(ones(2, 4), dst_type=torch.quint4x2),
            lambda: npu.npu_dynamic_quant(ones(2, 4), quant_mode="pertensor"),
        ],
        "npu_convert_weight_to_int4pack": [
            lambda: npu.npu_convert_weight_to_int4pack(ones(2, 8)),
            lambda: npu.npu_convert_weight_to_int4pack(int32(2, 12)),
            lambda: npu.npu_convert_weight_to_int4pack(int32(8, 8).t()),
        ],
        "npu_format_cast": [
            lambda: cast(3),
            lambda: cast(29, customize_dtype=torch.int32),
            lambda: cast(29, input_dtype=torch.int8),
        ],
        "pack_weight": [
            lambda: own.pack_weight(ones(2, 4)),
            lambda: own.pack_weight(int8(2, 3, 4)),
            lambda: own.unpack_weight(own.pack_weight(int8(3, 4)), 3, 5),
            lambda: own.quant_matmul_packed(int8(2, 4), own.pack_weight(int8(3, 4)), ones(3), n=4),
            lambda: own.quant_matmul_packed(int8(2, 5), own.pack_weight(int8(3, 4)), ones(3), n=3),
            lambda: own.linear_dynamic(ones(2, 4), own.pack_weight(int8(3, 4))[64:], ones(3)),
        ],
        "linear_dynamic": [
            lambda: own.linear_dynamic(ones(2, 4), int8(3, 5), ones(3)),
            lambda: own.linear_dynamic(ones(2, 4), int8(3, 4), ones(4)),
        ],
        "linear_static": [
            lambda: own.linear_static(ones(2, 4), ones(2), ones(1), int8(3, 4), ones(3)),
            lambda: own.linear_static(ones(2, 4), ones(1), ones(1), int8(3, 4), ones(3), ones(3)),
            lambda: own.linear_static(ones(2, 4), ones(1), ones(1), int8(3, 4), ones(3), bias=ones(4)),
        ],
    }


def refusals(op: str) -> str:
    lines = []
    for call in refused_calls()[op]:
        try:
            call()
        except RuntimeError as error:
            lines.append(f"- {str(error).splitlines()[0].replace('|', chr(92) + '|')}")
        else:
            raise AssertionError(f"{op}: a call that was to be refused is accepted")
    return "Refused, for example:\n\n" + "\n".join(lines) + "\n"


def schemas(op: str) -> str:
    namespace = torch.ops.npu if op.startswith(("npu_", "_npu_", "get_")) else torch.ops.a8w8
    packet = getattr(namespace, op)
    return "\n".join(f"    {getattr(packet, overload)._schema}" for overload in packet.overloads())


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def matmul_tables(tables: dict[str, dict]) -> str:
    cells = ("x", "scale", "offset", "bias", "pertoken_scale", "output")
    parts = []
    for product in PRODUCTS:
        rows = [
            [str(r["number"]) + (" (per group)" if r["per_group"] else ""), *(r[cell] for cell in cells)]
            for r in tables[product]["quant_matmul"]
        ]
        parts.append(f"Dtypes on {tables[product]['title']} (`{product}`); int32 x1, x2 hold int4:\n")
        parts.append(table(["row", "x1, x2", *cells[1:]], rows))
    return "\n".join(parts)


def form_section(form: dict, differs: dict) -> str:
    """One form of an op; `differs` is the same form on Atlas inference."""
    title = f"## {form['op']}" + (f", {form['form']}" if form["form"] else "")
    rows = []
    for operand, other in zip(form["operands"], differs["operands"], strict=True):
        dtypes = operand["dtypes"]
        if other["dtypes"] != dtypes:
            dtypes += f" (Atlas inference: {other['dtypes']})"
        rows.append([operand["name"], dtypes, operand["shape"]])
    result = form["result"] + (
        f" (Atlas inference: {differs['result']})" if differs["result"] != form["result"] else ""
    )
    formula = "\n".join("    " + line for line in form["formula"].splitlines())
    rows.append(["result", result, ""])
    parts = [title + "\n", schemas(form["op"]) + "\n", formula + "\n", table(["operand", "dtype", "shape"], rows)]
    return "\n".join(parts)


def form_sections(tables: dict[str, dict]) -> str:
    a2, inference = (tables[product]["forms"] for product in PRODUCTS)
    sections = []
    for i, (form, other) in enumerate(zip(a2, inference, strict=True)):
        last_form = i + 1 == len(a2) or a2[i + 1]["op"] != form["op"]
        sections.append(form_section(form, other) + ("\n" + refusals(form["op"]) if last_form else ""))
    return "\n".join(sections)


def page() -> str:
    tables = {product: json.loads(torch.ops.a8w8.op_tables(product)) for product in PRODUCTS}
    text = TEMPLATE.read_text(encoding="utf-8")
    text = re.sub(r"\{schemas:(\w+)\}", lambda m: schemas(m[1]), text)
    text = re.sub(r"\{refusals:(\w+)\}\n?", lambda m: refusals(m[1]), text)
    return text.replace("{matmul_tables}", matmul_tables(tables)).replace("{forms}", form_sections(tables))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with docs/ops.md instead of writing it")
    check = parser.parse_args().check
    a8w8.set_product("atlas-a2")
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/ops.md is not up to date: run scripts/op_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
