"""Step `uwl`: keeps the examples whose context helps a frozen reference language model (HEF, "Data filter").

Δ = log p(y | x, c) − log p(y | x), summed over the tokens of the middle y; x is the prompt without pseudo-tokens, c the text of
the nodes that retrieval found, best first, in the place of snippets. Kept is σ(Δ) ≥ 0.55, that is Δ ≥ 0.2 nats. The reference is
the averaged generator of the `lm` stage, which has read snippets in that place. The ablation gives every example the nodes of
another repository instead: the share that a useless context would keep.

The `hef` stage filters while it draws (`uwl_threshold`), which costs two readings of every example drawn.
"""
from __future__ import annotations

import dataclasses
import json
import math
import random

import numpy as np
import torch
import torch.nn.functional as F

from . import generator, precision, tokenizer
from .config import Places, Recipe
from .data import by_length, pad
from .fuser_train import pick, trained_embedder
from .hef_data import Drawing, Example, Repo
from .layout import Layout
from .loop import averaged
from .pairs import repositories, training_names

MICRO_TOKENS = 4_000
PAPER_THRESHOLD = 0.55
CHUNKS = 20_000  # of the repositories that the step reports on


def context_ids(nodes: np.ndarray, repo: Repo, layout: Layout) -> list[int]:
    """The snippet segment that holds the texts of the nodes, best first, until its maximum is full."""
    texts, size = [], 0
    for i in nodes:
        f = repo.table.file[i]
        if f >= 0 and size < 4 * layout.config.snippets:
            texts.append(repo.chunks.files[f].text[repo.table.start[i] : repo.table.end[i]][:1200])
            size += len(texts[-1])
    return layout.snippets(texts) if texts else []


def other_nodes(example: Example, repos: list[Repo], rng: random.Random) -> tuple[Repo, np.ndarray]:
    """As many nodes of another repository (of the same one where there is no other)."""
    other = repos[(example.repo + rng.randrange(1, max(2, len(repos)))) % len(repos)]
    return other, np.array([rng.randrange(len(other.table.level)) for _ in example.nodes])


@torch.no_grad()
def likelihoods(model, rows: list[tuple[list[int], int]]) -> list[float]:
    """log p of the tokens from an index on, for each (ids, index), in nats."""
    out = [0.0] * len(rows)
    for batch in by_length(list(range(len(rows))), lambda i: len(rows[i][0]), MICRO_TOKENS):
        ids = pad([rows[i][0] for i in batch], tokenizer.PAD)
        with precision.autocast():
            hidden = generator.hidden_states(model, ids)
        for row, i in enumerate(batch):
            tokens, start = rows[i]
            logits = F.linear(hidden[row, start - 1 : len(tokens) - 1].float(), model.lm_head.weight.float())
            out[i] = -F.cross_entropy(logits, torch.tensor(tokens[start:]), reduction="sum").item()
    return out


def deltas(model, layout: Layout, repos: list[Repo], examples: list[Example], seed: int | None = None) -> list[float]:
    """Δ of every example in nats; with a `seed`, of random nodes of other repositories instead of the retrieved ones."""
    rng = random.Random(seed)
    without, given = [], []
    for e in examples:
        repo, nodes = (repos[e.repo], e.nodes) if seed is None else other_nodes(e, repos, rng)
        ids, middle = e.prompt.context + e.prompt.body, len(e.prompt.context) + e.middle
        context = context_ids(nodes, repo, layout)
        without.append((ids, middle))
        given.append((context + ids, len(context) + middle))
    return [a - b for a, b in zip(likelihoods(model, given), likelihoods(model, without))]


def passes(delta: float, threshold: float) -> bool:
    """σ(Δ) ≥ threshold."""
    return delta >= math.log(threshold / (1 - threshold))


def summary(found: list[float], threshold: float) -> dict[str, float]:
    return {
        "kept": round(sum(passes(d, threshold) for d in found) / len(found), 4),
        "negative": round(sum(d < 0 for d in found) / len(found), 4),
        "meanDelta": round(sum(found) / len(found), 4),
        "medianDelta": round(sorted(found)[len(found) // 2], 4),
    }


class Filter:
    """Keeps the examples that pass under the averaged generator of the `lm` stage; `share` of those seen so far."""

    def __init__(self, recipe: Recipe, places: Places, layout: Layout, repos: list[Repo]) -> None:
        self.model = generator.build(recipe.generator, recipe.tokenizer.vocab_size)
        self.model.load_state_dict(averaged(places.stage("lm") / "checkpoint.pt"))
        self.model.eval()
        self.layout, self.repos, self.threshold = layout, repos, recipe.hef.uwl_threshold
        self.seen = self.kept = 0

    def __call__(self, examples: list[Example]) -> list[Example]:
        found = deltas(self.model, self.layout, self.repos, examples)
        out = [e for e, delta in zip(examples, found) if passes(delta, self.threshold)]
        self.seen += len(examples)
        self.kept += len(out)
        return out

    @property
    def share(self) -> float:
        return self.kept / max(1, self.seen)


def run(recipe: Recipe, places: Places) -> None:
    """Prints the share kept and the share that random contexts would keep; writes every score to `stages/uwl/scores.jsonl`."""
    from . import hef
    config = dataclasses.replace(recipe.hef, oracle=0.0)
    threshold = config.uwl_threshold or PAPER_THRESHOLD
    layout = Layout(recipe.layout, tokenizer.load(places))
    repos = hef.repos_of(pick(repositories(places, training_names(places)), CHUNKS), places, recipe, layout, hef.fuser_of(places, recipe))
    drawing = Drawing(repos, layout, trained_embedder(places, recipe), config, config.seed)
    examples = [drawing.next() for _ in range(config.uwl_examples)]
    model = Filter(recipe, places, layout, repos).model
    retrieved, other = deltas(model, layout, repos, examples), deltas(model, layout, repos, examples, seed=1)
    with (places.stage("uwl") / "scores.jsonl").open("w") as handle:
        for e, a, b in zip(examples, retrieved, other):
            handle.write(json.dumps({"repo": repos[e.repo].chunks.name, "tokens": len(e.prompt.body) - e.middle,
                                     "retrieved": round(a, 4), "random": round(b, 4)}) + "\n")
    report = {"examples": len(examples), "threshold": threshold, "retrieved": summary(retrieved, threshold), "random": summary(other, threshold)}
    (places.stage("uwl") / "report.json").write_text(json.dumps(report))
    print(json.dumps(report), flush=True)
