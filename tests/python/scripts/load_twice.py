"""Loads a checkpoint in two processes, which read all weights, and prints as JSON what memory that took.

Each process: bytes of memory of its own that loading added, and of the mapped weights files bytes in memory (rss) and
its share of them (pss).
"""

import json
import os
import sys
from pathlib import Path

import a8w8
import torch
import transformers  # noqa: F401 - before the fork, as it takes seconds
from transformers.models.llama import modeling_llama  # noqa: F401

FOLDER = sys.argv[1]


def own_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


def mapped_files() -> dict[str, int]:
    sums, counts = {"Rss": 0, "Pss": 0, "Anonymous": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word, *rest = line.split()
        if "-" in word and not word.endswith(":"):
            counts = line.endswith(".safetensors")
        elif counts and word[:-1] in sums:
            sums[word[:-1]] += int(rest[0]) * 1024
    return sums


def load(ready: int, go: int, result: int) -> None:
    torch.set_num_threads(1)
    before = own_memory()
    model = a8w8.load_model(FOLDER)
    added = own_memory() - before
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.flatten()[::512].sum() if tensor.numel() else None  # touches each page
    os.write(ready, b".")
    os.read(go, 1)
    os.write(result, json.dumps({"added": added, **mapped_files()}).encode() + b"\n")
    os.read(go, 1)


def main() -> None:
    ready, go, result = os.pipe(), os.pipe(), os.pipe()
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            load(ready[1], go[0], result[1])
            os._exit(0)
        children.append(pid)
    for _ in children:
        os.read(ready[0], 1)
    os.write(go[1], b"..")  # both have read all weights
    text = b""
    while text.count(b"\n") < 2:
        text += os.read(result[0], 4096)
    os.write(go[1], b"..")
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    print(text.decode())


main()
