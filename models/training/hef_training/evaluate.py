"""Held-out measurements in PyTorch: losses on development repositories that no stage trains on."""
from __future__ import annotations

from . import tokenizer
from .config import Places, Recipe
from .data import held_out_repositories
from .layout import Layout, Prompt


def plain_prompts(recipe: Recipe, places: Places, count: int) -> list[Prompt]:
    """Fixed serving prompts (suffix, entities, snippets as in pre-training) cut out of the held-out repositories."""
    from .lm import Examples
    repositories = held_out_repositories(places.benchmarks, recipe.corpus)
    if not repositories:
        return []
    examples = Examples(repositories, Layout(recipe.layout, tokenizer.load(places)), recipe.lm, 11)
    out: list[Prompt] = []
    while len(out) < count:
        prompt = examples.next()
        if len(prompt.body) > 8:
            out.append(prompt)
    return out
