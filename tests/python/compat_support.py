"""Runs scripts in processes of their own: what install() exchanges stays exchanged, and must not reach other tests."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY

SCRIPTS = Path(__file__).parent / "scripts"


def run_python(
    *arguments: str | Path, cwd: Path | None = None, path: str = "", **variables: str
) -> subprocess.CompletedProcess:
    """python ARGUMENTS, with the package (and `path`) to import from. The caller looks at how it ended."""
    python_path = os.pathsep.join(filter(None, [path, str(REPOSITORY / "python")]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": python_path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def run_script(name: str, *arguments: str, **options) -> str:
    """Runs one of our scripts as a torch_npu script, which must succeed, and returns what it printed."""
    result = run_python("-m", "a8w8.torch_npu", SCRIPTS / name, *arguments, **options)
    assert result.returncode == 0, f"{name} failed\n{result.stdout}\n{result.stderr}"
    return result.stdout
