"""Held-out measurements in PyTorch: losses on development repositories that no stage trains on."""
from __future__ import annotations

import json

from . import tokenizer
from .config import Places, Recipe
from .data import held_out_repositories
from .layout import Layout, Prompt, Specials


def plain_prompts(recipe: Recipe, places: Places, count: int, specials: Specials = Specials()) -> list[Prompt]:
    """Fixed serving prompts (suffix, entities, snippets as in pre-training) cut out of the held-out repositories."""
    from .lm import Examples
    repositories = held_out_repositories(places.benchmarks, recipe.corpus)
    if not repositories:
        return []
    examples = Examples(repositories, Layout(recipe.layout, tokenizer.load(places), specials), recipe.lm, 11)
    out: list[Prompt] = []
    while len(out) < count:
        prompt = examples.next()
        if len(prompt.body) > 8:
            out.append(prompt)
    return out


def run(recipe: Recipe, places: Places) -> None:
    """Prints the losses of the newest checkpoints: pre-training prompts, and middles with nodes, without, with wrong nodes."""
    from . import export, hef, lm
    from .pairs import held_out_names, repositories
    models = export.Models(recipe, places)
    layout = Layout(recipe.layout, tokenizer.load(places))
    prompts = [lm.tensors([prompt]) for prompt in plain_prompts(recipe, places, 120)]
    out = {"plain": lm.mean_loss(models.generator, prompts)} if prompts else {}
    held = sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5]
    if held and "embedder" in models.trained:
        model = hef.HefModel(recipe)
        model.generator, model.projector = models.generator, models.projector
        repos = hef.repos_of(held, places, recipe, layout)
        for name, short in (("full prefix", 0.0), ("short prefix", 1.0)):
            out[name] = hef.measure(model.eval(), repos, hef.make(places, recipe, layout, repos, 400, 9, short))
    print(json.dumps({"trained": models.trained, **out}, indent=1))
