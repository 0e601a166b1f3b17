"""Step `fuser`: contrastive pre-training of the fuser (HEF, stage 1): a query against the vector of its container.

Chunk vectors come from the frozen embedder. An example is a run of sibling chunks of one directory, fused through random groups
of 2 to 8 until one vector is left. The query is the text before a cursor in the run, embedded as retrieval embeds it, or a chunk;
of the run or, as often, of the same directory outside it. InfoNCE with in-batch negatives, temperature 0.07.

Nodes of all levels compete in one search, so containers are held against chunks as well: a query's container comes before the
nearest of some chunks elsewhere in its repository, and the nearest chunk of its directory before other containers. Containers that
compete with each other alone lose what all vectors have in common, and with it every search: of the 32 nearest nodes 3 % were inner
ones, with the mean of the children 40 %. `inner` and `directories` of the log are those shares on held-out repositories.
"""
from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import nodes, tokenizer
from .config import Places, Recipe
from .embedder import PASSAGE, QUERY, Embedder
from .embedder_train import embed_rows
from .fuser import Fuser
from .layout import Layout
from .loop import Trainer, averaged
from .pairs import Chunks, held_out_names, repositories, training_names
from .served_embedder import ServedEmbedder, is_served
from .tokens import TokenisedFiles, tokenise, tokenised

QUERY_TOKENS = 512
RIVALS = 16  # chunks elsewhere in the repository, the nearest of which is a negative
GROUPS = 6  # repositories in a batch, so that containers of one repository are told apart


def trained_embedder(places: Places, recipe: Recipe) -> Embedder | ServedEmbedder:
    if is_served(places.stage("embedder")):
        return ServedEmbedder(places.stage("embedder"))
    model = Embedder(recipe.embedder, recipe.tokenizer.vocab_size)
    model.load_state_dict(averaged(places.stage("embedder") / "checkpoint.pt"))
    return model.eval()


@torch.no_grad()
def chunk_vectors(places: Places, recipe: Recipe, layout: Layout, chunks: Chunks) -> torch.Tensor:
    """[n, d] of all chunks, memoised below the work folder for the embedder."""
    folder = places.stage("embedder")
    step = "served" if is_served(folder) else torch.load(folder / "checkpoint.pt", weights_only=True, mmap=True)["step"]
    cache = places.stage("vectors") / f"{chunks.name}-{step}-{len(chunks.flat)}.pt"
    if cache.exists():
        return torch.load(cache, weights_only=True).float()
    model = trained_embedder(places, recipe)
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


@dataclass
class Source:
    """What examples of one repository are drawn from."""

    vectors: torch.Tensor  # [n, d] of its chunks
    rows: list[list[int]]  # chunks of each directory
    queries: torch.Tensor | None = None  # [m, d] of cursors
    places: list[int] | None = None  # the chunk of each


def source(chunks: Chunks, vectors: torch.Tensor, queries: tuple[torch.Tensor, list[int]] | None = None) -> Source:
    return Source(vectors, runs(chunks), *(queries or (None, None)))


def cursors(rng: random.Random, chunks: Chunks, files: TokenisedFiles, model: Embedder, count: int) -> tuple[torch.Tensor, list[int]]:
    """(query vectors [m, d], the chunk in which each cursor stands) of random places."""
    rows, places = [], []
    for _ in range(count):
        f = rng.randrange(len(chunks.files))
        cursor = rng.randrange(len(chunks.files[f].text))
        row = files.before(f, cursor, QUERY_TOKENS)
        if len(row) > 8:
            rows.append(row)
            places.append(chunks.at(f, cursor))
    with torch.no_grad():
        return embed_rows(model, rows, QUERY), places


@dataclass
class Drawn:
    query: torch.Tensor  # [d]
    run: list[int]  # chunks to fuse
    row: list[int]  # all chunks of their directory
    near: list[int]  # those of them that the query is not made of


