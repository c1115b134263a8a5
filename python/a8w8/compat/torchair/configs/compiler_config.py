"""torchair.configs.compiler_config: the options of the backend."""

import os
from typing import Any

from torchair.configs._options import Option, Options

from a8w8.compat._refusal import refuse

__all__ = ["CompilerConfig"]
__getattr__ = refuse(__name__)


class CompilerConfig(Options):
    """Options of `get_npu_backend`.

    | option                        | here                                                                            |
    |-------------------------------|---------------------------------------------------------------------------------|
    | debug.graph_dump.type, .path  | each captured graph is written to a file: "txt", "py" or "pbtxt"; to the folder |
    | debug.run_eagerly             | the graph runs op by op either way                                              |
    | mode, experimental_config.*,  | checked and kept: they tell how to compile for the device and change no result  |
    | ge_config.*, inference_config |                                                                                 |

    Everything else is an AttributeError; a value that torchair does not take is a ValueError.
    """

    def __init__(self) -> None:
        super().__init__(
            "CompilerConfig",
            mode=Option("max-autotune", "reduce-overhead", "npugraph_ex"),
            debug=Options(
                "debug",
                graph_dump=Options(
                    "debug.graph_dump",
                    type=Option(None, "txt", "pbtxt", "py"),
                    path=Option(None, check=_is_path, allowed="the path of a folder"),
                ),
                run_eagerly=_switch(False),
            ),
            experimental_config=_experimental_config(),
            ge_config=_ge_config(),
            inference_config=Options("inference_config", dynamic_gears_merge_policy=Option("zip", "product")),
        )


def _experimental_config() -> Options:
    return Options(
        "experimental_config",
        cc_parallel_enable=_switch(False),
        enable_ref_data=_switch(False),
        enable_view_optimize=_switch(True),
        frozen_parameter=_switch(False),
        jit_compile=Option("auto"),
        keep_inference_input_mutations=_switch(True),
        memory_efficiency=_switch(False),
        npu_fx_pass=_switch(False),
        pattern_fusion_pass=_switch(True),
        remove_noop_ops=_switch(True),
        static_model_ops_lower_limit=Option(None, check=_is_limit, allowed="an integer, at least -1, or None"),
        tiling_schedule_optimize=_switch(False),
        topology_sorting_strategy=Option("DFS", "BFS", "RDFS", "StableRDFS"),
    )


def _ge_config() -> Options:
    return Options(
        "ge_config",
        enable_single_stream=_switch(False),
        oo_level=Option("O3", "O1"),
        oo_constant_folding=Option(None, True, False),
        oo_dead_code_elimination=Option(None, True, False),
    )


def _switch(default: bool) -> Option:
    return Option(default, not default)


def _is_path(value: Any) -> bool:
    return value is None or isinstance(value, (str, os.PathLike))


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, int) and value >= -1)
