"""The Python of the README works when pasted."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_python_example(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], str(README), "exec"), {})
    printed = capsys.readouterr().out
    assert "torch.Size([4, 64])" in printed
    assert "SQNR" in printed
