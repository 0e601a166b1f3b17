"""Step `small`: pre-trains the generator from packed prompts (pack.py) in time-boxed pieces, on CUDA in bf16 where there is one.

One command runs a piece: it takes up the stage `lm` where its checkpoint, or else the parts of an earlier piece (`--parts`), left
it, trains for `piece_minutes` of the whole budget (`lm.minutes`, over which the rate rises and falls), and writes the averaged
weights in parts of at most 16 MB to `--parts`. Needs the packed shards and nothing else: no corpus, no tokenizer, no server.
"""
from __future__ import annotations

import random

import torch

from . import generator, lm, parts
from .config import Places, Recipe
from .data import by_length
from .layout import Prompt
from .loop import Trainer
from .pack import Packed, load

WINDOW = 4_096  # prompts among which batches of similar length are made


class Batches:
    """Endless shuffled micro-batches of at most `tokens` padded tokens."""

    def __init__(self, packed: Packed, tokens: int, seed: int) -> None:
        self.packed, self.tokens, self.rng = packed, tokens, random.Random(seed)
        self.order: list[int] = []
        self.queue: list[list[int]] = []

    def next(self) -> list[Prompt]:
        if not self.queue:
            if not self.order:
                self.order = self.rng.sample(range(len(self.packed)), len(self.packed))
            window, self.order = self.order[:WINDOW], self.order[WINDOW:]
            self.queue = by_length(window, self.packed.length, self.tokens)
            self.rng.shuffle(self.queue)
        return [self.packed.prompt(i) for i in self.queue.pop()]


def restore(places: Places) -> None:
    """Makes the `lm` stage's checkpoint out of the parts, where there is none yet."""
    checkpoint = places.stage("lm") / "checkpoint.pt"
    if places.parts and (places.parts / "parts.json").exists() and not checkpoint.exists():
        torch.save(parts.read(places.parts), checkpoint)
        print(f"small: taken up from parts of {places.parts.name}", flush=True)


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config, settings = recipe.lm, recipe.small
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not places.parts:
        raise SystemExit("small: give --parts, the folder that the checkpoint's parts are read from and written to")
    torch.manual_seed(config.seed)
    training, held = load(places.work / "packed", recipe.tokenizer.vocab_size)
    restore(places)
    model = generator.build(recipe.generator, recipe.tokenizer.vocab_size).to(where)
    if where.type == "cuda":
        model.set_attn_implementation("sdpa")
    hidden = lambda ids: generator.hidden_states(model, ids)  # noqa: E731
    forward = torch.compile(hidden, dynamic=True) if settings.compile else hidden
    trainer = Trainer(model, config, places.stage("lm"))
    micro = settings.micro_tokens_gpu if where.type == "cuda" else settings.micro_tokens_cpu
    batches = Batches(training, micro, config.seed + trainer.step)
    held_batches = [[held.prompt(i) for i in batch] for batch in by_length(list(range(len(held))), held.length, micro)] if held else []
    print(f"small: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(training)} prompts, on {where.type}", flush=True)

    def nats(prompts: list[Prompt]) -> tuple[torch.Tensor, torch.Tensor, int]:
        ids, targets = (part.to(where) for part in lm.tensors(prompts))
        with torch.autocast(where.type, dtype=torch.bfloat16):
            value, count = generator.loss(model, forward(ids), targets)
        return value, count, ids.numel()

    def step() -> tuple[dict[str, float], int]:
        picked, tokens = [], 0
        while tokens < config.tokens_per_step:
            picked.append(batches.next())
            tokens += sum(len(p.context) + len(p.body) for p in picked[-1])
        whole = sum(len(p.body) - 1 for batch in picked for p in batch)
        total = torch.zeros((), device=where)
        for batch in picked:
            value, _, _ = nats(batch)
            (value / whole).backward()
            total += value.detach()
        return {"loss": total.item() / whole}, tokens

    def evaluate() -> dict[str, float]:
        found = [nats(batch)[:2] for batch in held_batches]
        return {"held_out": (sum(a for a, _ in found) / sum(b for _, b in found)).item()}

    trainer.run(step, evaluate if held_batches else None, piece_s=60 * (settings.piece_minutes if minutes is None else minutes))
    count = parts.write(trainer.state(), places.parts)
    done = trainer.elapsed_s >= trainer.budget_s
    print(f"small: {count} parts at step {trainer.step}, {trainer.elapsed_s / 60:.1f} of {config.minutes} minutes{', done' if done else ''}", flush=True)
