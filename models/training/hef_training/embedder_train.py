"""Step `embedder`: InfoNCE of (text before a cursor, chunk that the next lines need), Qwen3-Embedding's recipe in small.

A step has pairs of a few repositories, so most of the in-batch negatives of a query are chunks of its own repository: what the
index will have to tell apart. Reports recall@32 of the defining chunk within held-out repositories, against Jaccard and BM25.
"""
from __future__ import annotations

import random

import torch
import torch.nn.functional as F

from . import tokenizer
from .config import EmbedderTrainConfig, Places, Recipe
from .data import by_length
from .embedder import Embedder
from .layout import Layout
from .lexical import Lexical, recall
from .lm import bf16
from .loop import Trainer, averaged
from .pairs import Chunks, Pair, held_out_names, repositories, training_names

GROUPS = 4  # repositories in a step


def embed_rows(model: Embedder, rows: list[list[int]], micro: int = 4_000) -> torch.Tensor:
    """[n, d] of token rows in their order, batched by length."""
    order = list(range(len(rows)))
    parts, places = [], []
    for batch in by_length(order, lambda i: len(rows[i]) + 1, micro):
        with bf16():
            parts.append(model.embed([rows[i] for i in batch]))
        places += batch
    inverse = torch.empty(len(rows), dtype=torch.long)
    inverse[torch.tensor(places)] = torch.arange(len(rows))
    return torch.cat(parts)[inverse]


def query_rows(layout: Layout, texts: list[str], size: int) -> list[list[int]]:
    """The last tokens of each text."""
    return [row.ids[-size:] for row in layout.tokenizer.encode_batch(texts, add_special_tokens=False)]


def passage_rows(layout: Layout, texts: list[str], size: int) -> list[list[int]]:
    return [row.ids[:size] for row in layout.tokenizer.encode_batch(texts, add_special_tokens=False)]


def draw(rng: random.Random, repos: list[Chunks], weights: list[float], count: int) -> list[tuple[int, Pair]]:
    """`count` pairs as (repository index, pair), no chunk twice."""
    out: list[tuple[int, Pair]] = []
    seen: set[tuple[int, int]] = set()
    for r in rng.choices(range(len(repos)), weights, k=GROUPS):
        tries = got = 0
        while got < count // GROUPS and tries < 40 * count:
            tries += 1
            pair = repos[r].pair(rng)
            if pair and (r, pair.chunk) not in seen:
                seen.add((r, pair.chunk))
                out.append((r, pair))
                got += 1
    return out


def contrast(queries: torch.Tensor, passages: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss, share of queries whose positive is first): passage i is the positive of query i."""
    scores = queries @ passages.T / temperature
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
        passages = embed_rows(model, passage_rows(layout, texts, 512))
        queries = embed_rows(model, query_rows(layout, [pair.query for pair in pairs], query_tokens))
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
    weights = [len(c.flat) ** 0.7 for c in repos]
    rng = random.Random(config.seed + trainer.step)
    print(f"embedder: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {sum(len(c.flat) for c in repos)} chunks", flush=True)

    def step() -> tuple[dict[str, float], int]:
        drawn = draw(rng, repos, weights, config.batch)
        long = rng.random() < 0.1
        q = query_rows(layout, [pair.query for _, pair in drawn], 512 if long else config.max_query)
        p = passage_rows(layout, [repos[r].text(pair.chunk) for r, pair in drawn], 512 if long else config.max_passage)
        value, first = contrast(embed_rows(model, q), embed_rows(model, p), config.temperature)
        value.backward()
        return {"loss": value.item(), "first": first.item()}, sum(map(len, q + p))

    trainer.run(step, (lambda: measure(model, layout, held, 40, lexical=trainer.step <= config.eval_every)) if held else None)
