"""Dispatch of the steps that need torch, kept apart so that `corpus` and `tokenizer` start fast."""
from __future__ import annotations

import argparse

import torch

from .config import Places, Recipe


def run(args: argparse.Namespace, recipe: Recipe, places: Places) -> None:
    torch.set_num_threads(args.threads)
    if args.step == "lm":
        from . import lm
        lm.run(recipe, places, args.minutes)
    else:
        raise SystemExit(f"{args.step}: not there yet")
