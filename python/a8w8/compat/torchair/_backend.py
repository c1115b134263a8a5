"""The backend for torch.compile: the captured graph runs op by op, so results are the bits of eager mode."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torchair import _graph_dump
from torchair.configs.compiler_config import CompilerConfig
from torchair.core.utils import logger

_graph_numbers = itertools.count(1)


def get_npu_backend(
    *,
    compiler_config: CompilerConfig | None = None,
    custom_decompositions: Mapping[Any, Callable[..., Any]] | None = None,
) -> Callable[..., Any]:
    """A backend for `torch.compile(model, backend=...)`, with dynamic=True or False.

    Args:
        compiler_config: read at each compilation, so it may be changed after this call.
        custom_decompositions: ops to replace by Python functions while the graph is captured.
    """
    config = CompilerConfig() if compiler_config is None else compiler_config
    if not isinstance(config, CompilerConfig):
        raise TypeError(f"compiler_config is a {type(config).__name__}, allowed: a CompilerConfig or None")

    def npu_backend(graph: torch.fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
        from torch._dynamo.backends.common import aot_autograd  # seconds to import

        compile_graph = functools.partial(_compile_graph, config=config)
        backend = aot_autograd(fw_compiler=compile_graph, decompositions=dict(custom_decompositions or {}))
        return backend(graph, example_inputs)

    return npu_backend


def _compile_graph(
    graph: torch.fx.GraphModule, example_inputs: Sequence[Any], config: CompilerConfig
) -> Callable[..., Any]:
    from torch._functorch.aot_autograd import make_boxed_func

    name = f"graph_{next(_graph_numbers)}"
    logger.debug("%s:\n%s", name, graph.graph)
    dump = config.debug.graph_dump
    if dump.type is not None:
        path = _graph_dump.write(graph, name, dump.type, dump.path)
        logger.info("%s is written to %s", name, path)
    return make_boxed_func(graph.forward)
