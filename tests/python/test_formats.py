"""FRACTAL_NZ on CPU tensors: what a cast keeps, where the format is remembered, and the bytes it stands for."""

import copy
import io
import pickle

import numpy as np
import oracle
import pytest
import torch
from a8w8 import nn, ops
from op_support import assert_same_bits

NPU = torch.ops.npu
ND, NCHW, NHWC, NCDHW, NZ = 2, 0, 1, 30, 29
DTYPES = (torch.int8, torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.int32, torch.int64)


def some(shape, dtype=torch.int8):
    return torch.randint(0, 100, shape).to(dtype)


def nz_bytes(shape, c0, size):
    return int(np.prod(oracle.nz_shape(shape, c0))) * size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (15, 17), (16, 32), (3, 15, 33), (2, 2, 4, 4)])
def test_a_cast_changes_nothing_but_format_and_storage_size(dtype, shape):
    x = some(shape, dtype)
    blocks = NPU.npu_format_cast(x, NZ)
    c0 = 32 if x.element_size() == 1 else 16
    assert NPU.get_npu_format(blocks) == NZ
    assert (blocks.shape, blocks.stride(), blocks.dtype) == (x.shape, x.stride(), x.dtype)
    assert torch.equal(blocks, x)
    assert blocks.untyped_storage().size() == nz_bytes(shape, c0, x.element_size())
    back = NPU.npu_format_cast(blocks, ND)
    assert NPU.get_npu_format(back) == ND and torch.equal(back, x)
    assert back.untyped_storage().size() == x.numel() * x.element_size()
    assert NPU.get_npu_format(x) == {4: NCHW}.get(x.dim(), ND)


def test_fresh_tensors_and_base_formats():
    assert [NPU.get_npu_format(torch.ones((2,) * rank)) for rank in range(7)] == [ND, ND, ND, ND, NCHW, NCDHW, ND]
    x = torch.ones(2, 2)
    assert NPU.get_npu_format(NPU.npu_format_cast(x, NCHW)) == NCHW
    assert NPU.get_npu_format(NPU.npu_format_cast(x, NHWC)) == NHWC
    assert NPU.get_npu_format(x) == ND
    assert NPU.get_npu_format(torch.ones(2, 2, 2, 2).view(4, 4)) == NCHW  # the storage's, not the view's


def test_a_cast_to_the_current_format_is_the_tensor_itself():
    x = some((4, 8))
    assert NPU.npu_format_cast(x, ND).data_ptr() == x.data_ptr()
    blocks = NPU.npu_format_cast(x, NZ)
    assert NPU.npu_format_cast(blocks, NZ).untyped_storage().data_ptr() == blocks.untyped_storage().data_ptr()
    assert NPU._npu_format_cast(blocks, NZ).data_ptr() != blocks.data_ptr()  # functional: always a copy


def test_scalars_and_vectors_stay_nd():
    for x in (torch.tensor(3.0), torch.ones(12)):
        assert NPU.get_npu_format(NPU.npu_format_cast(x, NZ)) == ND
    flat = some((32, 64)).view(-1)  # but this one lies in a matrix
    blocks = NPU.npu_format_cast(flat, NZ)
    assert NPU.get_npu_format(blocks) == NZ and torch.equal(blocks, flat)


@pytest.mark.parametrize(
    "view", [lambda x: x.t(), lambda x: x[:, ::2], lambda x: x[3:9], lambda x: x.expand(2, 16, 32)]
)
def test_views_are_cast_by_value(view):
    x = view(some((16, 32)))
    blocks = NPU.npu_format_cast(x, NZ)
    assert NPU.get_npu_format(blocks) == NZ and torch.equal(blocks, x) and blocks.shape == x.shape
    assert torch.equal(NPU.npu_format_cast(blocks, ND), x)


def test_gradients_pass_through():
    x = torch.rand(4, 8, requires_grad=True)
    for blocks in (
        NPU.npu_format_cast(x, NZ),
        NPU._npu_format_cast(x, NZ),
        NPU.npu_format_cast(x, ND),
        NPU.npu_format_cast(x, NPU.npu_format_cast(torch.ones(2, 2), NZ)),
    ):
        assert blocks.requires_grad
        x.grad = None
        (blocks * 3).sum().backward()
        assert torch.equal(x.grad, torch.full((4, 8), 3.0))


