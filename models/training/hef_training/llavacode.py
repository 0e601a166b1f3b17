"""Step `llavacode`: trains LlavaCode's projector (arXiv 2510.19644) against the frozen generator and frozen embedder.

An example is the rest of a line; its context are the projected vectors of the ten chunks most similar to the last lines before
the cursor (Jaccard), as `--context llavacode` serves them: no entities. The loss is 0.9 cross entropy of the middle, 0.1 REINFORCE
(reward: exact match plus edit similarity of a greedy rollout of at most 50 tokens, the mean of the batch as its baseline) and 0.1
alignment, ‖S(enc) − S(proj)‖_F / √2 with S the cosine similarities among one prompt's chunks: it keeps the projections apart.
Evaluations report the collapse figure: the mean cosine of two held-out chunks before and after projection.

Deliberately lacks: a second look-up of similar chunks for identifiers below three letters (the server counts those too).
"""
from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from . import generator, lm, precision, tokenizer
from .config import LlavaConfig, Places, Recipe
from .data import by_length, pad
from .fuser_train import chunk_vectors, pick
from .hef_data import draft
from .layout import Layout, Prompt
from .lexical import Lexical
from .loop import Trainer
from .pairs import Chunks, held_out_names, repositories, training_names
from .projector import LlavaProjector

STAGE, UNALIGNED = "llavacode", "llavacode-unaligned"
QUERY_LINES = 20
VISIBLE_AFTER = 350  # characters after the line that the suffix shows


@dataclass
class Example:
    prompt: Prompt
    middle: int  # first index of prompt.body that stands after the cursor
    repo: int
    chunks: list[int]  # flat indexes, most similar first

    @property
    def length(self) -> int:
        return len(self.prompt.context) + len(self.prompt.body) + len(self.chunks)

    @property
    def shown(self) -> list[int]:
        """Token ids up to the cursor."""
        return self.prompt.context + self.prompt.body[: self.middle]


@dataclass
class Source:
    """A repository: its chunks, their vectors [n, d] and the lexical index over them."""

    chunks: Chunks
    vectors: torch.Tensor
    lexical: Lexical

    @classmethod
    def of(cls, chunks: Chunks, vectors: torch.Tensor) -> "Source":
        return cls(chunks, vectors, Lexical([chunks.text(i) for i in range(len(chunks.flat))]))

    def similar(self, file: int, text: str, cursor: int, visible: tuple[int, int], k: int) -> list[int]:
        """The k chunks most similar to the lines before the cursor, without those that the prompt shows."""
        scores = self.lexical.jaccard("\n".join(text[:cursor].split("\n")[-QUERY_LINES:]))
        first = self.chunks.first.get(file, 0)
        for i, (start, end) in enumerate(self.chunks.files[file].spans):
            if start < visible[1] and end > visible[0]:
                scores[first + i] = -1.0
        order = sorted((i for i, score in enumerate(scores) if score > 0), key=lambda i: -scores[i])
        return order[:k]


def examples(rng: random.Random, r: int, source: Source, layout: Layout, count: int, k: int) -> list[Example]:
    """About `count` examples of repository `r`; places without similar chunks are left out."""
    out: list[Example] = []
    for _ in range(count * 4):
        d = draft(rng, source.chunks, 0.3)
        if len(out) == count or d is None:
            continue
        text = source.chunks.files[d.file].text
        end = text.find("\n", d.cursor)
        end = len(text) if end < 0 else end
        chunks = source.similar(d.file, text, d.cursor, (d.start, end + VISIBLE_AFTER), k)
        ends = d.with_suffix or end == len(text)
        prompt = layout.prompt(text[d.start : end], text[end : end + 800] if d.with_suffix else None, extra=64, end=ends)
        written = len(layout.encode(text[d.start : end])) - len(layout.encode(text[d.start : d.cursor]))
        middle = len(prompt.body) - written - (1 if ends else 0)
        if chunks and written > 0 and middle > 1:
            out.append(Example(prompt, middle, r, chunks))
    return out


def make(sources: list[Source], layout: Layout, count: int, k: int, seed: int) -> list[Example]:
    rng = random.Random(seed)
    weights = [len(s.chunks.flat) ** 0.5 for s in sources]
    out = [e for r, s in enumerate(sources) for e in examples(rng, r, s, layout, int(count * weights[r] / sum(weights)) + 1, k)]
    rng.shuffle(out)
    return out


def vectors_of(batch: list[Example], sources: list[Source], shift: int = 0) -> torch.Tensor:
    """[B, K, d], most similar first, K that of the shortest; `shift` takes another repository's chunks."""
    k = min(len(e.chunks) for e in batch)
    tables = [sources[(e.repo + shift) % len(sources)].vectors for e in batch]
    return torch.stack([table[torch.tensor(e.chunks[:k]) % len(table)] for e, table in zip(batch, tables)])


