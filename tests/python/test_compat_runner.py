"""`python -m a8w8.torch_npu` is `python` for the script; packages that are really installed come first."""

import sys
from pathlib import Path

import pytest
from a8w8 import torch_npu as runner
from compat_support import SCRIPTS, run_python

RUNNER = ("-m", "a8w8.torch_npu")


def test_script_sees_and_shows_what_it_does_without():
    """Its name, arguments, path and globals; its traceback and exit status."""
    script = (Path("scripts") / "plain.py", "a", "-m", "--help")
    plain, run = (run_python(*prefix, *script, cwd=SCRIPTS.parent) for prefix in ((), RUNNER))
    assert run.stdout == plain.stdout
    assert run.stderr == plain.stderr
    assert run.returncode == plain.returncode == 1


def test_module_runs_as_with_python():
    run = run_python(*RUNNER, "-m", "plain", "a", cwd=SCRIPTS)
    assert run.returncode == 1
    assert run.stdout.startswith(f"__main__ {SCRIPTS / 'plain.py'} ModuleSpec(name='plain'")
    assert run.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert run.stderr.splitlines()[1].startswith(f'  File "{SCRIPTS / "plain.py"}", line')


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Calls the runner in this process, without installing anything: what exit was asked for, stdout, stderr."""

    def run(*arguments: str) -> tuple[int | str, str, str]:
        monkeypatch.setattr(sys, "argv", ["a8w8", *arguments])
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
        monkeypatch.setattr(runner.compat, "install", lambda: True)
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        try:
            runner.main()
        except SystemExit as exit_:
            status = exit_.code
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            status = 1
        else:
            status = 0
        return status, *capsys.readouterr()

    return run


def test_usage(run_here):
    for arguments in ((), ("-m",)):
        status, printed, complaint = run_here(*arguments)
        assert (status, printed) == (2, "")
        assert "python -m a8w8.torch_npu SCRIPT [ARGS]" in complaint
    for flag in ("-h", "--help"):
        status, printed, complaint = run_here(flag)
        assert (status, complaint) == (0, "")
        assert "python -m a8w8.torch_npu SCRIPT [ARGS]" in printed


def test_script_that_does_not_exist(run_here, tmp_path):
    status, _, complaint = run_here(str(tmp_path / "absent.py"))
    assert status == 2
    assert f"can't open file '{tmp_path / 'absent.py'}': [Errno 2] No such file or directory" in complaint


def test_exit_and_syntax_error(run_here, tmp_path):
    script = tmp_path / "script.py"
    for program, status, complaint in (
        ("print('done')", 0, ""),
        ("raise SystemExit('leaving')", "leaving", ""),
        ("x = = 1", 1, f'  File "{script}", line 1\n'),
    ):
        script.write_text(program)
        got, _, stderr = run_here(str(script))
        assert got == status
        assert stderr.startswith(complaint)


REPORT = """
import sys, torch, a8w8.compat
print(a8w8.compat.install(), torch.zeros(1, device="cpu").device)
import torch_npu, torchair
print(torch_npu.__file__, torchair.__file__)
print(type(torch.device).__name__, hasattr(torch, "npu"), hasattr(torch.Tensor, "npu"))
"""


def _package(folder: Path, name: str) -> str:
    package = folder / name / "__init__.py"
    package.parent.mkdir()
    package.write_text("")
    return str(package)


def test_installed_torch_npu_is_left_alone(tmp_path):
    real = [_package(tmp_path, name) for name in ("torch_npu", "torchair")]
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    run = run_python(*RUNNER, script)
    assert run.stdout.splitlines() == ["False cpu", " ".join(real), "type False False"], run.stderr


def test_installed_torchair_comes_first(tmp_path):
    real = _package(tmp_path, "torchair")
    run = run_python("-c", REPORT, path=str(tmp_path))
    installed, files, changed = run.stdout.splitlines()
    assert installed == "True cpu"
    assert files.endswith(f"compat/torch_npu/__init__.py {real}")
    assert changed == "_StandInMeta True True"
