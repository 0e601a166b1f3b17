"""Dispatch of the steps that need torch, kept apart so that `corpus` and `tokenizer` start fast."""
from __future__ import annotations

import argparse
import ctypes
from pathlib import Path

import torch

from . import parallel
from .config import Places, Recipe

MODELS = Path(__file__).resolve().parents[2]


def keep_memory() -> None:
    """Tells glibc to keep freed memory: returning it costs a third of the training speed in page faults."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-2, 100_000_000)  # M_TOP_PAD
    except OSError:
        pass


def run(args: argparse.Namespace, recipe: Recipe, places: Places) -> None:
    keep_memory()
    torch.set_num_threads(max(1, args.threads // args.workers))
    others = parallel.start(args.workers)
    try:
        dispatch(args, recipe, places)
    finally:
        parallel.finish(others)


def dispatch(args: argparse.Namespace, recipe: Recipe, places: Places) -> None:
    if args.step == "lm":
        from . import lm
        lm.run(recipe, places, args.minutes)
    elif args.step == "grow":
        from . import grow
        grow.run(recipe, places, args.smaller)
    elif args.step == "take-up":
        from . import take_up
        take_up.run(recipe, places, args.bundle or MODELS / "hef-nano")
    elif args.step == "pack":
        from . import pack
        pack.run(recipe, places)
    elif args.step == "small":
        from . import small
        small.run(recipe, places, args.minutes)
    elif args.step == "chunks":
        from . import chunks
        chunks.run(places, args.server)
    elif args.step == "embedder":
        from . import embedder_train
        embedder_train.run(recipe, places, args.minutes)
    elif args.step == "fuser":
        from . import fuser_train
        fuser_train.run(recipe, places, args.minutes)
    elif args.step == "hef":
        from . import hef
        hef.run(recipe, places, recipe.hef, args.minutes)
    elif args.step == "end-to-end":
        from . import hef
        hef.run(recipe, places, recipe.end_to_end, args.minutes)
    elif args.step == "uwl":
        from . import uwl
        uwl.run(recipe, places)
    elif args.step == "llavacode":
        from . import llavacode
        llavacode.run(recipe, places, args.minutes)
    elif args.step == "p-tuning":
        from . import ptuning
        ptuning.run(recipe, places, args.server, args.folder, args.out or MODELS / recipe.export.name, args.vectors)
    elif args.step == "qwen":
        from . import qwen
        qwen.run(recipe, places, args.minutes)
    elif args.step in ("export", "goldens"):
        from . import export
        export.run(recipe, places, args.out or MODELS / recipe.export.name)
    elif args.step == "evaluate":
        from . import evaluate
        evaluate.run(recipe, places)
    elif args.step == "status":
        from . import status
        status.run(recipe, places)
    elif args.step == "random-bundle":
        from . import random_bundle
        random_bundle.run(recipe, MODELS / "hef-nano" / "tokenizer.json", args.out or places.work / recipe.export.name, args.precision)
