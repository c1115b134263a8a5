"""Every place that takes a device takes an NPU, and means the CPU. In the style of the vendor's tests."""

import copy
import functools
import io
import pickle
import threading
import types
import unittest
import unittest.mock

import torch
import torch_npu
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch_npu.testing.testcase import TestCase, run_tests

CPU = torch.zeros(1).device
NPUS = ("npu", "npu:0", torch.device("npu"), torch.device("npu:0"), torch.device("npu", 0), torch.device("npu:3"))
INDICES, VALUES = torch.tensor([[0, 1], [1, 0]]), torch.ones(2)
CROW, COL = torch.tensor([0, 1, 2]), torch.tensor([0, 1])

# One call of each function: the arguments before `device`.
CALLS = {
    "arange": (3,),
    "as_tensor": ([1],),
    "asarray": ([1],),
    "bartlett_window": (3,),
    "blackman_window": (3,),
    "empty": (3,),
    "empty_permuted": ((2, 3), (1, 0)),
    "empty_strided": ((2, 3), (3, 1)),
    "eye": (3,),
    "full": ((2,), 1.0),
    "hamming_window": (3,),
    "hann_window": (3,),
    "kaiser_window": (3,),
    "linspace": (0, 1, 3),
    "logspace": (0, 1, 3),
    "normal": (0.0, 1.0, (2,)),
    "ones": (3,),
    "rand": (3,),
    "randint": (5, (3,)),
    "randn": (3,),
    "randperm": (3,),
    "scalar_tensor": (3,),
    "sparse_coo_tensor": (INDICES, VALUES, (2, 2)),
    "sparse_csc_tensor": (CROW, COL, VALUES, (2, 2)),
    "sparse_csr_tensor": (CROW, COL, VALUES, (2, 2)),
    "tensor": ([1],),
    "tril_indices": (2, 2),
    "triu_indices": (2, 2),
    "zeros": (3,),
}
BLOCKS = (CROW, COL, torch.ones(2, 1, 1), (2, 2))
SIZES = {"full_like": (1,), "randint_like": (5,)}
LIKE = "empty_like full_like ones_like rand_like randint_like randn_like zeros_like".split()
METHODS = {
    "new": (),
    "new_empty": ((2,),),
    "new_empty_strided": ((2,), (1,)),
    "new_full": ((2,), 1.0),
    "new_ones": ((2,),),
    "new_tensor": ([1.0],),
    "new_zeros": ((2,),),
}
# Functions with a device that make no sense with one here.
LEFT_OUT = {"pin_memory", "is_pinned", "Generator", "to"}


def calls(tensor):
    """Everything that makes a tensor on a device, by name, with `device` still to be given."""
    for name, arguments in CALLS.items():
        yield name, functools.partial(getattr(torch, name), *arguments)
    for name in LIKE:
        yield name, functools.partial(getattr(torch, name), tensor, *SIZES.get(name, ()))
    for name, arguments in METHODS.items():
        yield name, functools.partial(getattr(tensor, name), *arguments)
    yield "range", functools.partial(torch.range, 0, 2)
    yield "fft.fftfreq", functools.partial(torch.fft.fftfreq, 3)
    yield "fft.rfftfreq", functools.partial(torch.fft.rfftfreq, 3)


