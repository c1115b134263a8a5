"""torch.compile takes functions that name NPUs as one graph, which computes what eager mode does."""

import importlib
import itertools
import sys

import torch
import torch_npu
import torchair
from torch import nn
from torch_npu.testing.testcase import TestCase, run_tests

DYNAMO_FIRST = "torch._dynamo" in sys.modules  # before PyTorch was made to know NPUs
SAID_FIRST = "--dynamo-first" in sys.argv
BACKENDS = {"eager": "eager", "torchair": torchair.get_npu_backend()}  # the latter works as aot_eager does
if SAID_FIRST:  # the order matters for capturing graphs, not for what happens to them
    del BACKENDS["torchair"]
X = torch.arange(6.0).reshape(2, 3)


class Fresh(nn.Module):
    """Makes tensors in its forward, in all the ways."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3, device="npu")

    def forward(self, x):
        device = torch.device("npu:0")
        x = self.linear(x.npu()).to("npu").to(device).to(device="npu:0", dtype=torch.float32)
        ones = torch.ones(x.shape[0], 1, device="npu") + torch.zeros(1, x.size(1), device=x.device)
        filled = torch.full_like(x, 2.0, device=device) + x.new_zeros(x.shape, device=torch.device("npu", 0))
        counted = torch.arange(x.shape[1], device="npu", dtype=torch.float32) + torch.tensor([1.0], device="npu:0")
        return (x * 2).npu() + ones + filled + counted + x.new_tensor([0.5], device="npu")


def asks_about_devices(x):
    doubled = x * 2
    if x.is_npu and doubled.is_npu and isinstance(x.device, torch.device) and doubled.device == torch.device("npu"):
        return torch.Tensor.to(doubled, "npu") + 1
    return x


def quantizes(x):
    quantized, scale = torch_npu.npu_dynamic_quant(x.to("npu"))
    weight = torch.ones(3, 4, dtype=torch.int8, device="npu")
    torch.npu.synchronize()
    return torch_npu.npu_quant_matmul(
        quantized, weight, torch.ones(4, device="npu"), pertoken_scale=scale, output_dtype=torch.float16
    )


class TestCompiled(TestCase):
    def test_one_graph_same_bits(self):
        for function, (name, backend), dynamic in itertools.product(
            (Fresh(), asks_about_devices, quantizes, lambda x: x.npu()),
            BACKENDS.items(),
            (True, False),
        ):
            with self.subTest(function=function, backend=name, dynamic=dynamic), torch.no_grad():
                torch._dynamo.reset()
                compiled = torch.compile(function, backend=backend, dynamic=dynamic, fullgraph=True)
                for x in (X, torch.cat([X, X])):
                    self.assertTrue(torch.equal(compiled(x), function(x)))

    def test_inductor(self):
        torch._dynamo.reset()
        self.assertTrue(torch.equal(torch.compile(quantizes, fullgraph=True)(X), quantizes(X)))

    def test_default_device_around_a_graph(self):
        def make(x):
            return torch.zeros(x.shape[0]), torch.zeros(1, device="npu")

        torch._dynamo.reset()
        with torch.device("meta"):
            default, explicit = torch.compile(make, backend="eager", fullgraph=True)(X)
        self.assertEqual(default.device.type, "meta")
        self.assertEqual(explicit.device.type, "cpu")

    def test_gradients(self):
        def loss(x):
            return (x.npu() * torch.ones_like(x, device="npu")).square().sum()

        for backend in BACKENDS.values():
            torch._dynamo.reset()
            x = X.clone().requires_grad_()
            torch.compile(loss, backend=backend, fullgraph=True)(x).backward()
            self.assertTrue(torch.equal(x.grad, 2 * X))

    def test_functions_of_pytorch_themselves(self):
        torch._dynamo.reset()
        self.assertEqual(torch.compile(torch.zeros_like, backend="eager")(X, device="npu"), torch.zeros_like(X))
        self.assertEqual(torch.vmap(lambda x: x.new_zeros(3, device="npu").to("npu") + x)(X), X)

    def test_no_graphs_of_their_own_for_what_takes_a_device(self):
        @torch._dynamo.disable(recursive=False)
        def outside(x):
            return torch.zeros_like(x, device="npu").to("npu")

        torch._dynamo.reset()
        counter = importlib.import_module("torch._dynamo.testing").CompileCounter()
        torch.compile(lambda x: outside(x * 2) + 1, backend=counter)(X)
        self.assertEqual(counter.frame_count, 2)  # before and after

    def test_export(self):
        program = torch.export.export(Fresh(), (X,))
        self.assertTrue(torch.equal(program.module()(X), program.module()(X)))
        devices = {
            value for node in program.graph.nodes for value in node.kwargs.values() if isinstance(value, torch.device)
        }
        self.assertEqual({device.type for device in devices}, {"cpu"})

    def test_dynamo_was_loaded_when_the_caller_says(self):
        self.assertEqual(DYNAMO_FIRST, SAID_FIRST)


if __name__ == "__main__":
    if SAID_FIRST:
        sys.argv.remove("--dynamo-first")
    run_tests()
