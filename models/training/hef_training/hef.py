"""Step `hef`: trains projector and generator on prompts with retrieved nodes (HEF, "separate": the fuser is frozen; `end_to_end`:
the fuser learns too, from the loss of the generator).

The loss is on the whole body, with the weight on the middle; half of the prompts have a short prefix, so that what the nodes
know is worth reading. A share of the steps has no nodes at all (the pre-training examples), so that `none` and `snippets` stay
in distribution. Held-out losses are taken on the same middles with the retrieved nodes, with none, and with another repository's.
"""
from __future__ import annotations

import dataclasses
import random

import numpy as np
import torch
from torch import nn

from . import end_to_end, generator, lm, nodes, parallel, precision, tokenizer, uwl
from .config import HefConfig, Places, Recipe
from .data import IGNORE, by_length, training_repositories
from .export import START_FILE
from .fuser import Fuser
from .fuser_train import Source, chunk_vectors, composition, cursors, pick, source, trained_embedder
from .fuser_train import batch as contrastive_batch
from .hef_data import Drawing, Example, Repo
from .layout import Layout
from .loop import Trainer, averaged
from .pairs import Chunks, held_out_names, repositories, training_names
from .projector import Projector
from .tokens import tokenised


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


def fuser_of(places: Places, recipe: Recipe) -> Fuser:
    """The fuser of the contrastive stage, or an untrained one (the mean of the children)."""
    fuser = Fuser(recipe.fuser, recipe.embedder.hidden)
    checkpoint = places.stage("fuser") / "checkpoint.pt"
    if checkpoint.exists():
        fuser.load_state_dict(averaged(checkpoint))
    return fuser.eval()


def repos_of(chosen: list[Chunks], places: Places, recipe: Recipe, layout: Layout, fuser: Fuser) -> list[Repo]:
    files = tokenised(chosen, layout, places)
    return [Repo(c, nodes.build(c, chunk_vectors(places, recipe, layout, c), fuser), f) for c, f in zip(chosen, files)]


def contrasts(repos: list[Repo], places: Places, recipe: Recipe, layout: Layout, queries: int) -> list[tuple[Chunks, Source]]:
    """What the fuser's contrastive loss is drawn from, of repositories with any."""
    embedder, rng = trained_embedder(places, recipe), random.Random(1)
    made = [
        (repo.chunks, source(repo.chunks, chunk_vectors(places, recipe, layout, repo.chunks), cursors(rng, repo.chunks, repo.tokens, embedder, queries)))
        for repo in repos
    ]
    return [(chunks, data) for chunks, data in made if data.rows and data.places]


def tensors(batch: list[Example], before_weight: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids [B, S], targets [B, S], weights [B, S])."""
    ids, targets = lm.tensors([e.prompt for e in batch])
    weights = torch.full(targets.shape, before_weight)
    for row, e in enumerate(batch):
        weights[row, len(e.prompt.context) + e.middle - 1 :] = 1.0
    return ids, targets, weights


def stacked(batch: list[Example], repos: list[Repo], shift: int = 0, fuser: Fuser | None = None) -> torch.Tensor:
    """[B, K, d] best node first, K that of the shortest in the batch; `shift` takes another repository's nodes."""
    if fuser is not None:
        return end_to_end.stacked([repo.table for repo in repos], [(e.repo, e.nodes) for e in batch], fuser)
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
def measure(model: HefModel, repos: list[Repo], held: list[Example], eot: int) -> dict[str, float]:
    """Loss on the text of the middles (nats a token, without the end): with nodes, without, with wrong nodes."""
    sums = {"hef": 0.0, "none": 0.0, "wrong": 0.0}
    count = 0
    for batch in by_length(held, lambda e: len(e.prompt.context) + len(e.prompt.body), 3000):
        ids, targets, weights = tensors(batch, 0.0)
        weights = weights * (targets != eot)
        for name, vectors in (("hef", stacked(batch, repos)), ("none", None), ("wrong", stacked(batch, repos, 1))):
            with precision.autocast():
                value, n = generator.loss(model.generator, model.hidden(vectors, ids), targets, weights)
            sums[name] += value.item()
        count += int(n)
    return {f"held_out_{name}": value / count for name, value in sums.items()}


