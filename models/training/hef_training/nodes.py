"""Trees of nodes with vectors, and retrieval: what the server's index answers, by brute force.

A repository's chunks are embedded, grouped (hierarchy.py) and fused bottom-up, all nodes of one height in one batch.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from . import hierarchy
from .fuser import Fuser
from .pairs import Chunks

MIN_DIRECTORY_CHUNKS = 40  # a smaller directory node over the open file would betray the line to write


@dataclass
class NodeTable:
    """All nodes of one repository. Arrays have one entry a node; `file` is -1 for directories."""

    vectors: torch.Tensor  # [N, d] f32, L2 norm 1
    level: list[str]
    path: list[str]
    file: np.ndarray
    start: np.ndarray
    end: np.ndarray
    chunks: np.ndarray  # chunks below the node
    children: list[list[int]]  # indexes of a node's children in order; none for a chunk; children stand before parents


@torch.no_grad()
def build(chunks: Chunks, vectors: torch.Tensor, fuser: Fuser, space: str = "training") -> NodeTable:
    """`vectors` [n chunks, d] in the order of `chunks.flat`."""
    texts = {file.path: [file.chunk(c) for c in range(len(file.spans))] for file in chunks.files}
    root = hierarchy.build(space, texts)
    nodes = list(root.walk()) if root else []
    index = {id(node): i for i, node in enumerate(nodes)}
    height, below, position = [0] * len(nodes), [1] * len(nodes), {}
    file_of = {file.path: f for f, file in enumerate(chunks.files)}
    out = torch.zeros(len(nodes), vectors.shape[1])
    start, end = np.zeros(len(nodes), np.int64), np.zeros(len(nodes), np.int64)
    for i, node in enumerate(nodes):
        if node.level == "chunk":
            c = position.get(node.path, 0)
            position[node.path] = c + 1
            out[i] = vectors[chunks.first[file_of[node.path]] + c]
            start[i], end[i] = chunks.files[file_of[node.path]].spans[c]
        else:
            children = [index[id(child)] for child in node.children]
            height[i] = 1 + max(height[c] for c in children)
            below[i] = sum(below[c] for c in children)
            start[i], end[i] = min(start[c] for c in children), max(end[c] for c in children)
    for h in range(1, max(height, default=0) + 1):
        fuse_level(nodes, [i for i in range(len(nodes)) if height[i] == h], index, out, fuser)
    files = np.array([file_of.get(node.path, -1) if node.level != "directory" else -1 for node in nodes])
    family = [[index[id(child)] for child in node.children] for node in nodes]
    return NodeTable(out, [n.level for n in nodes], [n.path for n in nodes], files, start, end, np.array(below), family)


def fuse_level(nodes: list, picked: list[int], index: dict[int, int], out: torch.Tensor, fuser: Fuser) -> None:
    arity = max(len(nodes[i].children) for i in picked)
    children = torch.zeros(len(picked), arity, out.shape[1])
    for row, i in enumerate(picked):
        for c, child in enumerate(nodes[i].children):
            children[row, c] = out[index[id(child)]]
    counts = torch.tensor([len(nodes[i].children) for i in picked])
    for s in range(0, len(picked), 2048):
        out[picked[s : s + 2048]] = fuser(children[s : s + 2048], counts[s : s + 2048])


def allowed(table: NodeTable, own: int, own_path: str, window_start: int, window_end: int) -> np.ndarray:
    """[N] bool: nodes that a completion in file `own` may see, with the text from window_start to window_end left out."""
    inside = table.file == own
    leaf = np.array([level == "chunk" for level in table.level])
    overlaps = (table.start < window_end) & (table.end > window_start)
    blocked = inside & (~leaf | overlaps)
    for i in np.flatnonzero(table.file < 0):
        above = table.path[i] == "" or own_path.startswith(table.path[i] + "/")
        if above and table.chunks[i] < MIN_DIRECTORY_CHUNKS:
            blocked[i] = True
    return ~blocked


def retrieve(table: NodeTable, query: torch.Tensor, may: np.ndarray, k: int) -> np.ndarray:
    """Indexes of the k best nodes by cosine, best first; fewer where fewer are allowed."""
    scores = (table.vectors @ query).numpy()
    scores = np.where(may, scores, -2.0)
    k = min(k, int(may.sum()))
    best = np.argpartition(-scores, k - 1)[:k] if k else np.zeros(0, np.int64)
    return best[np.argsort(-scores[best], kind="stable")]
