"""Step `embedder`: InfoNCE of (text before a cursor, chunk that the next lines need), Qwen3-Embedding's recipe in small.

A step has pairs of a few repositories and further chunks of the same ones, so nearly all negatives of a query are chunks of its own
repository: what the index will have to tell apart. Chunks that share the positive's file or the query's are no negatives. Reports
recall@32 of the defining chunk within held-out repositories, against Jaccard and BM25.
"""
from __future__ import annotations

import random

import torch
import torch.nn.functional as F

from . import precision, tokenizer
from .config import EmbedderTrainConfig, Places, Recipe
from .data import by_length
from .embedder import PASSAGE, QUERY, Embedder
from .layout import Layout
from .lexical import Lexical, recall
from .loop import Trainer
from .pairs import Chunks, Pair, held_out_names, repositories, training_names
from .tokens import TokenisedFiles, tokenised

GROUPS = 4  # repositories in a step


def embed_rows(model: Embedder, rows: list, kind: int, micro: int = 100_000) -> torch.Tensor:
    """[n, d] of token rows in their order, batched by length."""
    order = list(range(len(rows)))
    parts, places = [], []
    for batch in by_length(order, lambda i: len(rows[i]) + 1, micro):
        with precision.autocast():
            parts.append(model.embed([rows[i] for i in batch], kind))
        places += batch
    inverse = torch.empty(len(rows), dtype=torch.long)
    inverse[torch.tensor(places)] = torch.arange(len(rows))
    return torch.cat(parts)[inverse]


def query_rows(layout: Layout, texts: list[str], size: int) -> list[list[int]]:
    """The last tokens of each text."""
    return [row.ids[-size:] for row in layout.tokenizer.encode_batch(texts, add_special_tokens=False)]


def passage_rows(layout: Layout, texts: list[str], size: int) -> list[list[int]]:
    return [row.ids[:size] for row in layout.tokenizer.encode_batch(texts, add_special_tokens=False)]