class Mixture:
    """Endless steps: examples with nodes, chunks written out with their own node, and pre-training prompts without nodes."""

    def __init__(self, config: HefConfig, drawing: Drawing, plain: lm.Examples, pseudo: int, seed: int) -> None:
        self.config, self.drawing, self.plain, self.pseudo, self.rng = config, drawing, plain, pseudo, random.Random(seed)

    def step(self) -> tuple[list[list[Example]], list[tuple[torch.Tensor, torch.Tensor]]]:
        """(batches with nodes, each of one K; batches of (ids, targets) without)."""
        config, budget = self.config, self.config.tokens_per_step
        size = lambda e: len(e.prompt.context) + len(e.prompt.body) + len(e.nodes)  # noqa: E731
        k = self.pseudo if self.rng.random() < 0.75 else self.rng.choice((4, 10, 20))
        k = 0 if self.rng.random() < config.bare else k
        retrieved = self.fill(lambda: self.drawing.next(), budget * (1 - config.no_nodes - config.rebuild), size, k)
        few = self.rng.choice((1, 2, 4, 8, self.pseudo))
        rebuilt = self.fill(lambda: self.drawing.rebuilding(few), budget * config.rebuild, size, few)
        plain = self.plain.batches(int(config.no_nodes * budget)) if config.no_nodes else []
        return by_length(retrieved, size, 2500) + by_length(rebuilt, size, 2500), plain

    def fill(self, draw, tokens: float, size, k: int) -> list[Example]:
        picked: list[Example] = []
        total, tries = 0, 0
        while total < tokens and tries < 1000:
            tries += 1
            example = draw()
            if example:
                example.nodes = example.nodes[:k]
                picked.append(example)
                total += size(example)
        return picked


def shard(chosen: list[Chunks]) -> list[Chunks]:
    """This process's share of the repositories: every process holds the vectors of its own only."""
    by_size = sorted(chosen, key=lambda c: -len(c.flat))
    return sorted(by_size[parallel.rank() :: parallel.size()], key=lambda c: c.name)


def run(recipe: Recipe, places: Places, config: HefConfig, minutes: float | None) -> None:
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = HefModel(recipe)
    pretrained = places.stage("lm") / "checkpoint.pt"
    if pretrained.exists():
        model.generator.load_state_dict(averaged(pretrained))
    fuser = fuser_of(places, recipe)
    if config.end_to_end:
        model.fuser = fuser
    trainer = Trainer(model, config, places.stage(config.stage), minutes)
    repos = repos_of(shard(pick(repositories(places, training_names(places)), config.chunks)), places, recipe, layout, fuser)
    if trainer.step == 0:
        starting = places.stage("hef") / "checkpoint.pt"
        taken = places.stage("hef") / START_FILE
        if config.end_to_end and starting.exists():
            model.load_state_dict(averaged(starting), strict=False)
        elif taken.exists():
            model.load_state_dict(torch.load(taken, weights_only=True), strict=False)
        else:
            model.projector.start_linear(*bag_map(model.generator.model.embed_tokens.weight, layout, repos))
        trainer.restart_average()
    seed = config.seed + trainer.step + 100_000 * parallel.rank()
    embedder = trained_embedder(places, recipe)
    held_chunks = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5] if not parallel.rank() else []
    held_repos = repos_of(held_chunks, places, recipe, layout, fuser)
    held = []
    if held_repos:
        drawn = Drawing(held_repos, layout, embedder, dataclasses.replace(config, oracle=0.0, short_prefix=config.short_prefix / 2), 3)
        held = [drawn.next() for _ in range(300)]
    plain = lm.Examples(training_repositories(places), layout, recipe.lm, seed + 1000)
    keep = uwl.Filter(recipe, places, layout, repos) if config.uwl_threshold else None
    mixture = Mixture(config, Drawing(repos, layout, embedder, config, seed, keep), plain, recipe.layout.pseudo, seed)
    learned = fuser if config.end_to_end else None
    contrast = contrasts(repos, places, recipe, layout, 80) if learned is not None and config.contrast else []
    searched = contrasts(held_repos, places, recipe, layout, 60)
    rng = random.Random(seed)
    print(f"hef: {sum(len(r.table.level) for r in repos)} nodes of {len(repos)} repositories, {len(held)} examples held out", flush=True)

    def step() -> tuple[dict[str, float], int]:
        if learned is not None and trainer.step % config.refresh_every == config.refresh_every - 1:
            end_to_end.refresh([repo.table for repo in repos + held_repos], fuser)
        batches, without = mixture.step()
        parts = [(stacked(b, repos, fuser=learned), *tensors(b, config.before_weight)) for b in batches]
        parts += [(None, ids, targets, torch.full(targets.shape, config.before_weight)) for ids, targets in without]
        whole = sum((weights * (targets != IGNORE)).sum() for _, _, targets, weights in parts)
        total = 0.0
        for vectors, ids, targets, weights in parts:
            with precision.autocast():
                value, _ = generator.loss(model.generator, model.hidden(vectors, ids), targets, weights)
            (value / whole).backward()
            total += value.item()
        if contrast:
            apart, _ = contrastive_batch(fuser, rng, [data for _, data in contrast], config.contrast_batch, recipe.fuser_train.temperature)
            (config.contrast * apart).backward()
        return {"loss": total / whole.item()}, sum(ids.numel() for _, ids, _, _ in parts)

    trainer.run(step, (lambda: {**measure(model, held_repos, held, layout.specials.eot), **composition(fuser, searched)}) if held else None)