def test_customize_dtype_narrows_the_blocks_of_int32():
    x = some((15, 17), torch.int32)
    narrow = NPU.npu_format_cast(x, NZ, customize_dtype=torch.int32)
    assert narrow.untyped_storage().size() == nz_bytes((15, 17), 8, 4) == 1536
    assert NPU.npu_format_cast(x, NZ).untyped_storage().size() == nz_bytes((15, 17), 16, 4) == 2048
    assert NPU._npu_format_cast.aclnn(x, NZ, 3).untyped_storage().size() == 1536
    assert NPU._npu_format_cast.input_dtype(x, NZ, 3, 3).untyped_storage().size() == 1536
    assert_same_bits(ops.to_fractal_nz(narrow), oracle.to_fractal_nz(x.numpy(), 8), "int32")
    assert NPU.npu_format_cast(narrow, NZ).data_ptr() == narrow.data_ptr()


def test_the_format_of_another_tensor():
    x, blocks = some((8, 16)), NPU.npu_format_cast(some((2, 2)), NZ)
    assert NPU.get_npu_format(NPU.npu_format_cast(x, blocks)) == NZ
    assert NPU.get_npu_format(NPU.npu_format_cast(blocks, x)) == ND


def test_in_place():
    x = some((15, 17))
    expected, view, size = x.clone(), x[2:], x.untyped_storage().size()
    assert NPU.npu_format_cast_(x, NZ) is x
    assert NPU.get_npu_format(x) == NPU.get_npu_format(view) == NZ
    view.zero_()
    expected[2:] = 0
    assert torch.equal(x, expected)  # still one storage
    NPU.npu_format_cast_(x, ND)
    assert NPU.get_npu_format(x) == ND and torch.equal(x, expected)
    assert x.untyped_storage().size() == size
    before = x.untyped_storage().data_ptr()
    assert NPU.npu_format_cast_(x, ND).untyped_storage().data_ptr() == before
    blocks = NPU.npu_format_cast(torch.zeros(15, 17, dtype=torch.int8), NZ)
    NPU.npu_format_cast_(blocks, x)  # values of x, format of its own
    assert NPU.get_npu_format(blocks) == NZ and torch.equal(blocks, x)


@pytest.mark.parametrize("part", [lambda x: x[:2], lambda x: x[0], lambda x: x[0, 0], lambda x: x[:0], lambda x: x.t()])
@pytest.mark.parametrize("customize_dtype", [None, 3])
def test_in_place_keeps_what_others_look_at(part, customize_dtype):
    base = some((64, 64), torch.int32)
    expected, size = base.clone(), base.untyped_storage().size()
    for acl_format in (NZ, ND, NZ):
        NPU.npu_format_cast_(part(base), acl_format, customize_dtype=customize_dtype)
        assert torch.equal(base, expected) and base.untyped_storage().size() == size


def test_in_place_leaves_the_memory_where_it_is():
    x = torch.randn(64, 64)
    array, exported = x.numpy(), torch.from_dlpack(x)
    expected = x.clone()
    NPU.npu_format_cast_(x, NZ)
    _ = [torch.full((64, 64), 7.0) for _ in range(8)]  # what would overwrite freed memory
    assert np.array_equal(array, expected.numpy()) and torch.equal(exported, expected)
    array[0, 0] = 5
    assert x[0, 0] == 5
    NPU.npu_format_cast_(x, ND)
    assert np.shares_memory(x.numpy(), array)


def test_gradients_pass_through_in_place(recwarn):
    leaf = torch.rand(4, 8, requires_grad=True)
    x, source = leaf * 2, torch.rand(4, 8, requires_grad=True)
    (NPU.npu_format_cast_(x, NZ) * 3).sum().backward()
    assert torch.equal(leaf.grad, torch.full((4, 8), 6.0))
    y = torch.zeros(4, 8)
    (NPU.npu_format_cast_(y, source) * 3).sum().backward()
    assert torch.equal(source.grad, torch.full((4, 8), 3.0))
    assert not recwarn.list


