"""In which precision the CPU trains: bf16 is twice as fast as fp32 on some processors and half as fast on others, so both are tried once."""
from __future__ import annotations

import functools
import time

import torch

from . import parallel

SHAPE = 2_048, 256, 768  # rows of a micro-batch, channels, units
TRIES = 7


def fastest_s(dtype: torch.dtype) -> float:
    """Seconds of one product of a layer, the fastest of a few."""
    rows, channels, units = SHAPE
    a, b = torch.ones(rows, channels, dtype=dtype), torch.ones(units, channels, dtype=dtype)
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        torch.nn.functional.linear(a, b)
        times.append(time.perf_counter() - started)
    return min(times)


@functools.cache
def bf16_pays() -> bool:
    """Whether this process's threads multiply faster in bf16."""
    pays = fastest_s(torch.bfloat16) < fastest_s(torch.float32)
    if not parallel.rank():
        print(f"precision: {'bf16' if pays else 'fp32'}, the faster one here", flush=True)
    return pays


def autocast() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16_pays())