class Drawing:
    """Steps of pairs and further negatives out of a few repositories each."""

    def __init__(self, repos: list[Chunks], files: list[TokenisedFiles], config: EmbedderTrainConfig, seed: int) -> None:
        self.repos, self.files, self.config, self.rng = repos, files, config, random.Random(seed)
        self.weights = [len(c.flat) ** 0.7 for c in repos]

    def pairs(self, r: int, count: int) -> list[Pair]:
        out: dict[int, Pair] = {}
        for _ in range(12 * count):
            pair = self.repos[r].pair(self.rng)
            if pair:
                out.setdefault(pair.chunk, pair)
            if len(out) == count:
                break
        return list(out.values())

    def step(self) -> tuple[list, list, torch.Tensor]:
        """(queries, passages, allowed [n queries, n passages]): passage i is the positive of query i, the rest are negatives."""
        queries, passages, homes, extra = [], [], [], []
        long = self.rng.random() < 0.3
        most_query, most_passage = (512, 512) if long else (self.config.max_query, self.config.max_passage)
        chosen = self.rng.choices(range(len(self.repos)), self.weights, k=GROUPS)
        for r in dict.fromkeys(chosen):
            chunks, files = self.repos[r], self.files[r]
            for pair in self.pairs(r, self.config.batch // GROUPS):
                row = files.before(pair.file, pair.cursor, most_query)
                if len(row):
                    queries.append(row)
                    passages.append(self.passage(chunks, files, pair.chunk, most_passage))
                    homes.append(((r, pair.file), (r, chunks.flat[pair.chunk][0])))
            for _ in range(self.config.negatives // GROUPS):
                index = self.rng.randrange(len(chunks.flat))
                extra.append((self.passage(chunks, files, index, most_passage), (r, chunks.flat[index][0])))
        places = [home for _, home in homes] + [home for _, home in extra]
        allowed = torch.tensor([[place != own and place != wanted for place in places] for own, wanted in homes])
        allowed[torch.arange(len(homes)), torch.arange(len(homes))] = True
        return queries, passages + [row for row, _ in extra], allowed

    @staticmethod
    def passage(chunks: Chunks, files: TokenisedFiles, index: int, most: int):
        f, c = chunks.flat[index]
        row = files.slice(f, *chunks.files[f].spans[c])[:most]
        return row if len(row) else files.ids[:1]


def contrast(queries: torch.Tensor, passages: torch.Tensor, allowed: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss, share of queries whose positive is first): passage i is the positive of query i, among the `allowed`."""
    scores = (queries @ passages.T / temperature).masked_fill(~allowed, float("-inf"))
    wanted = torch.arange(len(queries))
    return F.cross_entropy(scores, wanted), (scores.argmax(1) == wanted).float().mean()


def salience(layout: Layout, repos: list[Chunks], vocab_size: int, sample: int = 6_000) -> torch.Tensor:
    """[V] in [-0.4, 0.4]: inverse chunk frequency of every token, from a sample of chunks."""
    rng = random.Random(0)
    texts = [chunks.text(rng.randrange(len(chunks.flat))) for chunks in rng.choices(repos, k=sample)]
    frequency = torch.zeros(vocab_size)
    for row in passage_rows(layout, texts, 512):
        frequency[list(set(row))] += 1
    idf = torch.log((sample + 1) / (frequency + 1))
    return 0.4 * ((idf / idf.max()) * 2 - 1)


@torch.no_grad()
def measure(model: Embedder, layout: Layout, repos: list[Chunks], per_repo: int, lexical: bool, limit: int = 1000,
            query_tokens: int = 512) -> dict[str, float]:
    """recall@32 of the defining chunk among the chunks of other files (at most `limit` of a repository, all positives included)."""
    hits: dict[str, list[bool]] = {}
    for chunks in repos:
        rng = random.Random(5)
        found = [chunks.pair(rng, only_defining=True, max_chars=1500) for _ in range(per_repo * 60)]
        pairs = [pair for pair in found if pair][:per_repo]
        kept = {pair.chunk for pair in pairs}
        rest = [i for i in range(len(chunks.flat)) if i not in kept]
        rng.shuffle(rest)
        pool = sorted(kept) + rest[: max(0, limit - len(kept))]
        texts = [chunks.text(i) for i in pool]
        passages = embed_rows(model, passage_rows(layout, texts, 512), PASSAGE)
        queries = embed_rows(model, query_rows(layout, [pair.query for pair in pairs], query_tokens), QUERY)
        words = Lexical(texts) if lexical else None
        for pair, row in zip(pairs, queries @ passages.T):
            allowed = [chunks.flat[i][0] != pair.file for i in pool]
            wanted = pool.index(pair.chunk)
            hits.setdefault("recall32", []).append(recall(row.tolist(), wanted, allowed, 32))
            if words:
                hits.setdefault("recall32_jaccard", []).append(recall(words.jaccard(pair.query), wanted, allowed, 32))
                hits.setdefault("recall32_bm25", []).append(recall(words.bm25(pair.query), wanted, allowed, 32))
                hits.setdefault("recall32_random", []).append(32 / sum(allowed) > rng.random())
    return {key: sum(values) / len(values) for key, values in hits.items()} | {"queries": len(hits.get("recall32", ()))}


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config: EmbedderTrainConfig = recipe.embedder_train
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = Embedder(recipe.embedder, recipe.tokenizer.vocab_size)
    repos = repositories(places, training_names(places))
    model.start_as_bag(salience(layout, repos, recipe.tokenizer.vocab_size))
    trainer = Trainer(model, config, places.stage("embedder"), minutes)
    held = repositories(places, held_out_names(places))
    held = sorted(held, key=lambda c: len(c.flat))[:5]
    drawing = Drawing(repos, tokenised(repos, layout, places), config, config.seed + trainer.step)
    print(f"embedder: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {sum(len(c.flat) for c in repos)} chunks", flush=True)

    def step() -> tuple[dict[str, float], int]:
        queries, passages, allowed = drawing.step()
        value, first = contrast(embed_rows(model, queries, QUERY), embed_rows(model, passages, PASSAGE), allowed, config.temperature)
        value.backward()
        return {"loss": value.item(), "first": first.item()}, sum(map(len, queries + passages))

    trainer.run(step, (lambda: measure(model, layout, held, 40, lexical=trainer.step <= config.eval_every)) if held else None)
