"""An embedder of which the exported graph is at hand alone: that of a bundle which training goes on from (take_up.py).

The graph has tables in the place of weights, so it embeds as the server does and learns nothing more. Its file goes into the
next bundle as it is; indexes stay valid as long as the fuser is the same too, which `end-to-end` trains.
"""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import runtime
from .embedder import END, PASSAGE

EMBEDDER_FILE, GOLDENS_FILE = "embedder.onnx", "goldens.json"


class ServedEmbedder(nn.Module):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / EMBEDDER_FILE
        self.session = runtime.session(self.path)
        self.goldens: list[dict] = json.loads((folder / GOLDENS_FILE).read_text())["embedder"]

    def embed(self, rows: list, kind: int = PASSAGE) -> torch.Tensor:
        """Token rows without the end token -> [n, d] f32, L2 norm 1."""
        lengths = np.array([len(row) + 1 for row in rows], np.int32)
        ids = np.zeros((len(rows), int(lengths.max())), np.int64)
        for row, length, out in zip(rows, lengths, ids):
            out[: length - 1] = row
            out[length - 1] = END[kind]
        return torch.from_numpy(self.session.run(None, {"input_ids": ids, "lengths": lengths})[0])


def is_served(folder: Path) -> bool:
    """Whether a stage's folder holds a bundle's embedder instead of a checkpoint."""
    return (folder / EMBEDDER_FILE).exists()


def take(bundle: Path, folder: Path) -> None:
    for name in (EMBEDDER_FILE, GOLDENS_FILE):
        shutil.copy(bundle / name, folder / name)
