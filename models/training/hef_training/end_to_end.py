"""HEF's end-to-end regime: gradients reach the fuser through the vectors of the retrieved inner nodes.

The vectors of a batch's inner nodes are made anew from their children, one level deep: children are read from the cached table
and carry no gradient (a deeper graph would run the fuser over whole subtrees for every batch). Because the fuser moves, the
cached vectors age; `refresh` makes them anew from the leaves, and is meant to be called every few hundred steps. Chunk vectors
come from the frozen embedder and never change. Which nodes an example retrieved is not looked up again: the list is the one of
the vectors at the time the example was made.
"""
from __future__ import annotations

from typing import Sequence

import numpy as np
import torch

from .fuser import Fuser
from .nodes import NodeTable


def padded_children(table: NodeTable, picked: Sequence[int], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(children [n, width, d] padded with zeros on the right, counts [n]) of inner nodes, from the cached vectors."""
    children = torch.zeros(len(picked), width, table.vectors.shape[1])
    for row, node in enumerate(picked):
        members = table.children[node]
        children[row, : len(members)] = table.vectors[members]
    return children, torch.tensor([len(table.children[node]) for node in picked])


def fused(tables: list[NodeTable], wanted: Sequence[tuple[int, int]], fuser: Fuser) -> torch.Tensor:
    """[n, d] vectors with gradient of inner nodes, each (table, node)."""
    width = max(len(tables[t].children[node]) for t, node in wanted)
    parts = [padded_children(tables[t], [node], width) for t, node in wanted]
    device = next(fuser.parameters()).device
    return fuser(torch.cat([children for children, _ in parts]).to(device), torch.cat([counts for _, counts in parts]).to(device))


def cached(tables: list[NodeTable], rows: Sequence[tuple[int, np.ndarray]]) -> torch.Tensor:
    """[B, K, d] cached vectors of (table, nodes best first), K that of the shortest row."""
    k = min(len(nodes) for _, nodes in rows)
    return torch.stack([tables[t].vectors[torch.from_numpy(nodes[:k].astype(np.int64))] for t, nodes in rows])


def stacked(tables: list[NodeTable], rows: Sequence[tuple[int, np.ndarray]], fuser: Fuser) -> torch.Tensor:
    """[B, K, d] as `cached`, but inner nodes come out of the fuser, with gradient.

    The same values as the cached vectors as long as the fuser and the vectors of the children are those of the cache.
    """
    out = cached(tables, rows)
    k = out.shape[1]
    places: dict[tuple[int, int], list[int]] = {}
    for row, (t, nodes) in enumerate(rows):
        for column, node in enumerate(nodes[:k].tolist()):
            if tables[t].children[node]:
                places.setdefault((t, node), []).append(row * k + column)
    if not places:
        return out
    vectors = fused(tables, list(places), fuser)
    source = torch.tensor([i for i, found in enumerate(places.values()) for _ in found], device=vectors.device)
    target = torch.tensor([place for found in places.values() for place in found], device=vectors.device)
    return out.to(vectors.device).flatten(0, 1).index_copy(0, target, vectors[source].to(out.dtype)).view(out.shape)


def heights(table: NodeTable) -> list[int]:
    """Of every node: 0 for a chunk, else one more than its highest child."""
    out: list[int] = []
    for children in table.children:
        out.append(1 + max(out[c] for c in children) if children else 0)
    return out


@torch.no_grad()
def refresh(tables: list[NodeTable], fuser: Fuser, rows: int = 2_048) -> None:
    """Makes all inner nodes' cached vectors anew from the leaves."""
    training = fuser.training
    fuser.eval()
    for table in tables:
        height = heights(table)
        for h in range(1, max(height, default=0) + 1):
            level = [i for i, at in enumerate(height) if at == h]
            for s in range(0, len(level), rows):
                part = level[s : s + rows]
                children, counts = padded_children(table, part, max(len(table.children[i]) for i in part))
                device = next(fuser.parameters()).device
                table.vectors[part] = fuser(children.to(device), counts.to(device)).to(table.vectors)
    fuser.train(training)