def test_the_typed_forms_are_the_ops():
    x, other = some((4, 8)), some((4, 8))
    assert ops.format_cast_(x, NZ) is x and ops.get_npu_format(x) == NZ
    assert torch.equal(ops.format_cast_(x, other), other) and ops.get_npu_format(x) == NZ
    assert ops.get_npu_format(ops.format_cast(other, x)) == NZ


def test_in_place_keeps_what_other_views_look_at():
    base = some((4, 100))
    expected = base.clone()
    NPU.npu_format_cast_(base[1:2], NZ)
    assert torch.equal(base, expected)


def saved_and_loaded(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    buffer.seek(0)
    return torch.load(buffer, **options)


REMEMBERING = {
    "view": lambda t: t.view(33, 15).view(15, 33),
    "transpose": lambda t: t.t().t(),
    "slice": lambda t: t[:, :],
    "detach": lambda t: t.detach(),
    "data": lambda t: t.data,
    "clone": lambda t: t.clone(),
    "contiguous": lambda t: t.contiguous(),
    "parameter": lambda t: torch.nn.Parameter(t, requires_grad=False),
    "parameter data": lambda t: torch.nn.Parameter(t, requires_grad=False).data,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "deepcopy of parameter": lambda t: copy.deepcopy(torch.nn.Parameter(t, requires_grad=False)),
    "pickle": lambda t: pickle.loads(pickle.dumps(t)),
    "pickle of parameter": lambda t: pickle.loads(pickle.dumps(torch.nn.Parameter(t, requires_grad=False))),
    "torch.save": saved_and_loaded,
    "torch.save, all of pickle": lambda t: saved_and_loaded(t, weights_only=False),
}


@pytest.mark.parametrize("how", REMEMBERING)
def test_the_format_is_remembered(how):
    x = some((15, 33))
    result = REMEMBERING[how](NPU.npu_format_cast(x, NZ))
    assert NPU.get_npu_format(result) == NZ
    assert torch.equal(result.detach(), x)


def test_modules_remember():
    x = some((3, 33))
    layer = nn.LinearQuant(33, 15, bias=False, output_dtype=torch.float16)
    layer.weight.data, layer.scale.data = some((15, 33)), torch.rand(15)
    expected = layer(x)
    layer.weight.data = ops.format_cast(layer.weight.data, NZ)
    other = nn.LinearQuant(33, 15, bias=False, output_dtype=torch.float16)
    other.load_state_dict(saved_and_loaded(layer.state_dict()), assign=True)
    filled = copy.deepcopy(layer)
    filled.load_state_dict({name: t.clone() for name, t in layer.state_dict().items()})
    for module in (layer, copy.deepcopy(layer), other, filled, saved_and_loaded(layer, weights_only=False)):
        assert ops.get_npu_format(module.weight) == NZ
        assert ops.get_npu_format(module.weight.transpose(-2, -1)) == NZ
        assert torch.equal(module(x), expected)


def test_width_of_blocks_and_requires_grad_survive_pickling():
    narrow = NPU.npu_format_cast(some((15, 17), torch.int32), NZ, customize_dtype=3)
    for other in (pickle.loads(pickle.dumps(narrow)), copy.deepcopy(narrow), narrow.clone()):
        assert other.untyped_storage().size() == 1536
    blocks = NPU.npu_format_cast(torch.rand(4, 8), NZ).requires_grad_()
    assert pickle.loads(pickle.dumps(blocks)).requires_grad
    assert pickle.loads(pickle.dumps(torch.nn.Parameter(blocks.detach()))).requires_grad


def test_copies_share_what_originals_share():
    blocks = NPU.npu_format_cast(some((15, 33)), NZ)
    for first, second in (copy.deepcopy([blocks, blocks.t()]), saved_and_loaded([blocks, blocks.t()])):
        assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        assert first.untyped_storage().size() == blocks.untyped_storage().size()
        assert ops.get_npu_format(first) == ops.get_npu_format(second) == NZ
        assert torch.equal(first, second.t())
    blocks.note = "kept"
    assert pickle.loads(pickle.dumps(blocks)).note == "kept"
    plain = torch.rand(3, 4)
    first, second = pickle.loads(pickle.dumps([plain, plain]))
    assert first is second and torch.equal(first, plain)


@pytest.mark.parametrize("shape", [(1, 1), (15, 33), (3, 15, 17), (2, 2, 33, 70)])
@pytest.mark.parametrize("dtype", [torch.int8, torch.float16, torch.float32, torch.int32])
def test_the_bytes_are_the_oracles(shape, dtype):
    x = some(shape, dtype)
    expected = oracle.to_fractal_nz(x.numpy())
    for operand in (x, ops.format_cast(x, NZ), x.transpose(-1, -2).contiguous().transpose(-1, -2)):
        blocks = ops.to_fractal_nz(operand)
        assert torch.equal(blocks, torch.from_numpy(expected))
        assert torch.equal(ops.from_fractal_nz(blocks, shape), x)
    assert ops.to_fractal_nz(x.to("meta")).shape == expected.shape
    assert torch.equal(ops.to_fractal_nz(x, 64), torch.from_numpy(oracle.to_fractal_nz(x.numpy(), 64)))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_weights_in_blocks_give_the_same_results(transposed, batch):
    x1, scale = some((*batch, 5, 70)), torch.rand(40)
    stored = some((*batch, 40, 70) if transposed else (*batch, 70, 40))
    blocks = ops.format_cast(stored, NZ)
    if transposed:
        stored, blocks = stored.transpose(-1, -2), blocks.transpose(-1, -2)
    for output in (torch.int8, torch.float16, torch.bfloat16, torch.int32):
        assert torch.equal(
            ops.quant_matmul(x1, blocks, scale, output_dtype=output),
            ops.quant_matmul(x1, stored, scale, output_dtype=output),
        )


@pytest.mark.parametrize("acl_format", [3, 4, 12, 32, 33, 50, 54, -1, 99])
def test_other_formats_are_refused(acl_format):
    for x in (torch.ones(2, 2, 2, 2), torch.ones(2, 2, 2, 2, device="meta")):
        for cast in (NPU.npu_format_cast, NPU._npu_format_cast, NPU.npu_format_cast_):
            with pytest.raises(
                RuntimeError, match=rf"npu_format_cast: acl_format is {acl_format}, but must be FRACTAL_NZ"
            ):
                cast(x, acl_format)


@pytest.mark.parametrize(
    "x,options,message",
    [
        (torch.ones(2, 2), {"customize_dtype": 3}, "customize_dtype is 3 and the tensor Float"),
        (torch.ones(2, 2).int(), {"customize_dtype": 1}, "customize_dtype is 1 and the tensor Int, .* as int32"),
        (torch.ones(2, 2), {"input_dtype": 1}, "input_dtype is 1, but must be None or the dtype of the tensor, 6"),
        (torch.ones((1,) * 7), {}, "the tensor has 7 dimensions, but FRACTAL_NZ allows at most 6"),
    ],
)
def test_refusals(x, options, message):
    for operand in (x, x.to("meta")):
        with pytest.raises(RuntimeError, match="npu_format_cast: " + message):
            NPU.npu_format_cast(operand, NZ, **options)


def test_refusals_of_the_byte_functions():
    with pytest.raises(RuntimeError, match=r"from_fractal_nz: blocks has shape \(1, 1, 16, 32\)"):
        ops.from_fractal_nz(torch.zeros(1, 1, 16, 32), (15, 33))
    with pytest.raises(RuntimeError, match=r"to_fractal_nz: x has shape \(3,\)"):
        ops.to_fractal_nz(torch.zeros(3))
    with pytest.raises(RuntimeError, match="to_fractal_nz: c0 is -1"):
        ops.to_fractal_nz(torch.zeros(3, 3), -1)


def test_fake_tensors_have_the_sizes_of_the_copy():
    from torch._subclasses.fake_tensor import FakeTensorMode

    for x in (
        torch.rand(5, 6).t(),
        torch.rand(5, 6)[:, ::2],
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    ):
        torch.library.opcheck(NPU._npu_format_cast.default, (x, NZ))
        torch.library.opcheck(NPU.npu_format_cast.default, (x, NZ))
    with FakeTensorMode():
        x = torch.empty(15, 17, dtype=torch.int8)
        for blocks in (NPU._npu_format_cast(x, NZ), NPU.npu_format_cast(x, NZ), NPU.npu_format_cast_(x, NZ)):
            assert blocks.shape == (15, 17) and blocks.dtype == torch.int8
        assert NPU.get_npu_format(x) == ND
