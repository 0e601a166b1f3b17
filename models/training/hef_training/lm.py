"""Step `lm`: pre-trains the generator on serving prompts cut out of repositories.

Prefix and middle are one text, so an example is fixed by its end `e`: the text before `e` is read and written, the text after
it is the suffix (Bavarian et al. 2022, "SPM"). `e` is mostly a line end, sometimes mid-line, sometimes the end of the file;
suffix, entities and snippets are dropped independently, so that every subset of the prompt is in distribution.
"""
from __future__ import annotations

import random

import torch

from . import generator, parallel, precision, tokenizer
from .config import LmConfig, Places, Recipe
from .context import Repository
from .data import IGNORE, by_length, held_out_repositories, pad, training_repositories
from .layout import Layout, Prompt
from .loop import Trainer

STRIDE = 1500  # characters of a file per example and epoch


class Examples:
    """Endless shuffled examples; each epoch visits every stretch of every file once, with fresh ends and context."""

    def __init__(self, repositories: list[Repository], layout: Layout, config: LmConfig, seed: int) -> None:
        self.repositories, self.layout, self.config = repositories, layout, config
        self.rng = random.Random(seed)
        self.queue: list[tuple[int, int, int]] = []

    def refill(self) -> None:
        for r, repository in enumerate(self.repositories):
            for f, file in enumerate(repository.files):
                for k in range(-(-len(file.text) // STRIDE)):
                    if not file.test or self.rng.random() < 0.6:
                        self.queue.append((r, f, k))
        self.rng.shuffle(self.queue)

    def next(self) -> Prompt:
        if not self.queue:
            self.refill()
        r, f, k = self.queue.pop()
        return self.cut(self.repositories[r], f, k * STRIDE)

    def end(self, text: str, start: int) -> tuple[int, bool]:
        """(end of the middle, whether the file is taken to end there)."""
        rng = self.rng
        at = min(len(text), start + rng.randrange(STRIDE))
        draw = rng.random()
        if draw < 0.05:
            return len(text), True
        line_end = text.find("\n", at)
        line_end = len(text) if line_end < 0 else line_end
        if draw < 0.75:
            return line_end, False
        line_start = text.rfind("\n", 0, at) + 1
        if line_end - line_start < 4:
            return line_end, False
        if draw < 0.9:  # before a closing bracket, a quote or a separator of this line
            places = [i for i in range(line_start + 1, line_end) if text[i] in ")]}>,;:\"'`"]
            if places:
                return rng.choice(places), False
        return rng.randrange(line_start + 1, line_end), False

    def cut(self, repository: Repository, own: int, start: int) -> Prompt:
        rng, config = self.rng, self.config
        text = repository.files[own].text
        e, finished = self.end(text, start)
        reach = 2400 if rng.random() < 0.8 else rng.randrange(60, 1800)
        s = max(0, e - reach)
        if s and rng.random() < 0.9:
            s = text.find("\n", s, e) + 1 or s
        before, after = text[s:e], text[e : e + 800]
        no_suffix = finished or rng.random() < config.no_suffix
        held = rng.randrange(20, 160)  # the end that a server would not see yet
        entities = snippets = None
        if rng.random() < config.entities:
            entities = repository.entities(rng, own, before[:-held] + after[:350], before[-2 * held :])
        if rng.random() < config.snippets:
            snippets = repository.snippets(rng, own, before[-900 : -held])
        return self.layout.prompt(before, None if no_suffix else after, entities, snippets,
                                  extra=rng.choice((0, 0, 32)), end=not no_suffix or e == len(text), written=min(held, len(before)))

    def batches(self, tokens: int, micro: int = 2_500) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Micro-batches (ids [B, S], targets [B, S]) of one step of about `tokens` tokens."""
        picked, total = [], 0
        while total < tokens:
            prompt = self.next()
            if len(prompt.body) > 8:
                picked.append(prompt)
                total += len(prompt.context) + len(prompt.body)
        return [tensors(batch) for batch in by_length(picked, lambda p: len(p.context) + len(p.body), micro)]


def tensors(prompts: list[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids [B, S], targets [B, S]): position i predicts token i+1 where that is a body token past its first."""
    ids = [p.context + p.body for p in prompts]
    targets = [[IGNORE] * (len(p.context) + p.loss_from - 1) + p.body[p.loss_from :] + [IGNORE] for p in prompts]
    return pad(ids, tokenizer.PAD), pad(targets, IGNORE)


def batch_loss(model, ids: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with precision.autocast():
        return generator.loss(model, generator.hidden_states(model, ids), targets)


def mean_loss(model, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Nats per target token."""
    total = [batch_loss(model, ids, targets) for ids, targets in batches]
    return (sum(a for a, _ in total) / sum(b for _, b in total)).item()


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config = recipe.lm
    torch.manual_seed(config.seed)
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = generator.build(recipe.generator, recipe.tokenizer.vocab_size)
    trainer = Trainer(model, config, places.stage("lm"), minutes)
    examples = Examples(training_repositories(places), layout, config, config.seed + trainer.step + 100_000 * parallel.rank())
    held_out = held_out_repositories(places.benchmarks, recipe.corpus)
    held = Examples(held_out, layout, config, 7).batches(60_000) if held_out and not parallel.rank() else []
    print(f"generator: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(examples.repositories)} repositories", flush=True)

    def step() -> tuple[dict[str, float], int]:
        batches = examples.batches(config.tokens_per_step)
        targets = sum((t != IGNORE).sum() for _, t in batches)
        total = 0.0
        for ids, wanted in batches:
            value, _ = batch_loss(model, ids, wanted)
            (value / targets).backward()
            total += value.item()
        return {"loss": total / targets.item()}, sum(ids.numel() for ids, _ in batches)

    trainer.run(step, (lambda: {"held_out": mean_loss(model, held)}) if held else None)
