"""Processes of every start method import torch_npu and name NPUs as their parent does."""

import multiprocessing

import torch
import torch_npu


def total(x):
    assert torch_npu.npu.is_available()
    return int((torch.ones(3, device="npu:0") * x.npu()).sum())


if __name__ == "__main__":
    torch.set_num_threads(1)
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.apply(total, (torch.full((3,), 2.0).npu(),)))
