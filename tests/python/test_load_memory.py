"""Weights stay in their files: loading takes no memory for them, and processes share them."""

import json
import subprocess
import sys
from pathlib import Path

import a8w8
import pytest
import torch
from conftest import REPOSITORY

LOAD_TWICE = Path(__file__).parent / "scripts" / "load_twice.py"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_processes_share_the_weights(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64, hidden_size=1024, intermediate_size=2048, num_hidden_layers=3, num_attention_heads=8
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to_empty(device="cpu").bfloat16()
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    a8w8.save_checkpoint(a8w8.quantize_model(model, "w8a8_dynamic", progress=False), tmp_path / "out")
    size = sum(file.stat().st_size for file in (tmp_path / "out").glob("*.safetensors"))
    assert size > 30e6

    run = subprocess.run(
        [sys.executable, str(LOAD_TWICE), str(tmp_path / "out")],
        capture_output=True, text=True, check=True, cwd=REPOSITORY / "python",
    )  # fmt: skip
    first, second = (json.loads(line) for line in run.stdout.split("\n")[:2])
    for process in (first, second):
        assert process["added"] < size / 4  # modules and the like: megabytes, whatever the size of the weights
        assert process["Anonymous"] == 0  # no page was copied
        assert process["Rss"] > 0.9 * size
        assert process["Pss"] < 0.6 * process["Rss"]
