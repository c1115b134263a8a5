"""The names of torch_npu and torchair: which are there, which are the same object, and what the others say."""

import contextlib
import importlib
import logging
import sys
import unittest

import a8w8
import torch
import torch_npu
import torchair
from torch_npu.contrib import LinearQuant
from torch_npu.testing.common_utils import SupportedDevices, create_common_tensor, get_npu_device
from torch_npu.testing.testcase import TestCase, run_tests


@contextlib.contextmanager
def product(name):
    before = a8w8.product()
    a8w8.set_product(name)
    try:
        yield
    finally:
        a8w8.set_product(before)


class TestNames(TestCase):
    def test_ops_are_those_of_torch_ops(self):
        for name in """npu_quant_matmul npu_trans_quant_param npu_quantize npu_dynamic_quant npu_format_cast
                       npu_format_cast_ _npu_format_cast npu_convert_weight_to_int4pack""".split():
            self.assertIs(getattr(torch_npu, name), getattr(torch.ops.npu, name))
            self.assertIn(name, dir(torch_npu))

    def test_constants_and_version(self):
        numbers = [getattr(torch_npu, f"float4_{kind}_x2") for kind in ("e2m1fn", "e1m2fn")]
        self.assertEqual(
            [torch_npu.int4, torch_npu.hifloat8, torch_npu.float8_e8m0fnu, *numbers], [285, 290, 293, 296, 297]
        )
        self.assertEqual(torch_npu.__version__.partition("+")[0], torch.__version__.partition("+")[0])

    def test_modules_are_ours(self):
        contrib = importlib.import_module("torch_npu.contrib.module")
        self.assertIs(LinearQuant, a8w8.nn.LinearQuant)
        self.assertIs(contrib.LinearA8W8Quant, a8w8.nn.LinearA8W8Quant)
        self.assertIs(contrib.linear_quant.LinearQuant, LinearQuant)
        self.assertIs(contrib.linear_a8w8_quant.LinearA8W8Quant, torch_npu.contrib.LinearA8W8Quant)

    def test_one_module_under_several_names(self):
        self.assertIs(torch.npu, torch_npu.npu)
        self.assertIs(importlib.import_module("torch.npu"), importlib.import_module("torch_npu.npu"))
        self.assertIs(torch_npu.dynamo.torchair, torchair)
        for name in ("", ".configs", ".configs.compiler_config", ".experimental.inference", ".core.utils"):
            alias = importlib.import_module(f"torch_npu.dynamo.torchair{name}")
            self.assertIs(alias, importlib.import_module(f"torchair{name}"))
            self.assertEqual(alias.__spec__.name, f"torchair{name}")
        from torch_npu.dynamo.torchair.configs.compiler_config import CompilerConfig

        self.assertIs(CompilerConfig, torchair.CompilerConfig)

    def test_unknown_names_are_refused(self):
        for module in """torch_npu torch_npu.npu torch_npu._C torch_npu.contrib torch_npu.contrib.module torch_npu.utils
                         torch_npu.testing.common_utils torch_npu.dynamo torchair torchair.configs
                         torchair.ge_concrete_graph.ge_apis torchair.experimental.inference""".split():
            with self.assertRaisesRegex(
                AttributeError, f"module '{module}' has no attribute 'absent'.*quantized linear"
            ):
                importlib.import_module(module).absent  # noqa: B018
            with self.assertRaisesRegex(ImportError, "absent"):
                exec(f"from {module} import absent")
        with self.assertRaisesRegex(ImportError, "npu_weight_quant_batchmatmul.*quantized linear family"):
            from torch_npu import npu_weight_quant_batchmatmul  # noqa: F401
        with self.assertRaisesRegex(ModuleNotFoundError, "torch_npu.optim.*quantized linear family"):
            importlib.import_module("torch_npu.optim")
        self.assertFalse(hasattr(torch_npu, "npu_rms_norm"))

    def test_what_transformers_imports_is_refused_when_called(self):
        from torch_npu import npu_fusion_attention

        with self.assertRaisesRegex(RuntimeError, "npu_fusion_attention does not run here"):
            npu_fusion_attention(torch.ones(2))

    def test_installing_again_changes_nothing(self):
        before = torch.zeros, torch.device, torch.Tensor.to, len(sys.meta_path)
        self.assertTrue(a8w8.compat.install())
        self.assertEqual(before == (torch.zeros, torch.device, torch.Tensor.to, len(sys.meta_path)), True)


