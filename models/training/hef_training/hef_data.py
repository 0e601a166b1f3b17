"""Examples of the `hef` stage: serving prompts with the nodes that retrieval answers at their cursor.

Everything the server would do is done here once per example: the query is the text before the cursor, nodes come by cosine from
all levels, entities are the definitions of imported and retrieved places that the prompt does not show. What is kept is small:
token ids, node indexes, and the place of the cursor in the body.
"""
from __future__ import annotations

import random
import re
from dataclasses import dataclass

import numpy as np
import torch

from . import nodes
from .context import IDENTIFIER
from .layout import Layout, Prompt
from .pairs import Chunks

QUERY_CHARS = 1600
PER_FILE = 12
IMPORT = re.compile(r"from\s*['\"]([^'\"\n]+)['\"]|^\s*from\s+([\w.]+)\s+import\b|^\s*import\s+([\w.]+)", re.M)


@dataclass
class Example:
    prompt: Prompt
    middle: int  # first index of prompt.body that stands after the cursor
    repo: int
    nodes: np.ndarray  # indexes into the repository's NodeTable, best first


@dataclass
class Draft:
    """A drawn place: window text[start:cursor], middle text[cursor:end], suffix after it."""

    file: int
    start: int
    cursor: int
    end: int
    with_suffix: bool


class Repo:
    """One repository with its node table and lookups for entities."""

    def __init__(self, chunks: Chunks, table: nodes.NodeTable) -> None:
        self.chunks, self.table = chunks, table
        self.starts = [np.cumsum([0, *(len(line) + 1 for line in file.text.split("\n"))]) for file in chunks.files]
        self.by_stem: dict[str, list[int]] = {}
        for f, file in enumerate(chunks.files):
            stem = file.path.rpartition("/")[2].split(".")[0]
            stem = file.path.split("/")[-2] if stem in ("index", "__init__") and "/" in file.path else stem
            self.by_stem.setdefault(stem, []).append(f)

    def imported(self, text: str, own: int) -> list[int]:
        """Files whose name ends an imported module's path; the last import first, at most two files a name."""
        out = []
        for match in reversed(list(IMPORT.finditer(text[:20_000]))):
            module = next(filter(None, match.groups()))
            stem = re.split(r"[/.]", re.sub(r"\.[cm]?[jt]sx?$", "", module))[-1]
            out += [f for f in self.by_stem.get(stem, ())[:2] if f != own]
        return list(dict.fromkeys(out))

    def entities(self, draft: Draft, found: np.ndarray, visible: str) -> list[str]:
        files, table = self.chunks.files, self.table
        names = [n for f in self.imported(files[draft.file].text[: draft.cursor], draft.file) for n, _ in files[f].entities[:PER_FILE]]
        for i in found:
            f = table.file[i]
            if f < 0 or f == draft.file or table.level[i] not in ("chunk", "file"):
                continue
            inside = [n for n, line in files[f].entities if line < len(self.starts[f]) and table.start[i] <= self.starts[f][line] < table.end[i]]
            names += inside[:PER_FILE]
        seen = set(IDENTIFIER.findall(visible))
        return [n for n in dict.fromkeys(names) if n.rpartition(".")[2] not in seen][:40]


def draft(rng: random.Random, chunks: Chunks, short: float) -> Draft | None:
    """A random place; with probability `short` its window is cut to a few lines."""
    f = rng.randrange(len(chunks.files))
    text = chunks.files[f].text
    cursor = rng.randrange(len(text))
    line = text.rfind("\n", 0, cursor) + 1
    line_end = text.find("\n", cursor)
    line_end = len(text) if line_end < 0 else line_end
    if not text[line:line_end].strip():
        return None
    if rng.random() < 0.5:
        cursor = line + len(text[line:line_end]) - len(text[line:line_end].lstrip())
    end = line_end
    for _ in range(rng.choice((0, 0, 0, 1, 2, 4))):
        following = text.find("\n", end + 1)
        end = len(text) if following < 0 else following
    reach = rng.randrange(80, 500) if rng.random() < short else 2200
    start = max(0, cursor - reach)
    start = text.find("\n", start, cursor) + 1 if start else 0
    return Draft(f, start, cursor, min(end, cursor + 600), rng.random() < 0.85)


def examples(rng: random.Random, r: int, repo: Repo, layout: Layout, embed, count: int, short: float, k: int, with_entities: float) -> list[Example]:
    """`count` examples of repository `r`; `embed` maps texts to query vectors [n, d]."""
    drafts: list[Draft] = []
    for _ in range(count * 4):
        made = draft(rng, repo.chunks, short)
        if made:
            drafts.append(made)
        if len(drafts) == count:
            break
    files = repo.chunks.files
    queries = embed([files[d.file].text[max(0, d.cursor - QUERY_CHARS) : d.cursor] or "\n" for d in drafts])
    out = []
    for d, query in zip(drafts, queries):
        text, path = files[d.file].text, files[d.file].path
        after = text[d.end : d.end + 800]
        may = nodes.allowed(repo.table, d.file, path, min(d.start, d.cursor), d.end + 350)
        found = nodes.retrieve(repo.table, query, may, k)
        names = repo.entities(d, found, text[d.start : d.cursor] + (after[:350] if d.with_suffix else "")) if rng.random() < with_entities else None
        before = layout.encode(text[d.start : d.cursor])
        prompt = layout.prompt(text[d.start : d.end], after if d.with_suffix else None, names, extra=160, end=d.with_suffix or d.end == len(text))
        whole = len(prompt.body) - 1 - (1 if d.with_suffix or d.end == len(text) else 0)
        written = whole - min(whole, len(before)) if d.end > d.cursor else 0
        middle = len(prompt.body) - max(1, written) - (1 if d.with_suffix or d.end == len(text) else 0)
        if len(prompt.body) > 6 and len(found):
            out.append(Example(prompt, max(1, middle), r, found.astype(np.int32)))
    return out


def query_embedder(model, layout: Layout):
    """Texts -> [n, d] with the embedder's averaged weights."""
    from .embedder_train import embed_rows, query_rows

    @torch.no_grad()
    def embed(texts: list[str]) -> torch.Tensor:
        return embed_rows(model, query_rows(layout, texts, 512))

    return embed
