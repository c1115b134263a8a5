"""torch_npu scripts and tests run as they are. What each checks is in `scripts/`."""

import re

from compat_support import SCRIPTS, run_python, run_script


def test_names_of_the_packages():
    run_script("surface.py")


def test_devices(tmp_path):
    (tmp_path / "torch_npu" / "somewhere").mkdir(parents=True)  # a folder of that name is not the package
    run_script("devices.py", path=str(tmp_path))


def test_torch_compile():
    run_script("compiled.py")


def test_torch_compile_loaded_before(tmp_path):
    """Its tables then hold PyTorch's own functions rather than those that take an NPU."""
    tests = "one_graph_same_bits default_device_around_a_graph dynamo_was_loaded_when_the_caller_says".split()
    program = f"""
import runpy, sys, torch._dynamo
torch._dynamo.trace_rules.get_torch_obj_rule_map()
import a8w8.compat
assert a8w8.compat.install()
sys.argv[:] = {["compiled.py", "--dynamo-first", *(f"TestCompiled.test_{test}" for test in tests)]}
runpy.run_path({str(SCRIPTS / "compiled.py")!r}, run_name="__main__")
"""
    result = run_python("-c", program)
    assert result.returncode == 0, result.stderr
    assert "Ran 3 tests" in result.stderr


def test_modules():
    printed = run_script("linear_modules.py").splitlines()
    assert printed == ["same int8: True", "same int4: True", "same NZ: True", "FRACTAL_NZ ND"]


def test_processes_that_it_starts():
    assert run_script("processes.py").splitlines() == ["fork 6", "spawn 6", "forkserver 6"]


def test_graph_mode(tmp_path):
    printed = run_script("graph_mode.py", cwd=tmp_path).splitlines()
    assert printed == [
        "torch.int64 torch.float32 FRACTAL_NZ",
        "as before: True",
        "a second time: True",
        "dynamic=True: [True, True, True]",
        "dynamic=False: [True, True, True]",
        "files: ['pbtxt', 'py', 'txt']",
    ]
    for kind, call in {
        "py": r"torch\.ops\.npu\.npu_quant_matmul\.default\(npu_quantize, transpose, .*output_dtype = 5\)",
        "pbtxt": r'op: "npu\.npu_quant_matmul\.default"\n  input: "npu_quantize"\n  input: "transpose"\n',
        "txt": r"torch\.ops\.aten\.add\.Tensor\]\(args = \(%\w+, 1\)",
    }.items():
        text = next(tmp_path.glob(f"dynamo_original_graph_*.{kind}")).read_text()
        assert re.search(call, text), text
        assert "npu:" not in text