class TestNpu(TestCase):
    def test_one_device(self):
        self.assertTrue(torch.npu.is_available() and torch.npu.is_initialized())
        self.assertEqual((torch.npu.device_count(), torch.npu.current_device()), (1, 0))
        for device in (0, 3, "npu", "npu:1", torch.device("npu:0")):
            torch.npu.set_device(device)
            torch.npu.synchronize(device)
        for wrong in (-1, "cuda", "npux", 1.5, True):
            with self.assertRaisesRegex(ValueError, "allowed"):
                torch.npu.set_device(wrong)
        torch_npu.npu.set_compile_mode(jit_compile=True)
        torch.npu.empty_cache()

    def test_name_tells_the_product(self):
        with product("atlas-a2"):
            self.assertEqual(torch_npu.npu.get_device_name(0)[:10], "Ascend910B")
        with product("atlas-inference"):
            self.assertEqual(torch_npu.npu.get_device_name()[:10], "Ascend310P")

    def test_seed(self):
        torch.npu.manual_seed(3)
        first = torch.rand(4, device="npu")
        torch.npu.manual_seed_all(3)
        self.assertEqual(first, torch.rand(4))

    def test_config(self):
        torch_npu.npu.config.allow_internal_format = False
        self.assertFalse(torch.npu.config.allow_internal_format)
        torch.npu.config.allow_internal_format = True
        with self.assertRaises(AttributeError):
            torch.npu.config.allow_internal_formats = True


class TestFormats(TestCase):
    def test_names(self):
        self.assertEqual(str(torch_npu.Format.FRACTAL_NZ), "FRACTAL_NZ")
        self.assertEqual(torch_npu.Format.FRACTAL_NZ, 29)
        for shape, name in (((2, 3), "ND"), ((2, 3, 4, 5), "NCHW"), ((1, 2, 3, 4, 5), "NCDHW")):
            self.assertIs(torch_npu.get_npu_format(torch.ones(shape, device="npu")), torch_npu.Format[name])

    def test_weak_ref_is_the_same_memory(self):
        for tensor in (torch.arange(24.0).reshape(4, 6)[1:, ::2].t(), torch.ones(3, dtype=torch.int8), torch.ones(())):
            alias = torch_npu._C._weak_ref_tensor(tensor)
            self.assertEqual(alias.data_ptr(), tensor.data_ptr())
            self.assertEqual(
                (alias.size(), alias.stride(), alias.dtype), (tensor.size(), tensor.stride(), tensor.dtype)
            )
            alias.add_(1)
            self.assertTrue(torch.equal(alias, tensor))


class TestTorchair(TestCase):
    def test_config_takes_options_and_their_values(self):
        config = torchair.CompilerConfig()
        config.debug.graph_dump.type = "pbtxt"
        config.mode = "reduce-overhead"
        config.experimental_config.frozen_parameter = True
        config.experimental_config.static_model_ops_lower_limit = -1
        config.ge_config.oo_level = "O1"
        self.assertEqual(config.debug.graph_dump.type, "pbtxt")
        self.assertIsNone(torchair.CompilerConfig().debug.graph_dump.type)

    def test_config_refuses_the_rest(self):
        config = torchair.CompilerConfig()
        for set_option in ("config.debg = 1", "config.debug = None", "config.debug.graph_dump.kind = 'py'"):
            with self.assertRaisesRegex(AttributeError, "has no option"):
                exec(set_option)
        with self.assertRaisesRegex(AttributeError, "dump_config"):
            config.dump_config.enable_dump = True
        for set_value in ("config.debug.graph_dump.type = 'pdf'", "config.mode = 'fast'", "config.mode = None"):
            with self.assertRaisesRegex(ValueError, "allowed: .*(pbtxt|max-autotune)"):
                exec(set_value)
        with self.assertRaisesRegex(TypeError, "CompilerConfig"):
            torchair.get_npu_backend(compiler_config={})

    def test_logger(self):
        from torchair.core.utils import logger

        self.assertIsInstance(logger, logging.Logger)
        self.assertIs(torchair.logger, logger)


