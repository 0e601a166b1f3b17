"""Pairs of (query, chunk) for contrastive training: the text before a cursor, and a chunk that the next lines need.

The positive of a query is the chunk of another file that defines a name which the next lines use; where there is none, a chunk
of the same file or directory outside the query. Chunks and definitions are the server's (chunks.py).
"""
from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from .chunks import ChunkedFile, load
from .config import Places
from .context import IDENTIFIER

LOOKAHEAD_LINES = 3


@dataclass
class Pair:
    query: str
    chunk: int  # index into Chunks.flat
    file: int
    cursor: int  # character in the text of `file`; the query ends there
    defines: bool  # the chunk defines a name that the next lines use


class Chunks:
    """All chunks of one repository; `flat[i]` = (file index, chunk index)."""

    def __init__(self, name: str, files: list[ChunkedFile]) -> None:
        self.name, self.files = name, files
        self.flat = [(f, c) for f, file in enumerate(files) for c in range(len(file.spans))]
        self.first = {}
        for index, (f, c) in enumerate(self.flat):
            if c == 0:
                self.first[f] = index
        self.definers: dict[str, set[int]] = defaultdict(set)
        self.folders: dict[str, list[int]] = defaultdict(list)
        for f, file in enumerate(files):
            self.folders[file.path.rpartition("/")[0]].append(f)
            starts = line_starts(file.text)
            for entity, line in file.entities:
                name_ = entity.rpartition(".")[2]
                if len(name_) > 3 and line < len(starts):
                    self.definers[name_].add(self.at(f, starts[line]))

    def at(self, f: int, offset: int) -> int:
        """Flat index of the chunk of file `f` that holds `offset` (the nearest one before it)."""
        spans = self.files[f].spans
        inside = [c for c, (start, _) in enumerate(spans) if start <= offset]
        return self.first[f] + (inside[-1] if inside else 0)

    def text(self, index: int) -> str:
        f, c = self.flat[index]
        return self.files[f].chunk(c)

    def pair(self, rng: random.Random, only_defining: bool = False, max_chars: int = 2000) -> Pair | None:
        """One random pair, or None where the drawn place has none."""
        f = rng.randrange(len(self.files))
        text = self.files[f].text
        cursor = rng.randrange(min(60, len(text)), len(text) + 1)
        if rng.random() < 0.7:
            cursor = text.rfind("\n", 0, cursor) + 1
        if cursor < 40:
            return None
        end = cursor
        for _ in range(LOOKAHEAD_LINES):
            end = text.find("\n", end + 1)
            if end < 0:
                end = len(text)
                break
        homes = []
        for name in dict.fromkeys(IDENTIFIER.findall(text[cursor:end])):
            found = [i for i in self.definers.get(name, ()) if self.flat[i][0] != f]
            if 0 < len(found) <= 3:
                homes.append((len(found), rng.random(), rng.choice(found)))
        query = text[max(0, cursor - rng.choice((300, 600, 1000, max_chars))) : cursor]
        if homes:
            return Pair(query, min(homes)[2] if rng.random() < 0.5 else rng.choice(homes)[2], f, cursor, True)
        if only_defining or rng.random() < 0.5:
            return None
        near = [c for c, (s, e) in enumerate(self.files[f].spans) if e <= cursor - len(query) or s >= cursor]
        if near and rng.random() < 0.6:
            return Pair(query, self.first[f] + rng.choice(near), f, cursor, False)
        other = rng.choice(self.folders[self.files[f].path.rpartition("/")[0]])
        if other == f:
            return None
        return Pair(query, self.first[other] + rng.randrange(len(self.files[other].spans)), f, cursor, False)


def line_starts(text: str) -> list[int]:
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def repositories(places: Places, names: list[str], min_chunks: int = 60) -> list[Chunks]:
    out = []
    for name in names:
        if (places.work / "chunks" / f"{name}.jsonl").exists():
            chunks = Chunks(name, list(load(places, name)))
            if len(chunks.flat) >= min_chunks:
                out.append(chunks)
    return out


def training_names(places: Places) -> list[str]:
    return sorted(folder.name for folder in (places.corpus / "files").iterdir())


def held_out_names(places: Places) -> list[str]:
    trained = set(training_names(places))
    return sorted(path.stem for path in (places.work / "chunks").glob("*.jsonl") if path.stem not in trained)
