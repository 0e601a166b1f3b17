"""Step `fuser`: contrastive pre-training of the fuser (HEF, stage 1): a query chunk against the vector of its container.

Chunk vectors come from the frozen embedder. An example is a run of sibling chunks of one directory, fused through random groups
of 2 to 8 until one vector is left; the query is a chunk of the run or, as often, a chunk of the same directory outside it.
InfoNCE with in-batch negatives, temperature 0.07.
"""
from __future__ import annotations

import random

import torch
import torch.nn.functional as F

from . import tokenizer
from .config import Places, Recipe
from .embedder import PASSAGE, Embedder
from .embedder_train import embed_rows
from .fuser import Fuser
from .layout import Layout
from .loop import Trainer, averaged
from .pairs import Chunks, held_out_names, repositories, training_names
from .tokens import tokenise


@torch.no_grad()
def chunk_vectors(places: Places, recipe: Recipe, layout: Layout, chunks: Chunks) -> torch.Tensor:
    """[n, d] of all chunks, memoised below the work folder for the embedder's checkpoint."""
    checkpoint = places.stage("embedder") / "checkpoint.pt"
    step = torch.load(checkpoint, weights_only=True, mmap=True)["step"]
    cache = places.stage("vectors") / f"{chunks.name}-{step}-{len(chunks.flat)}.pt"
    if cache.exists():
        return torch.load(cache, weights_only=True).float()
    model = Embedder(recipe.embedder, recipe.tokenizer.vocab_size)
    model.load_state_dict(averaged(checkpoint))
    model.eval()
    files = tokenise(chunks, layout, places.work / "tokens")
    rows = [files.slice(f, *chunks.files[f].spans[c])[:512] for f, c in chunks.flat]
    vectors = torch.cat([embed_rows(model, rows[at : at + 4096], PASSAGE) for at in range(0, len(rows), 4096)])
    torch.save(vectors.half(), cache)
    return vectors


def pick(repos: list[Chunks], budget: int) -> list[Chunks]:
    """Repositories of middle size first, up to `budget` chunks together."""
    out, total = [], 0
    for chunks in sorted(repos, key=lambda c: abs(len(c.flat) - 900)):
        if total + len(chunks.flat) <= budget:
            out.append(chunks)
            total += len(chunks.flat)
    return sorted(out, key=lambda c: c.name)


def runs(chunks: Chunks) -> list[list[int]]:
    """Flat chunk indexes of each directory, in path order."""
    out = []
    for files in chunks.folders.values():
        row = [i for f in sorted(files) for i in range(chunks.first[f], chunks.first[f] + len(chunks.files[f].spans))]
        if len(row) >= 3:
            out.append(row)
    return out


def fuse_run(model: Fuser, vectors: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """[m, d] siblings -> [d], through random groups of 2 to 8."""
    while len(vectors) > 1:
        groups, at = [], 0
        while at < len(vectors):
            size = min(rng.choice((2, 2, 3, 3, 4, 5, 6, 8)), len(vectors) - at)
            groups.append(vectors[at : at + size])
            at += size
        counts = torch.tensor([len(g) for g in groups])
        vectors = model(torch.nn.utils.rnn.pad_sequence(groups, batch_first=True), counts)
    return vectors[0]


def batch(model: Fuser, rng: random.Random, data: list[tuple[torch.Tensor, list[list[int]]]], size: int, temperature: float):
    """(loss, share of queries whose container is first)."""
    queries, parents = [], []
    for vectors, rows in rng.choices(data, k=size):
        row = rng.choice(rows)
        length = min(len(row), rng.choice((2, 3, 5, 8, 16, 40)))
        at = rng.randrange(len(row) - length + 1)
        run = row[at : at + length]
        outside = row[:at] + row[at + length :]
        query = rng.choice(outside) if outside and rng.random() < 0.5 else rng.choice(run)
        queries.append(vectors[query])
        parents.append(fuse_run(model, vectors[run], rng))
    scores = torch.stack(queries) @ torch.stack(parents).T / temperature
    wanted = torch.arange(size, device=scores.device)
    return F.cross_entropy(scores, wanted), (scores.argmax(1) == wanted).float().mean()


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config = recipe.fuser_train
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    chosen = pick(repositories(places, training_names(places)), config.chunks)
    held = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5]
    data = [(chunk_vectors(places, recipe, layout, c), runs(c)) for c in chosen]
    held_data = [(chunk_vectors(places, recipe, layout, c), runs(c)) for c in held]
    data, held_data = [d for d in data if d[1]], [d for d in held_data if d[1]]
    model = Fuser(recipe.fuser, recipe.embedder.hidden)
    trainer = Trainer(model, config, places.stage("fuser"), minutes)
    rng = random.Random(config.seed + trainer.step)

    def step() -> tuple[dict[str, float], int]:
        value, first = batch(model, rng, data, config.batch, config.temperature)
        value.backward()
        return {"loss": value.item(), "first": first.item()}, config.batch

    def evaluate() -> dict[str, float]:
        fixed = random.Random(3)
        found = [batch(model, fixed, held_data, config.batch, config.temperature) for _ in range(8)]
        zero = random.Random(3)
        mean = [batch(lambda c, n: F.normalize(c.sum(1), dim=-1), zero, held_data, config.batch, config.temperature) for _ in range(8)]
        return {"held_out": sum(v.item() for v, _ in found) / 8, "held_out_first": sum(f.item() for _, f in found) / 8,
                "held_out_mean_of_children": sum(v.item() for v, _ in mean) / 8}

    trainer.run(step, evaluate if held_data else None)