def tensors(batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids [B, S], targets [B, S], weights [B, S]): only the middle counts."""
    ids, targets = lm.tensors([e.prompt for e in batch])
    weights = torch.zeros(targets.shape)
    for row, e in enumerate(batch):
        weights[row, len(e.prompt.context) + e.middle - 1 :] = 1.0
    return ids, targets, weights


def with_pseudo(model, projected: torch.Tensor | None, ids: torch.Tensor) -> torch.Tensor:
    """[B, K + S, d_g] input embeddings."""
    embeds = model.model.embed_tokens(ids)
    return embeds if projected is None else torch.cat([projected.to(embeds.dtype), embeds], 1)


def cross_entropy(model, projected: torch.Tensor | None, batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of nats, tokens) over the middles."""
    ids, targets, weights = tensors(batch)
    with precision.autocast():
        hidden = generator.hidden_states(model, embeds=with_pseudo(model, projected, ids))[:, -ids.shape[1] :]
        return generator.loss(model, hidden, targets, weights)


def cosines(vectors: torch.Tensor) -> torch.Tensor:
    """[..., n, d] -> [..., n, n]."""
    unit = F.normalize(vectors.float(), dim=-1)
    return unit @ unit.transpose(-1, -2)


def alignment(encoded: torch.Tensor, projected: torch.Tensor) -> torch.Tensor:
    """Mean over prompts of ‖S(encoded) − S(projected)‖_F / √2; [B, K, d] and [B, K, d_g]."""
    difference = cosines(encoded) - cosines(projected)
    return (difference.square().sum((-1, -2)) / 2 + 1e-12).sqrt().mean()


