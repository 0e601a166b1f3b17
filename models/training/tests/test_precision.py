"""The precision of training on a CPU is the faster one of that CPU."""
from __future__ import annotations

import pytest
import torch

from hef_training import precision


@pytest.mark.parametrize("bf16_s, dtype", [(1.0, torch.bfloat16), (3.0, torch.float32)])
def test_products_are_taken_in_the_faster_precision(monkeypatch, bf16_s: float, dtype: torch.dtype) -> None:
    precision.bf16_pays.cache_clear()
    monkeypatch.setattr(precision, "fastest_s", lambda tried: bf16_s if tried == torch.bfloat16 else 2.0)
    with precision.autocast():
        product = torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
    precision.bf16_pays.cache_clear()
    assert product.dtype == dtype


def test_both_are_timed() -> None:
    assert all(precision.fastest_s(dtype) > 0 for dtype in (torch.bfloat16, torch.float32))