class TestFactories(TestCase):
    def test_each_takes_each_way_to_say_npu(self):
        for name, call in calls(torch.ones(2)):
            for device in NPUS:
                with self.subTest(name, device=device):
                    self.assertEqual(call(device=device).device, CPU)

    def test_block_sparse_nested_quantized_and_file(self):
        for name in ("sparse_bsr_tensor", "sparse_bsc_tensor"):
            self.assertEqual(getattr(torch, name)(*BLOCKS, device="npu").device, CPU)
        compressed = torch.sparse_compressed_tensor(CROW, COL, VALUES, (2, 2), layout=torch.sparse_csr, device="npu")
        self.assertEqual(compressed.device, CPU)
        self.assertEqual(torch.nested.nested_tensor([torch.ones(2)], device="npu").device, CPU)
        self.assertEqual(torch.nested.as_nested_tensor([torch.ones(2)], device="npu").device, CPU)
        quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
        self.assertEqual(torch.empty_quantized((2,), quantized, device="npu").device, CPU)

    def test_no_function_of_pytorch_is_forgotten(self):
        with_device = {
            schema.name.removeprefix("aten::")
            for schema in torch._C._jit_get_all_schemas()
            if schema.name.startswith("aten::") and any(argument.name == "device" for argument in schema.arguments)
        }
        replaced = {
            name.split(".")[-1]
            for owner in (torch, torch.fft, torch.Tensor)
            for name, function in vars(owner).items()
            if isinstance(function, types.FunctionType) and "a8w8" in function.__code__.co_filename
        }
        public = {name.removeprefix("fft_") for name in with_device if not name.startswith("_")}
        self.assertEqual(sorted(public - LEFT_OUT - replaced), [])

    def test_default_device(self):
        with torch.device("npu:0"):
            self.assertEqual(torch.zeros(2).device, CPU)
        try:
            torch.set_default_device("npu")
            self.assertEqual(torch.zeros(2).device, CPU)
        finally:
            torch.set_default_device(None)

    def test_other_devices_stay_other_devices(self):
        self.assertEqual(torch.zeros(2, device="meta").device.type, "meta")
        with torch.device("meta"):
            self.assertEqual(torch.zeros(2).device.type, "meta")
            self.assertEqual(torch.zeros(2, device="npu").device, CPU)
        for wrong in ("npux", "npu:", "npu:x", "npu:-1"):
            with self.assertRaisesRegex(RuntimeError, "device"):
                torch.zeros(2, device=wrong)

    def test_in_another_thread(self):
        devices = []
        thread = threading.Thread(target=lambda: devices.append(torch.zeros(2, device="npu").device))
        thread.start()
        thread.join()
        self.assertEqual(devices, [CPU])

    def test_under_fake_tensor_mode(self):
        with FakeTensorMode():
            tensor = torch.ones(2)
            for name, call in calls(tensor):
                if name.startswith("sparse") or name == "new":
                    continue  # FakeTensorMode has none
                with self.subTest(name):
                    self.assertEqual(call(device="npu").device, CPU)
            for moved in (tensor.npu(), tensor.to("npu"), tensor.to(torch.device("npu:0")), tensor.to(device="npu")):
                self.assertIsInstance(moved, torch._subclasses.FakeTensor)
                self.assertEqual(moved.device, CPU)
            self.assertTrue(tensor.is_npu)
            self.assertEqual(nn.Linear(2, 3, device="npu").npu().weight.device, CPU)


class TestTensorsAndModules(TestCase):
    def test_npu_is_the_same_object(self):
        tensor, module = torch.ones(2), nn.Linear(2, 3)
        self.assertIs(tensor.npu(), tensor)
        self.assertIs(tensor.npu(0, non_blocking=True), tensor)
        self.assertIs(module.npu(), module)
        self.assertIs(module.npu(0), module)
        self.assertIs(tensor.cpu(), tensor)
        self.assertTrue(tensor.is_npu)
        self.assertFalse(torch.ones(2, device="meta").is_npu)

    def test_to(self):
        tensor = torch.ones(2)
        for device in NPUS:
            self.assertIs(tensor.to(device), tensor)
            self.assertEqual(tensor.to(device, torch.float16).dtype, torch.float16)
            self.assertEqual(tensor.to(device=device, dtype=torch.int8).dtype, torch.int8)
            self.assertIsNot(tensor.to(device, copy=True), tensor)
        self.assertEqual(torch.Tensor.to(tensor, "npu").device, CPU)
        self.assertEqual(nn.Parameter(tensor).to("npu:0").device, CPU)

    def test_modules(self):
        for device in NPUS:
            linear = nn.Linear(2, 3, device=device, dtype=torch.float16)
            self.assertEqual(linear.weight.device, CPU)
            self.assertIs(linear.to(device), linear)
            self.assertEqual(linear.to(device, torch.float32).weight.dtype, torch.float32)
            self.assertEqual(linear.to(device=device, dtype=torch.float64).weight.dtype, torch.float64)
            self.assertEqual(nn.Linear(2, 3, device="meta").to_empty(device=device).weight.device, CPU)
        self.assertEqual(
            nn.Sequential(nn.LSTM(2, 3, device="npu"), nn.LayerNorm(3)).to("npu")[0].all_weights[0][0].device, CPU
        )

    def test_generator(self):
        one, other = torch.Generator(device="npu").manual_seed(5), torch.Generator("npu:0").manual_seed(5)
        self.assertEqual(torch.rand(3, generator=one, device="npu"), torch.rand(3, generator=other))
        self.assertIsInstance(torch.default_generator, torch.Generator)
        self.assertEqual(torch.Generator().device, CPU)

    def test_load(self):
        saved = io.BytesIO()
        torch.save({"weight": torch.arange(3), "device": torch.device("npu")}, saved)
        for place in ("npu", "npu:0", torch.device("npu:0"), {"cpu": "npu:0"}, None):
            saved.seek(0)
            loaded = torch.load(saved, map_location=place)
            self.assertEqual(loaded["weight"], torch.arange(3))
            self.assertEqual(loaded["weight"].device, CPU)
            self.assertEqual(loaded["device"], CPU)

    def test_load_what_an_npu_saved(self):
        saved = io.BytesIO()
        with unittest.mock.patch("torch.serialization.location_tag", lambda storage: "npu:5"):
            torch.save(torch.arange(3), saved)
        saved.seek(0)
        self.assertEqual(torch.load(saved), torch.arange(3))

    def test_load_what_an_old_npu_saved(self):
        class OldTensor:
            def __reduce__(self):
                storage = torch.arange(6.0)._typed_storage()
                arguments = (storage, 0, torch.Size([2, 3]), (3, 1), False, {}, 29)
                return torch_npu.utils.storage._rebuild_npu_tensor, arguments

        saved = io.BytesIO()
        torch.save(OldTensor(), saved)
        saved.seek(0)
        loaded = torch.load(saved, weights_only=True)
        self.assertEqual(torch_npu.get_npu_format(loaded), torch_npu.Format.FRACTAL_NZ)
        self.assertEqual(torch_npu.npu_format_cast(loaded, 2), torch.arange(6.0).reshape(2, 3))


