"""Step `evaluate`: what held-out lines cost in PyTorch, and what nodes change about it.

Each line is asked for from its start, by the prompt that the server would build, without entity names: the nodes alone differ. A
line's text and its end are counted apart, because nodes that stand in front of lines only, in training, say first of all that a line
ends; and beside the retrieved nodes stand those of another repository, which know nothing of this one.
"""
from __future__ import annotations

import dataclasses
import json
import random

import torch
import torch.nn.functional as F

from . import hef, lm, precision, tokenizer
from .config import Places, Recipe
from .data import by_length, held_out_repositories
from .hef_data import Draft, Drawing, Example, Repo
from .layout import Layout, Prompt, Specials
from .pairs import Chunks, held_out_names, repositories

WINDOWS = {"full": 2200, "short": 300}  # characters before the cursor
LONGEST_LINE = 600


def plain_prompts(recipe: Recipe, places: Places, count: int, specials: Specials = Specials()) -> list[Prompt]:
    """Fixed serving prompts (suffix, entities, snippets as in pre-training) cut out of the held-out repositories."""
    repositories = held_out_repositories(places.benchmarks, recipe.corpus)
    if not repositories:
        return []
    examples = lm.Examples(repositories, Layout(recipe.layout, tokenizer.load(places), specials), recipe.lm, 11)
    out: list[Prompt] = []
    while len(out) < count:
        prompt = examples.next()
        if len(prompt.body) > 8:
            out.append(prompt)
    return out


def line(rng: random.Random, chunks: Chunks, window: int, with_suffix: bool) -> Draft | None:
    """A random line with something in it, from its first character on, that has half of the window before it."""
    f = rng.randrange(len(chunks.files))
    text = chunks.files[f].text
    start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
    end = text.find("\n", start)
    written = text[start : len(text) if end < 0 else end]
    cursor = start + len(written) - len(written.lstrip())
    if len(written.strip()) < 8 or cursor < window / 2:
        return None
    begin = max(0, cursor - window)
    return Draft(f, text.find("\n", begin, cursor) + 1 if begin else 0, cursor, min(start + len(written), cursor + LONGEST_LINE), with_suffix)


def lines(drawing: Drawing, repos: list[Repo], window: int, with_suffix: bool, count: int) -> list[Example]:
    """At most `count` examples, fewer where the repositories have too few such lines."""
    rng, out = random.Random(5), []
    for _ in range(40 * count):
        r = rng.randrange(len(repos))
        draft = line(rng, repos[r].chunks, window, with_suffix)
        if draft and (made := drawing.at([(r, draft)])):
            out += made
        if len(out) == count:
            break
    return out


@torch.no_grad()
def costs(model: hef.HefModel, vectors: torch.Tensor | None, batch: list[Example], eot: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(text [B], end [B]) nats of each example's middle, and of the token that ends it (0 where none does)."""
    ids, targets, weights = hef.tensors(batch, 0.0)
    with precision.autocast():
        logits = F.linear(model.hidden(vectors, ids), model.generator.lm_head.weight).float()
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=-100).view(targets.shape) * weights
    return (each * (targets != eot)).sum(1), (each * (targets == eot)).sum(1)


def gains(model: hef.HefModel, repos: list[Repo], examples: list[Example], eot: int) -> dict:
    """Nats a line that nodes save, [mean, half of the 95 % interval], of the text and of its end."""
    sums: dict[str, list[torch.Tensor]] = {}
    for batch in by_length(examples, lambda e: len(e.prompt.context) + len(e.prompt.body), 3000):
        plain = costs(model, None, batch, eot)
        sums.setdefault("none", []).append(plain[0])
        for name, vectors in (("nodes", hef.stacked(batch, repos)), ("nodes of another repository", hef.stacked(batch, repos, 1))):
            for part, before, after in zip(("text", "end"), plain, costs(model, vectors, batch, eot)):
                sums.setdefault(f"{name}, {part}", []).append(before - after)
    whole = {name: torch.cat(parts) for name, parts in sums.items()}
    interval = lambda x: [round(x.mean().item(), 3), round(1.96 * x.std().item() / len(x) ** 0.5, 3)]  # noqa: E731
    return {"lines": len(examples), "nats a line without": round(whole.pop("none").mean().item(), 3), **{k: interval(v) for k, v in whole.items()}}


def rebuilt(model: hef.HefModel, repos: list[Repo], drawing: Drawing, count: int, eot: int) -> dict:
    """Nats a token that a chunk costs when it is written out behind no node, behind its own alone, behind another repository's."""
    drawn = (drawing.rebuilding(1) for _ in range(10 * count))
    examples = [example for example in drawn if example][:count]
    sums, tokens = {"without": 0.0, "own": 0.0, "of another repository": 0.0}, 0
    for batch in by_length(examples, lambda e: len(e.prompt.body), 3000):
        for name, vectors in (("without", None), ("own", hef.stacked(batch, repos)), ("of another repository", hef.stacked(batch, repos, 1))):
            sums[name] += costs(model, vectors, batch, eot)[0].sum().item()
        tokens += sum(len(e.prompt.body) - e.middle for e in batch)
    return {"chunks": len(examples), **{name: round(value / max(1, tokens), 4) for name, value in sums.items()}}


def run(recipe: Recipe, places: Places, count: int = 300) -> None:
    """Prints the losses of the newest checkpoints: pre-training prompts, what nodes save of a line, what a chunk's own node says of it."""
    from . import export
    models = export.Models(recipe, places)
    layout = Layout(recipe.layout, tokenizer.load(places))
    prompts = [lm.tensors([prompt]) for prompt in plain_prompts(recipe, places, 120)]
    out: dict = {"plain": lm.mean_loss(models.generator, prompts)} if prompts else {}
    held = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5]
    if held and "embedder" in models.trained:
        model = hef.HefModel(recipe)
        model.generator, model.projector = models.generator, models.projector
        repos = hef.repos_of(held, places, recipe, layout, models.fuser)
        alone = dataclasses.replace(recipe.hef, oracle=0.0, entities=0.0)
        drawing = Drawing(repos, layout, models.embedder, alone, 3)
        for name, window in WINDOWS.items():
            for with_suffix in (True, False):
                examples = lines(drawing, repos, window, with_suffix, count)
                key = f"{name} prefix, {'with' if with_suffix else 'no'} suffix"
                out[key] = gains(model.eval(), repos, examples, models.specials.eot) if examples else None
        out["chunk behind one node"] = rebuilt(model, repos, drawing, count // 3, models.specials.eot)
    print(json.dumps({"trained": models.trained, **out}, indent=1))
