"""Repositories in memory, and batches of token ids padded on the right.

A causal model needs no mask for padding on the right; targets of padding are -100.
"""
from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Iterable

import numpy as np
import torch

from .config import CorpusConfig, Places
from .context import Repository, SourceFile
from .corpus import normalise
from .corpus_filter import is_test, rejects_path, rejects_text
from .corpus_index import files

IGNORE = -100


def training_repositories(places: Places) -> list[Repository]:
    """All exported repositories with their texts, sorted by name."""
    grouped: dict[str, list[SourceFile]] = defaultdict(list)
    for row in files(places):
        grouped[row.repo].append(SourceFile(row.path, row.read(places), row.test))
    return [Repository(name, grouped[name]) for name in sorted(grouped) if len(grouped[name]) > 1]


def held_out_repositories(folder: Path | None, config: CorpusConfig, names: Iterable[str] | None = None) -> list[Repository]:
    """The development repositories (`<owner>+<name>` folders) below `folder`; empty without one."""
    out = []
    for repo in sorted(folder.iterdir()) if folder else []:
        if "+" not in repo.name or (names and repo.name not in names):
            continue
        members = []
        for path in sorted(repo.rglob("*")):
            relative = path.relative_to(repo).as_posix()
            if path.is_file() and not rejects_path(relative, config):
                text = normalise(path.read_bytes())
                if not rejects_text(text, config):
                    members.append(SourceFile(relative, text, is_test(relative)))
        if len(members) > 1:
            out.append(Repository(repo.name, members))
    return out


def pad(rows: list[list[int]], value: int, multiple: int = 8) -> torch.Tensor:
    """[B, S] int64, S the longest row rounded up to `multiple`."""
    width = -(-max(map(len, rows)) // multiple) * multiple
    out = np.full((len(rows), width), value, np.int64)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return torch.from_numpy(out)


def by_length(examples: list, length, tokens: int) -> list[list]:
    """Groups examples of similar length into batches of at most `tokens` padded tokens."""
    out: list[list] = []
    current: list = []
    for example in sorted(examples, key=length):
        if current and length(example) * (len(current) + 1) > tokens:
            out.append(current)
            current = []
        current.append(example)
    return out + [current] if current else out
