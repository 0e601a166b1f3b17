"""Content-addressed hierarchy of chunk, file and directory nodes, the same as the server's (server/hierarchy/).

A chunk's id hashes its text, an inner node's id hashes its children, both within a space (a bundle's embedding space).
Siblings are grouped by content-defined boundaries (2 to 8 members), so that an insertion changes one path to the root.
Golden cases: tests/hierarchy-golden.json.
"""
from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Iterator, Literal

MIN_MEMBERS, MAX_MEMBERS, CUT_MODULUS = 2, 8, 5
Level = Literal["chunk", "group", "file", "directory", "repository"]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def chunk_id(space: str, text: str) -> str:
    """32 hex digits."""
    return _hash(f"chunk\0{space}\0{text}")[:16].hex()


def inner_id(space: str, child_ids: list[str]) -> str:
    """32 hex digits."""
    return _hash("node\0" + space + "\0" + "\0".join(child_ids))[:16].hex()


def cut_hash(depth: int, node_id: str) -> int:
    """uint32 that decides whether a group is closed after this member."""
    return struct.unpack(">I", _hash(f"cut\0{depth}\0{node_id}")[:4])[0]


def group(ids: list[str], depth: int) -> list[list[str]]:
    """Splits siblings into groups of 2 to 8; a lone last member joins the group before it if that has room."""
    groups: list[list[str]] = []
    current: list[str] = []
    for node_id in ids:
        current.append(node_id)
        if len(current) >= MIN_MEMBERS and (len(current) == MAX_MEMBERS or cut_hash(depth, node_id) % CUT_MODULUS == 0):
            groups.append(current)
            current = []
    if len(current) == 1 and groups and len(groups[-1]) < MAX_MEMBERS:
        groups[-1] = groups[-1] + current
    elif current:
        groups.append(current)
    return groups


@dataclass
class Node:
    """One node; a chunk has `text`, every other node has children in order. Equal content gives equal ids, also in two places."""

    id: str
    level: Level
    path: str
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator["Node"]:
        """Children before parents."""
        for child in self.children:
            yield from child.walk()
        yield self


def container(space: str, level: Level, path: str, children: list[Node]) -> Node:
    """The node over a container's children: groups of groups until one is left. `children` must not be empty."""
    depth, nodes = 0, children
    if len(nodes) == 1:
        return Node(inner_id(space, [nodes[0].id]), level, path, nodes)
    while len(nodes) > 1:
        merged, at = [], 0
        for ids in group([node.id for node in nodes], depth):
            members = nodes[at : at + len(ids)]
            at += len(ids)
            merged.append(members[0] if len(ids) == 1 else Node(inner_id(space, ids), "group", path, members))
        nodes, depth = merged, depth + 1
    nodes[0].level = level
    return nodes[0]


def utf16_key(name: str) -> bytes:
    """Sort key that compares UTF-16 code units, as JavaScript does."""
    return name.encode("utf-16-be", "surrogatepass")


def build(space: str, files: dict[str, list[str]]) -> Node | None:
    """The repository's root node over {path: chunk texts}; files without chunks and empty directories are left out."""
    tree: dict = {}
    for path, chunks in files.items():
        if not chunks:
            continue
        *folders, name = path.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = chunks
    return _directory(space, "", tree, "repository") if tree else None


def _directory(space: str, path: str, tree: dict, level: Level) -> Node:
    children = []
    for name in sorted(tree, key=utf16_key):
        below = f"{path}/{name}" if path else name
        entry = tree[name]
        if isinstance(entry, dict):
            children.append(_directory(space, below, entry, "directory"))
        else:
            chunks = [Node(chunk_id(space, text), "chunk", below, [], text) for text in entry]
            children.append(container(space, "file", below, chunks))
    return container(space, level, path, children)
