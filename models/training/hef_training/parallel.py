"""Data parallelism over processes of one thread each.

On few shared cores two processes that exchange gradients once a step lose far less to other load than one process with two
threads, whose every operator waits for the slower thread.
"""
from __future__ import annotations

import os
import socket
import subprocess
import sys

import torch
import torch.distributed as dist


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def start(workers: int) -> list[subprocess.Popen]:
    """Makes this process rank 0 and starts the others with the same command line; a started worker joins instead."""
    if workers < 2:
        return []
    others = []
    if "HEF_RANK" not in os.environ:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(probe.getsockname()[1]), HEF_RANK="0")
        for index in range(1, workers):
            others.append(subprocess.Popen([sys.executable, "-m", "hef_training", *sys.argv[1:]], env={**os.environ, "HEF_RANK": str(index)}))
    dist.init_process_group("gloo", rank=int(os.environ["HEF_RANK"]), world_size=workers)
    return others


def finish(others: list[subprocess.Popen]) -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
    for process in others:
        process.wait()


def average_gradients(parameters) -> None:
    """Replaces every gradient by its mean over the processes, in one exchange."""
    if size() == 1:
        return
    gradients = [p.grad if p.grad is not None else p.new_zeros(p.shape) for p in parameters if p.requires_grad]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= size()
    at = 0
    for parameter in (p for p in parameters if p.requires_grad):
        count = parameter.numel()
        parameter.grad = flat[at : at + count].reshape(parameter.shape)
        at += count


def agree(value: float) -> float:
    """Rank 0's value, for decisions that all must take alike."""
    if size() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return shared.item()
