"""The command `a8w8` as the Python package installs it."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import a8w8_cli
import pytest
from conftest import REPOSITORY

COMMANDS = {
    "module": [sys.executable, "-m", "a8w8"],
    "script": [sys.executable, "-c", "import sys, a8w8_cli; sys.exit(a8w8_cli.main())"],
}


def _run(command: list[str], *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), **variables}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=180)


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> list[str]:
    if not a8w8_cli.program_path().is_file():
        pytest.skip(f"{a8w8_cli.program_path()} is not built: run `make build`, or set {a8w8_cli.ENVIRONMENT_VARIABLE}")
    return COMMANDS[request.param]


def test_info_tells_the_machine(command):
    result = _run(command, "info", "--json", A8W8_MAX_ISA="scalar")
    assert result.returncode == 0, result.stderr
    info = json.loads(result.stdout)
    assert info["isas"]["usable"] == ["scalar"]
    assert info["peak_int8_gops"] > 0


def test_unknown_verb_names_the_known(command):
    result = _run(command, "foo")
    assert result.returncode == 2
    known = _known_verbs()
    assert {"info", "bench", "compare", "run", "quantize"} <= set(known)
    assert result.stderr == f'a8w8: unknown verb "foo"; known are {", ".join(known)}\n'


def _known_verbs() -> list[str]:
    return _run(COMMANDS["script"], "--verbs").stdout.split()


def test_help_lists_the_verbs_of_both(command):
    result = _run(command, "--help")
    assert result.returncode == 0
    for verb in _known_verbs():
        assert f"\n  {verb} " in result.stdout, verb


def test_exit_status_is_handed_on(command):
    assert _run(command, "bench", "gemm", "--threads", "0").returncode == 2
    assert _run(command, "--help").returncode == 0


def test_missing_program_names_path_and_remedy(tmp_path):
    result = _run(COMMANDS["script"], "info", A8W8_PROGRAM=str(tmp_path / "absent"))
    assert result.returncode == 1
    assert str(tmp_path / "absent") in result.stderr
    assert "make build" in result.stderr


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("compare a b", "compare"),
        ("run x", "run"),
        ("info", None),
        ("", None),
        ("--help", None),
        ("quantize x -o y", None),
        ("quantize x -o y --scheme w8a8_dynamic", None),
        ("quantize x -o y --scheme w8a8", "quantize"),
        ("quantize x --scheme=w8a8 -o y", "quantize"),
        ("quantize x -o y --smooth 0.5", "quantize"),
        ("quantize x -o y --smooth=0.5", "quantize"),
        ("quantize x -o y --calibration texts.txt", "quantize"),
        ("info --calibration texts.txt", None),
    ],
)
def test_which_verbs_need_pytorch(line, verb):
    found = a8w8_cli.python_verb(line.split())
    assert (found and found.module) == verb


def test_python_verbs_need_no_program(monkeypatch, tmp_path):
    called = []
    module = types.ModuleType("a8w8_cli.run")
    module.main = lambda arguments: called.append(arguments) or 7
    monkeypatch.setitem(sys.modules, "a8w8_cli.run", module)
    monkeypatch.setattr(sys, "argv", ["a8w8", "run", "folder", "--text", "hello"])
    monkeypatch.setenv(a8w8_cli.ENVIRONMENT_VARIABLE, str(tmp_path / "absent"))
    assert a8w8_cli.main() == 7
    assert called == [["folder", "--text", "hello"]]


def test_the_script_does_not_load_pytorch():
    code = "import sys, a8w8_cli; a8w8_cli.program_path(); sys.exit('torch' in sys.modules)"
    assert _run([sys.executable, "-c", code], A8W8_PROGRAM="").returncode == 0


def test_program_lies_beside_the_op_library(monkeypatch):
    monkeypatch.delenv(a8w8_cli.ENVIRONMENT_VARIABLE, raising=False)
    assert a8w8_cli.program_path() == Path(REPOSITORY) / "python" / "a8w8" / "lib" / "a8w8"
