"""Writes a captured graph to a file, in the formats that `config.debug.graph_dump.type` names."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import fx


def write(graph: fx.GraphModule, name: str, kind: str, folder: str | os.PathLike[str] | None) -> Path:
    """Writes the graph and returns the path, which has torchair's pattern.

    Args:
        graph: what AOT autograd captured: ops of `torch.ops` only.
        name: "graph_1", and so on.
        kind: "txt", FX's listing of the nodes; "py", FX's Python code; "pbtxt", a GraphDef for graph viewers.
        folder: an existing one; the current one if it is None.
    """
    moment = time.strftime("%Y%m%d%H%M%S") + f"{time.time_ns() // 1000 % 1_000_000:06}"
    path = Path(folder or ".") / f"dynamo_original_{name}_rank_0_pid_{os.getpid()}_ts_{moment}.{kind}"
    path.write_text(_FORMATS[kind](graph), encoding="utf-8")
    return path


def _python(graph: fx.GraphModule) -> str:
    return graph.print_readable(print_output=False)


def _listing(graph: fx.GraphModule) -> str:
    return f"{graph.graph}\n"


def _graph_def(graph: fx.GraphModule) -> str:
    """Inputs of a node are its tensors; other arguments, and the shape of its result, are attributes."""
    return "\n".join(line for node in graph.graph.nodes for line in _graph_def_node(node)) + "\n"


def _graph_def_node(node: fx.Node) -> Iterator[str]:
    yield "node {"
    yield f"  name: {json.dumps(node.name)}"
    yield f"  op: {json.dumps(str(node.target) if node.op == 'call_function' else node.op)}"
    for source in node.all_input_nodes:
        yield f"  input: {json.dumps(source.name)}"
    named = {**{f"arg{index}": value for index, value in enumerate(node.args)}, **node.kwargs}
    for name, value in named.items():
        if not isinstance(value, fx.Node):
            yield from _attribute(name, value)
    if "val" in node.meta:
        yield from _attribute("result", node.meta["val"])
    yield "}"


def _attribute(name: str, value: Any) -> Iterator[str]:
    yield f"  attr {{ key: {json.dumps(name)} value {{ s: {json.dumps(_describe(value))} }} }}"


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{[str(size) for size in value.shape]}".replace("'", "")
    return str(value)


_FORMATS = {"txt": _listing, "py": _python, "pbtxt": _graph_def}
