"""Examples of the `hef` stage: serving prompts with the nodes that retrieval answers at their cursor, drawn while training goes on.

Everything the server would do is done for each example: the query is the text before the cursor, nodes come by cosine from all
levels, entities are the definitions of imported and retrieved places that the prompt does not show. Two kinds beside it teach the
generator to read pseudo-tokens at all, which retrieval alone is too weak a signal for: a chunk that defines a name of the
continuation is put among the nodes now and then, and a chunk is written out with its own node among others (autoencoding, as in
ICAE and xRAG).
"""
from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch

from . import entities, nodes
from .config import HefConfig
from .context import IDENTIFIER
from .embedder import QUERY
from .embedder_train import embed_rows
from .layout import Layout, Prompt
from .pairs import Chunks
from .tokens import TokenisedFiles

QUERY_TOKENS = 512
PER_FILE = 12

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

    def __init__(self, chunks: Chunks, table: nodes.NodeTable, tokens: TokenisedFiles) -> None:
        self.chunks, self.table, self.tokens = chunks, table, tokens
        self.leaves = np.flatnonzero(np.array([level == "chunk" for level in table.level]))  # in the order of chunks.flat per file
        self.leaf_of = {(table.file[i], table.start[i]): i for i in self.leaves}
        self.starts = [np.cumsum([0, *(len(line) + 1 for line in file.text.split("\n"))]) for file in chunks.files]
        self.names = entities.Names(chunks)

    def entities(self, draft: Draft, found: np.ndarray, visible: str) -> list[str]:
        """What the server would list at the draft's cursor; `visible` is the text that the prompt shows."""
        files, table = self.chunks.files, self.table
        retrieved = []
        for i in found:
            f = table.file[i]
            if f >= 0 and f != draft.file and table.level[i] in ("chunk", "file"):
                inside = [n for n, line in files[f].entities if line < len(self.starts[f]) and table.start[i] <= self.starts[f][line] < table.end[i]]
                retrieved += inside[:PER_FILE]
        text = files[draft.file].text
        before, after = text[: draft.cursor], text[draft.end :]
        unwritten = {name for name in IDENTIFIER.findall(text[draft.cursor : draft.end]) if name not in before and name not in after}
        return self.names.select(draft.file, before, visible, retrieved, unwritten)


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


class Drawing:
    """Endless examples of a few repositories, each in proportion to the square root of its size; `keep` may throw some away."""

    def __init__(self, repos: list[Repo], layout: Layout, embedder, config: HefConfig, seed: int, keep=None) -> None:
        self.repos, self.layout, self.embedder, self.config, self.keep = repos, layout, embedder, config, keep
        self.rng = random.Random(seed)
        self.weights = [len(repo.chunks.flat) ** 0.5 for repo in repos]
        self.queue: list[Example] = []

    def next(self) -> Example:
        while not self.queue:
            self.refill()
        return self.queue.pop()

    def refill(self, count: int = 48) -> None:
        drafts: list[tuple[int, Draft]] = []
        while len(drafts) < count:
            r = self.rng.choices(range(len(self.repos)), self.weights)[0]
            made = draft(self.rng, self.repos[r].chunks, self.config.short_prefix)
            if made and made.cursor > 20:
                drafts.append((r, made))
        self.queue += self.at(drafts)
        if self.keep:
            self.queue = self.keep(self.queue)

    def at(self, drafts: list[tuple[int, Draft]]) -> list[Example]:
        """The examples of these places, each (repository, draft), without those that cannot be one."""
        rows = [self.repos[r].tokens.before(d.file, d.cursor, QUERY_TOKENS) for r, d in drafts]
        with torch.no_grad():
            queries = embed_rows(self.embedder, [row if len(row) else self.repos[0].tokens.ids[:1] for row in rows], QUERY)
        made = (self.example(r, d, query) for (r, d), query in zip(drafts, queries))
        return [example for example in made if example]

    def example(self, r: int, d: Draft, query: torch.Tensor) -> Example | None:
        repo, rng = self.repos[r], self.rng
        text, path = repo.chunks.files[d.file].text, repo.chunks.files[d.file].path
        after = text[d.end : d.end + 800]
        may = nodes.allowed(repo.table, d.file, path, min(d.start, d.cursor), d.end + 350)
        found = nodes.retrieve(repo.table, query, may, self.layout.config.pseudo)
        if len(found) < self.layout.config.pseudo:
            return None
        if rng.random() < self.config.oracle:
            found = self.with_defining(repo, d, text[d.cursor : d.end], may, found)
        visible = text[d.start : d.cursor] + (after[:350] if d.with_suffix else "")
        names = repo.entities(d, found, visible) if rng.random() < self.config.entities else None
        ended = d.with_suffix or d.end == len(text)
        prompt = self.layout.prompt(text[d.start : d.end], after if d.with_suffix else None, names, extra=160, end=ended,
                                    written=d.end - d.cursor)
        whole = len(prompt.body) - 1 - ended
        before = len(self.layout.encode(text[d.start : d.cursor]))
        written = whole - min(whole, before) if d.end > d.cursor else 0
        middle = len(prompt.body) - max(1, written) - ended
        first = 1 if self.layout.psm else max(1, middle)
        return Example(prompt, first, r, found.astype(np.int32)) if len(prompt.body) > (2 if self.layout.psm else 6) else None

    def with_defining(self, repo: Repo, d: Draft, middle: str, may: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Puts chunks that define names of the middle in random places among the nodes."""
        found = found.copy()
        for name in dict.fromkeys(IDENTIFIER.findall(middle)):
            homes = [i for i in repo.chunks.definers.get(name, ()) if repo.chunks.flat[i][0] != d.file]
            if not 0 < len(homes) <= 3:
                continue
            f, c = repo.chunks.flat[self.rng.choice(homes)]
            leaf = repo.leaf_of.get((f, repo.chunks.files[f].spans[c][0]))
            if leaf is not None and may[leaf] and leaf not in found:
                found[self.rng.randrange(len(found))] = leaf
        return found

    def rebuilding(self, k: int) -> Example | None:
        """A chunk written out with its own node at a random place among `k` nodes near it."""
        r = self.rng.choices(range(len(self.repos)), self.weights)[0]
        repo = self.repos[r]
        leaf = int(self.rng.choice(repo.leaves))
        row = repo.tokens.slice(int(repo.table.file[leaf]), int(repo.table.start[leaf]), int(repo.table.end[leaf]))[:200]
        if len(row) < 16 or len(repo.leaves) < 2 * k:
            return None
        others = [i for i in self.rng.sample(range(len(repo.table.level)), 4 * k) if i != leaf]
        scores = repo.table.vectors[others] @ repo.table.vectors[leaf]
        chosen = [others[i] for i in torch.topk(scores, k - 1).indices.tolist()]
        chosen.insert(self.rng.randrange(k), leaf)
        prompt = self.layout.prompt("", None)
        prompt.body = [prompt.body[0], *row.tolist()]
        return Example(prompt, 1, r, np.array(chosen, np.int32))