class TestDeviceClass(TestCase):
    """torch.device is not PyTorch's own class any more; nothing shows it."""

    def test_instances_are_real(self):
        device = torch.device("npu:0")
        self.assertEqual(device, CPU)
        self.assertEqual(repr(device), "device(type='cpu')")
        self.assertEqual(torch.device("cpu"), CPU)
        self.assertEqual(torch.device("cuda", 1).index, 1)
        self.assertEqual(torch.device(type="npu", index=0), CPU)
        self.assertEqual(torch.device(device), CPU)
        with self.assertRaises(RuntimeError):
            torch.device("nonsense")

    def test_class_behaves_as_the_real_one(self):
        real = type(CPU)
        self.assertIsInstance(CPU, torch.device)
        self.assertNotIsInstance("npu", torch.device)
        self.assertTrue(issubclass(real, torch.device) and issubclass(torch.device, torch.device))
        self.assertFalse(issubclass(str, torch.device))
        self.assertTrue(real == torch.device and torch.device == real)
        self.assertEqual(len({real, torch.device, str}), 2)
        self.assertIsInstance(CPU, torch.device | str)
        self.assertEqual(repr(torch.device), "<class 'torch.device'>")
        self.assertIs(torch.device.type, real.type)
        self.assertIs(pickle.loads(pickle.dumps(torch.device)), torch.device)

    def test_copies(self):
        self.assertEqual(pickle.loads(pickle.dumps(CPU)), CPU)
        self.assertEqual(copy.deepcopy({"device": torch.device("npu")}), {"device": CPU})

    def test_annotations(self):
        @torch.library.custom_op("a8w8_scripts::on", mutates_args=())
        def on(x: torch.Tensor, device: torch.device) -> torch.Tensor:
            return x.to(device) + 1

        self.assertEqual(on(torch.ones(2), torch.device("npu")), torch.full((2,), 2.0))

        @functools.singledispatch
        def kind(value):
            return "other"

        @kind.register(torch.device)
        def _(value):
            return "device"

        self.assertEqual(kind(CPU), "device")

    def test_torchscript(self):
        def make(x: torch.Tensor, device: torch.device) -> torch.Tensor:
            return (
                torch.zeros([2], device=device) + torch.ones_like(x).to(device) + torch.rand([1], device=x.device) * 0
            )

        self.assertEqual(torch.jit.script(make)(torch.ones(2), torch.device("npu")), torch.ones(2))

    def test_functions_keep_their_names(self):
        for function in (torch.zeros, torch.Tensor.new_zeros, torch.Tensor.to, torch.fft.fftfreq):
            self.assertIs(pickle.loads(pickle.dumps(function)), function)
        self.assertIn("zeros", torch.zeros.__doc__)
        graph = torch.fx.symbolic_trace(lambda x: torch.zeros_like(x, device="npu") + torch.zeros(2, device="npu"))
        self.assertEqual(graph(torch.ones(2)), torch.zeros(2))


if __name__ == "__main__":
    run_tests()
