"""Step `calibrate`: fits the confidence of a suggestion on random lines of the held-out repositories.

The exported generator writes the rest of each line greedily, as the server does; a logistic model of the sum and the mean of its
token log-probabilities (the stopping token included in the sum) is fitted to "the line is exactly right".
"""
from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch

from . import runtime, tokenizer
from .config import Places, Recipe
from .data import held_out_repositories
from .layout import Layout

MAX_NEW = 32


def write_line(served: runtime.Generator, ids: list[int], newlines: set[int]) -> tuple[list[int], float, int]:
    """(tokens up to the end of the line, sum of log-probabilities, tokens counted)."""
    served.reset()
    embeds = served.embed(ids)
    logits = served.feed(embeds, embeds.shape[1] - 1)[-1]
    out: list[int] = []
    total, count = 0.0, 0
    while count < MAX_NEW:
        token = int(logits.argmax())
        total += float(logits[token] - np.logaddexp.reduce(logits))
        if token == tokenizer.EOT:
            break
        count += 1
        if token in newlines:
            break
        out.append(token)
        logits = served.feed(served.embed([token]), 0)[-1]
    return out, total, max(1, count)


def places_to_write(rng: random.Random, places: Places, recipe: Recipe, count: int) -> list[tuple[str, str, str]]:
    """[(text before, rest of the line, text after)] at line starts, a third of them inside the line."""
    repositories = held_out_repositories(places.benchmarks, recipe.corpus)
    out: list[tuple[str, str, str]] = []
    while repositories and len(out) < count:
        text = rng.choice(rng.choice(repositories).files).text
        at = rng.randrange(len(text))
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        line = text[start:end] if end > 0 else ""
        if len(line.strip()) < 4 or line.strip().startswith(("import", "from", "//", "#", "*")):
            continue
        cursor = start + len(line) - len(line.lstrip())
        if rng.random() < 0.33:
            stops = [i for i in range(cursor + 1, end) if text[i - 1] in "(.[ ="]
            cursor = rng.choice(stops) if stops else cursor
        out.append((text[:cursor], text[cursor:end], text[end : end + 800]))
    return out


def fit(features: torch.Tensor, right: torch.Tensor) -> list[float]:
    """[intercept, weight of the sum, weight of the mean] of a logistic model, weights not negative, lightly regularised."""
    raw = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=200)

    def weights() -> torch.Tensor:
        return torch.stack([raw[0], torch.nn.functional.softplus(raw[1]), torch.nn.functional.softplus(raw[2])])

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        w = weights()
        value = torch.nn.functional.binary_cross_entropy_with_logits(w[0] + features @ w[1:], right) + 1e-3 * w[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return [round(v, 4) for v in weights().tolist()]


def run(recipe: Recipe, places: Places, bundle: Path, count: int = 500) -> None:
    layout = Layout(recipe.layout, tokenizer.load(places))
    newlines = tokenizer.newline_ids(layout.tokenizer)
    size = recipe.generator
    served = runtime.Generator(bundle / "generator.onnx", bundle / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    features, right = [], []
    for before, gold, after in places_to_write(random.Random(21), places, recipe, count):
        prompt = layout.prompt(before, after, end=False)
        tokens, total, n = write_line(served, prompt.context + prompt.body, newlines)
        features.append([total, total / n])
        right.append(float(layout.tokenizer.decode(tokens).strip() == gold.strip()))
    x, y = torch.tensor(features), torch.tensor(right)
    weights = fit(x, y)
    probability = torch.sigmoid(weights[0] + x @ torch.tensor(weights[1:]))
    shown = {}
    for t in (0.1, 0.2, 0.35, 0.5, 0.65):
        picked = y[probability > t]
        shown[str(t)] = [round(len(picked) / len(y), 3), round(picked.mean().item(), 3) if len(picked) else None]
    report = {"intercept": weights[0], "sumLogProb": weights[1], "meanLogProb": weights[2], "lines": len(right),
              "exactMatch": round(y.mean().item(), 4), "coverageAndPrecisionAt": shown}
    (places.stage("calibration") / "confidence.json").write_text(json.dumps(report))
    print(json.dumps(report))