class TestTesting(TestCase):
    def fails(self, pattern, assertion, *arguments, **options):
        with self.assertRaisesRegex(AssertionError, pattern):
            assertion(*arguments, **options)

    def test_rtol_counts_misses_of_both_bounds(self):
        x = torch.ones(1000)
        y = x.clone()
        y[:100] += 0.05  # within neither bound
        self.fails("100 differ", self.assertRtolEqual, x, y, 0.01)
        self.assertRtolEqual(x, y, 0.1)
        y = x.clone()
        y[:10] += 5  # 10 of 1000 are not more than the hundredth part
        self.assertRtolEqual(x, y, 0.01)
        self.assertRtolEqual(x * 1e6, x * 1e6 + 5, 0.01)  # relatively
        self.assertRtolEqual(x * 1e-6, x * 1e-7, 0.01)  # absolutely

    def test_rtol_compares_shapes_dtypes_and_kinds(self):
        self.fails("shapes", self.assertRtolEqual, torch.ones(2), torch.ones(3))
        self.fails("dtypes", self.assertRtolEqual, torch.ones(2), torch.ones(2, dtype=torch.float64))
        self.assertRtolEqual(torch.ones(2), torch.ones(2, dtype=torch.float64), auto_trans_dtype=True)
        self.assertRtolEqual(torch.ones(2).numpy(), torch.ones(2))
        self.assertRtolEqual([1, 2.0, torch.ones(2)], [1, 2.0, torch.ones(2)])
        self.assertRtolEqual(torch.ones(2), [1, 1])
        self.assertRtolEqual(1.0, 1.00001)
        self.fails("differ", self.assertRtolEqual, 1.0, 1.1)
        self.fails(
            "differ", self.assertRtolEqual, torch.tensor([0], dtype=torch.uint8), torch.tensor([255], dtype=torch.uint8)
        )
        self.fails("NaN", self.assertRtolEqual, torch.tensor([1.0]), torch.tensor([float("nan")]))
        self.fails("booleans", self.assertRtolEqual, torch.tensor([True]), torch.tensor([False]))
        self.fails("bfloat16", self.assertRtolEqual, torch.ones(2).bfloat16(), torch.ones(2).bfloat16() * 1.02)
        self.fails("here: ", self.assertRtolEqual, 1.0, 2.0, message="here")

    def test_equal(self):
        self.assertEqual(torch.ones(2), torch.ones(2) + 1e-6)
        self.assertEqual(torch.ones(2).size(), (2,))
        self.assertEqual({"a": [torch.ones(2), 1]}, {"a": (torch.ones(2).numpy(), 1.0)})
        self.assertEqual(torch_npu.Format.ND, 2)
        self.fails("2 of 2 elements", self.assertEqual, torch.ones(2), torch.zeros(2))
        self.fails("infinit", self.assertEqual, float("inf"), float("inf"))
        self.assertEqual(float("inf"), float("inf"), allow_inf=True)
        self.fails("float64", self.assertEqual, torch.ones(2), torch.ones(2).double(), exact_dtype=True)
        self.fails("text", self.assertEqual, "a", "b", "text")

    def test_common_tensors(self):
        import numpy as np

        for format_number in (-1, 2, 29):
            cpu, npu = create_common_tensor([np.float16, format_number, (4, 5)], -2, 3)
            self.assertEqual((cpu.dtype, cpu.shape, npu.shape), (torch.float16, (4, 5), (4, 5)))
            self.assertEqual(cpu, torch_npu.npu_format_cast(npu, 2))
            self.assertTrue(-2 <= cpu.min() and cpu.max() <= 3)
            if format_number != -1:
                self.assertEqual(torch_npu.get_npu_format(npu), format_number)
        self.assertEqual(get_npu_device(), "npu:0")
        self.assertEqual(self.npu_device, "npu:0")

    def test_supported_devices(self):
        @SupportedDevices(["Ascend910B", "Ascend910_93"])
        def test_for_a2():
            return "ran"

        with product("atlas-a2"):
            self.assertEqual(test_for_a2(), "ran")
        with product("atlas-inference"), self.assertRaisesRegex(unittest.SkipTest, "Ascend910_93; this is Ascend310P"):
            test_for_a2()


if __name__ == "__main__":
    run_tests()