def edit_similarity(a: str, b: str) -> float:
    """1 − Levenshtein distance / longer length, 0 to 1."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return 1 - row[-1] / max(len(a), len(b), 1)


def reward(written: str, wanted: str) -> float:
    """Exact match plus edit similarity of the first lines, 0 to 2."""
    written, wanted = written.split("\n")[0].strip(), wanted.split("\n")[0].strip()
    return float(written == wanted) + edit_similarity(written, wanted)


@torch.no_grad()
def rollout(model, projected: torch.Tensor, batch: list[Example], count: int, stops: list[int]) -> list[list[int]]:
    """Greedy tokens of each prompt, a stopping token included; prompts are padded on the left."""
    rows = [e.shown for e in batch]
    width = max(map(len, rows))
    embeds, mask = [], []
    for row, pseudo in zip(rows, projected):
        own = with_pseudo(model, pseudo[None], torch.tensor([row]))[0]
        padding = torch.zeros(width - len(row), own.shape[1], dtype=own.dtype)
        embeds.append(torch.cat([padding, own]))
        mask.append(torch.cat([torch.zeros(len(padding)), torch.ones(len(own))]))
    kernel = model.config._attn_implementation
    model.set_attn_implementation("sdpa")  # the plain kernel takes no mask
    try:
        out = model.generate(inputs_embeds=torch.stack(embeds), attention_mask=torch.stack(mask).long(), max_new_tokens=count,
                             do_sample=False, use_cache=True, eos_token_id=stops, pad_token_id=tokenizer.PAD)
    finally:
        model.set_attn_implementation(kernel)
    return [row[: next((i + 1 for i, t in enumerate(row) if t in stops), len(row))] for row in out.tolist()]


def reinforce(model, projected: torch.Tensor, batch: list[Example], written: list[list[int]], rewards: torch.Tensor) -> torch.Tensor:
    """−mean((reward − mean reward) · mean log p of the rollout's tokens)."""
    prompts = [e.shown for e in batch]
    ids = pad([prompt + row for prompt, row in zip(prompts, written)], tokenizer.PAD)
    with precision.autocast():
        hidden = generator.hidden_states(model, embeds=with_pseudo(model, projected, ids))[:, projected.shape[1] :]
    each = []
    for row, (prompt, tokens) in enumerate(zip(prompts, written)):
        logits = F.linear(hidden[row, len(prompt) - 1 : len(prompt) - 1 + len(tokens)].float(), model.lm_head.weight.float())
        each.append(-F.cross_entropy(logits, torch.tensor(tokens)))
    return -((rewards - rewards.mean()) * torch.stack(each)).mean()


@torch.no_grad()
def collapse(projector: LlavaProjector, sources: list[Source], sample: int = 256) -> dict[str, float]:
    """Mean cosine of two different chunks before and after projection; near 1 after it means that all chunks look alike."""
    random_ = torch.Generator().manual_seed(0)
    table = torch.cat([s.vectors for s in sources])
    picked = table[torch.randperm(len(table), generator=random_)[:sample]]
    n = len(picked)
    pairs = lambda v: ((cosines(v).sum() - n) / (n * (n - 1))).item()  # noqa: E731
    return {"cosine_before": pairs(picked), "cosine_after": pairs(projector(picked))}


@torch.no_grad()
def measure(model, projector: LlavaProjector, sources: list[Source], held: list[Example]) -> dict[str, float]:
    """Loss on held-out middles (nats a token) with the chunks, without, with another repository's; and the collapse figure."""
    sums, count = {"llavacode": 0.0, "none": 0.0, "wrong": 0.0}, 0
    for batch in by_length(held, lambda e: e.length, 3000):
        for name, vectors in (("llavacode", vectors_of(batch, sources)), ("none", None), ("wrong", vectors_of(batch, sources, 1))):
            value, n = cross_entropy(model, None if vectors is None else projector(vectors), batch)
            sums[name] += value.item()
        count += int(n)
    return {f"held_out_{name}": value / count for name, value in sums.items()} | collapse(projector, sources)


def digest(model: torch.nn.Module) -> str:
    """16 hex digits of the generator's weights: the projector fits these and no others."""
    out = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        out.update(name.encode() + value.float().numpy().tobytes())
    return out.hexdigest()[:16]


def train(config: LlavaConfig, model, places: Places, layout: Layout, folder: Path, minutes: float,
          sources: list[Source], data: list[Example], held: tuple[list[Source], list[Example]]) -> LlavaProjector:
    torch.manual_seed(config.seed)
    scale = model.model.embed_tokens.weight.std().item()
    projector = LlavaProjector(sources[0].vectors.shape[1], model.config.hidden_size, scale)
    begin_anew_for_another(model, folder)
    trainer = Trainer(projector, config, folder, minutes)
    rng = random.Random(config.seed + trainer.step)
    stops = [tokenizer.EOT, *sorted(tokenizer.newline_ids(layout.tokenizer))]

    def step() -> tuple[dict[str, float], int]:
        picked = rng.sample(data, min(config.batch, len(data)))
        batches = by_length(picked, lambda e: e.length, 2500)
        tokens = sum(len(e.prompt.body) - e.middle for e in picked)
        values = {"loss": 0.0, "alignment": 0.0}
        for batch in batches:
            encoded = vectors_of(batch, sources)
            projected = projector(encoded)
            entropy, _ = cross_entropy(model, projected, batch)
            apart = alignment(encoded, projected) * len(batch) / len(picked)
            (config.cross_entropy * entropy / tokens + config.alignment * apart).backward()
            values["loss"] += entropy.item() / tokens
            values["alignment"] += apart.item()
        if config.reinforce and config.rollouts:
            values["reward"] = play(picked[: config.rollouts])
        return values, sum(e.length for e in picked)

    def play(batch: list[Example]) -> float:
        projected = projector(vectors_of(batch, sources))
        written = rollout(model, projected, batch, config.rollout_tokens, stops)
        rewards = torch.tensor([
            reward(layout.tokenizer.decode(row), layout.tokenizer.decode(e.prompt.body[e.middle :])) for row, e in zip(written, batch)
        ])
        (config.reinforce * reinforce(model, projected, batch, written, rewards)).backward()
        return rewards.mean().item()

    trainer.run(step, (lambda: measure(model, projector, *held)) if held[1] else None)
    projector.load_state_dict(trainer.average)
    return projector.eval()


def begin_anew_for_another(model: torch.nn.Module, folder: Path) -> None:
    """A projector goes with the generator that it was trained against: the checkpoint of another one's is no beginning."""
    note = folder / "generator.json"
    own = {"digest": digest(model)}
    if note.exists() and json.loads(note.read_text()) != own:
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(own))


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    from .export import Models
    config = recipe.llavacode
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = Models(recipe, places).generator
    with_vectors = lambda repos: [Source.of(c, chunk_vectors(places, recipe, layout, c)) for c in repos]  # noqa: E731
    sources = with_vectors(pick(repositories(places, training_names(places)), config.chunks))
    held_sources = with_vectors(sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5])
    data = make(sources, layout, config.examples, config.snippets, config.seed)
    held = held_sources, make(held_sources, layout, 200, config.snippets, 3) if held_sources else []
    print(f"llavacode: {len(data)} examples of {len(sources)} repositories, {len(held[1])} held out", flush=True)
    runs = [(STAGE, config, config.minutes if minutes is None else minutes)]
    if config.ablation_minutes:
        runs.append((UNALIGNED, type(config)(**{**vars(config), "alignment": 0.0}), config.ablation_minutes))
    for stage, settings, budget in runs:
        projector = train(settings, model, places, layout, places.stage(stage), budget, sources, data, held)
        print(json.dumps({"stage": stage, "alignment": settings.alignment, **collapse(projector, held_sources or sources)}), flush=True)