def draw(rng: random.Random, data: Source) -> Drawn:
    row, at, query = rng.choice(data.rows), None, None
    if data.queries is not None and rng.random() < 0.5:
        drawn = rng.randrange(len(data.queries))
        home = next((row for row in data.rows if data.places[drawn] in row), None)
        if home is not None:
            row, at, query = home, home.index(data.places[drawn]), data.queries[drawn]
    if at is None:
        at = rng.randrange(len(row))
        query = data.vectors[row[at]]
    length = min(len(row), rng.choice((2, 3, 5, 8, 16, 40)))
    starts = range(max(0, at - length + 1), min(at, len(row) - length) + 1) if rng.random() < 0.5 else range(len(row) - length + 1)
    start = rng.choice(starts)
    near = [i for i in row if abs(i - row[at]) > 1] or row
    return Drawn(query, row[start : start + length], row, near)


def nearest(vectors: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return vectors[(vectors @ query).argmax()]


def batch(model: Fuser, rng: random.Random, data: list[Source], size: int, temperature: float):
    """(loss, share of queries whose container is before all other containers)."""
    queries, parents, rivals, siblings, homes = [], [], [], [], []
    for number, each in enumerate(rng.choices(data, k=GROUPS)):
        for _ in range(-(-size // GROUPS)):
            drawn = draw(rng, each)
            inside = set(drawn.row)
            elsewhere = [i for i in (rng.randrange(len(each.vectors)) for _ in range(RIVALS)) if i not in inside] or drawn.row
            queries.append(drawn.query)
            parents.append(fuse_run(model, each.vectors[drawn.run], rng))
            rivals.append(nearest(each.vectors[elsewhere], drawn.query))
            siblings.append(nearest(each.vectors[drawn.near], drawn.query))
            homes.append((number, drawn.row[0]))
    asked = torch.stack(queries)
    wanted = torch.arange(len(homes), device=asked.device)
    same = torch.tensor([[a == b and i != j for j, b in enumerate(homes)] for i, a in enumerate(homes)], device=asked.device)
    scores = (asked @ torch.stack(parents).T / temperature).masked_fill(same, -torch.inf)
    to_chunk = lambda chunks: (asked * torch.stack(chunks)).sum(1, keepdim=True) / temperature  # noqa: E731
    others = scores.masked_fill(torch.eye(len(homes), dtype=torch.bool, device=asked.device), -torch.inf)
    above_chunks = F.cross_entropy(torch.cat([scores, to_chunk(rivals)], 1), wanted)
    below_chunks = F.cross_entropy(torch.cat([to_chunk(siblings), others], 1), torch.zeros_like(wanted))
    return above_chunks + below_chunks, (scores.argmax(1) == wanted).float().mean()


@torch.no_grad()
def composition(model: Fuser, held: list[tuple[Chunks, Source]], k: int = 32) -> dict[str, float]:
    """Shares of inner nodes and of directories among the nearest `k` of each repository's queries."""
    levels: list[str] = []
    for chunks, data in held:
        table = nodes.build(chunks, data.vectors, model)
        best = (data.queries @ table.vectors.T).topk(min(k, len(table.level))).indices
        levels += [table.level[i] for i in best.flatten().tolist()]
    count = max(1, len(levels))
    return {"inner": sum(level != "chunk" for level in levels) / count,
            "directories": sum(level in ("directory", "repository") for level in levels) / count}


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config = recipe.fuser_train
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    chosen = pick(repositories(places, training_names(places)), config.chunks)
    held = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5]
    embedder, drawn = trained_embedder(places, recipe), random.Random(config.seed)

    def sources(repos: list[Chunks], count: int) -> list[tuple[Chunks, Source]]:
        files = tokenised(repos, layout, places)
        made = [(c, source(c, chunk_vectors(places, recipe, layout, c), cursors(drawn, c, f, embedder, count))) for c, f in zip(repos, files)]
        return [(c, data) for c, data in made if data.rows and data.places]

    data, held_all = [data for _, data in sources(chosen, config.queries)], sources(held, 60)
    held_data = [data for _, data in held_all]
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
                "held_out_mean_of_children": sum(v.item() for v, _ in mean) / 8, **composition(model, held_all)}

    trainer.run(step, evaluate if held_data else None)
