"""Step `hef`: trains projector and generator on prompts with retrieved nodes (HEF, "separate": the fuser is frozen).

The loss is on the whole body, with the weight on the middle; half of the prompts have a short prefix, so that what the nodes
know is worth reading. A share of the steps has no nodes at all (the pre-training examples), so that `none` and `snippets` stay
in distribution. Held-out losses are taken on the same middles with the retrieved nodes, with none, and with another repository's.
"""
from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from . import generator, lm, nodes, parallel, tokenizer
from .config import HefConfig, Places, Recipe
from .data import IGNORE, by_length, training_repositories
from .embedder import Embedder
from .fuser import Fuser
from .fuser_train import chunk_vectors, pick
from .hef_data import Example, Repo, examples, query_embedder
from .layout import Layout
from .loop import Trainer, averaged
from .pairs import Chunks, held_out_names, repositories, training_names
from .projector import Projector


class HefModel(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.generator = generator.build(recipe.generator, recipe.tokenizer.vocab_size)
        self.projector = Projector(recipe.embedder.hidden, recipe.hef.projector_hidden, recipe.generator.hidden)

    def hidden(self, vectors: torch.Tensor | None, ids: torch.Tensor) -> torch.Tensor:
        """vectors [B, K, d] or None, ids [B, S] -> hidden states of the text [B, S, d_g]."""
        embeds = self.generator.model.embed_tokens(ids)
        if vectors is None:
            return generator.hidden_states(self.generator, embeds=embeds)
        pseudo = self.projector(vectors).to(embeds.dtype)
        return generator.hidden_states(self.generator, embeds=torch.cat([pseudo, embeds], 1))[:, vectors.shape[1] :]


def repos_of(chosen: list[Chunks], places: Places, recipe: Recipe, layout: Layout) -> list[Repo]:
    fuser = Fuser(recipe.fuser, recipe.embedder.hidden)
    checkpoint = places.stage("fuser") / "checkpoint.pt"
    if checkpoint.exists():
        fuser.load_state_dict(averaged(checkpoint))
    fuser.eval()
    return [Repo(c, nodes.build(c, chunk_vectors(places, recipe, layout, c), fuser)) for c in chosen]


def make(places: Places, recipe: Recipe, layout: Layout, repos: list[Repo], count: int, seed: int, short: float) -> list[Example]:
    """`count` examples over all repositories, in proportion to the square root of their size."""
    model = Embedder(recipe.embedder, recipe.tokenizer.vocab_size)
    model.load_state_dict(averaged(places.stage("embedder") / "checkpoint.pt"))
    model.eval()
    embed, rng = query_embedder(model, layout), random.Random(seed)
    sizes = np.sqrt([len(r.chunks.flat) for r in repos])
    out: list[Example] = []
    for r, repo in enumerate(repos):
        share = int(count * sizes[r] / sizes.sum()) + 1
        out += examples(rng, r, repo, layout, embed, share, short, recipe.layout.pseudo, 0.6)
    rng.shuffle(out)
    return out


def tensors(batch: list[Example], before_weight: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids [B, S], targets [B, S], weights [B, S])."""
    ids, targets = lm.tensors([e.prompt for e in batch])
    weights = torch.full(targets.shape, before_weight)
    for row, e in enumerate(batch):
        weights[row, len(e.prompt.context) + e.middle - 1 :] = 1.0
    return ids, targets, weights


def stacked(batch: list[Example], repos: list[Repo], shift: int = 0) -> torch.Tensor:
    """[B, K, d] best node first, K that of the shortest in the batch; `shift` takes another repository's nodes."""
    k = min(len(e.nodes) for e in batch)
    rows = []
    for e in batch:
        table = repos[(e.repo + shift) % len(repos)].table
        rows.append(table.vectors[torch.from_numpy(e.nodes[:k].astype(np.int64)) % len(table.vectors)])
    return torch.stack(rows)


@torch.no_grad()
def bag_map(table: torch.Tensor, layout: Layout, repos: list[Repo], sample: int = 4_000) -> tuple[torch.Tensor, torch.Tensor]:
    """(matrix [d_g, d], bias [d_g]): least squares from a chunk's vector to the mean token embedding of its rarer tokens.

    A projector that starts there gives pseudo-tokens which already mean something to the generator. `table` [V, d_g].
    """
    rng = random.Random(0)
    inputs, outputs = [], []
    for _ in range(sample):
        repo = rng.choice(repos)
        i = rng.randrange(len(repo.table.level))
        if repo.table.level[i] == "chunk":
            text = repo.chunks.files[repo.table.file[i]].text[repo.table.start[i] : repo.table.end[i]]
            ids = torch.tensor(layout.encode(text))
            inputs.append(repo.table.vectors[i])
            weights = torch.linspace(0.1, 1.0, len(table))[ids]  # later entries of a byte-pair vocabulary are rarer
            outputs.append((table[ids] * weights[:, None]).sum(0) / weights.sum())
    x, y = torch.stack(inputs), torch.stack(outputs)
    x_mean, y_mean = x.mean(0), y.mean(0)
    covariance = (x - x_mean).T @ (x - x_mean)
    ridge = 0.01 * covariance.diagonal().mean() * torch.eye(x.shape[1])
    matrix = torch.linalg.solve(covariance + ridge, (x - x_mean).T @ (y - y_mean)).T
    scale = table.std() / ((x - x_mean) @ matrix.T).std()
    return matrix * scale, 0.3 * y_mean - matrix * scale @ x_mean


@torch.no_grad()
def measure(model: HefModel, repos: list[Repo], held: list[Example]) -> dict[str, float]:
    """Loss on the middles (nats a token): with nodes, without, with wrong nodes."""
    sums = {"hef": 0.0, "none": 0.0, "wrong": 0.0}
    count = 0
    for batch in by_length(held, lambda e: len(e.prompt.context) + len(e.prompt.body), 3000):
        ids, targets, weights = tensors(batch, 0.0)
        for name, vectors in (("hef", stacked(batch, repos)), ("none", None), ("wrong", stacked(batch, repos, 1))):
            with lm.bf16():
                value, n = generator.loss(model.generator, model.hidden(vectors, ids), targets, weights)
            sums[name] += value.item()
        count += int(n)
    return {f"held_out_{name}": value / count for name, value in sums.items()}


class Mixture:
    """Endless steps of examples with nodes and pre-training prompts without."""

    def __init__(self, config: HefConfig, data: list[Example], plain: lm.Examples, seed: int) -> None:
        self.config, self.data, self.plain, self.rng = config, data, plain, random.Random(seed)
        self.queue: list[Example] = []

    def step(self) -> tuple[list[list[Example]], list[tuple[torch.Tensor, torch.Tensor]]]:
        """(batches with nodes, batches of (ids, targets) without)."""
        without = self.config.no_nodes * self.config.tokens_per_step
        picked, total = [], 0
        while total < self.config.tokens_per_step - without:
            if not self.queue:
                self.queue = self.rng.sample(self.data, len(self.data))
            example = self.queue.pop()
            picked.append(example)
            total += len(example.prompt.context) + len(example.prompt.body) + len(example.nodes)
        size = lambda e: len(e.prompt.context) + len(e.prompt.body) + 32  # noqa: E731
        return by_length(picked, size, 2500), self.plain.batches(int(without)) if without else []


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config = recipe.hef
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = HefModel(recipe)
    pretrained = places.stage("lm") / "checkpoint.pt"
    if pretrained.exists():
        model.generator.load_state_dict(averaged(pretrained))
    trainer = Trainer(model, config, places.stage("hef"), minutes)
    repos = repos_of(pick(repositories(places, training_names(places)), config.chunks), places, recipe, layout)
    if trainer.step == 0:
        model.projector.start_linear(*bag_map(model.generator.model.embed_tokens.weight, layout, repos))
        trainer.restart_average()
    seed = config.seed + trainer.step + 100_000 * parallel.rank()
    data = make(places, recipe, layout, repos, config.examples // parallel.size(), seed, config.short_prefix)
    held_chunks = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5]
    held_repos = repos_of(held_chunks, places, recipe, layout)
    held = make(places, recipe, layout, held_repos, 300, 3, config.short_prefix / 2) if held_repos and not parallel.rank() else []
    plain = lm.Examples(training_repositories(places), layout, recipe.lm, seed + 1000)
    mixture = Mixture(config, data, plain, seed)
    print(f"hef: {len(data)} examples of {len(repos)} repositories, {len(held)} held out", flush=True)

    def step() -> tuple[dict[str, float], int]:
        batches, without = mixture.step()
        parts = [(stacked(b, repos), *tensors(b, config.before_weight)) for b in batches]
        parts += [(None, ids, targets, torch.full(targets.shape, config.before_weight)) for ids, targets in without]
        whole = sum((weights * (targets != IGNORE)).sum() for _, _, targets, weights in parts)
        total = 0.0
        for vectors, ids, targets, weights in parts:
            with lm.bf16():
                value, _ = generator.loss(model.generator, model.hidden(vectors, ids), targets, weights)
            (value / whole).backward()
            total += value.item()
        return {"loss": total / whole.item()}, sum(ids.numel() for _, ids, _, _ in parts)

    trainer.run(step, (lambda: measure(model, held_repos, held)) if held else None)
