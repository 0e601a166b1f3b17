"""The UWL filter: its definition, its memory, and what it prefers once a model reads its context."""
from __future__ import annotations

import json
import math

import torch

from hef_training import generator, hef, hef_data, tokenizer, uwl
from hef_training.config import ModelConfig
from hef_training.fuser_train import trained_embedder
from hef_training.layout import Layout
from hef_training.pairs import held_out_names, repositories


def world(trained, count: int = 20):
    recipe, places, _ = trained
    layout = Layout(recipe.layout, tokenizer.load(places))
    repos = hef.repos_of(repositories(places, held_out_names(places)), places, recipe, layout, hef.fuser_of(places, recipe))
    drawing = hef_data.Drawing(repos, layout, trained_embedder(places, recipe), recipe.hef, 5)
    return recipe, places, layout, repos, [drawing.next() for _ in range(count)]


def test_delta_is_the_difference_of_two_full_likelihoods(trained) -> None:
    recipe, places, layout, repos, examples = world(trained)
    model = uwl.Filter(recipe, places, layout, repos).model
    found = uwl.deltas(model, layout, repos, examples[:4])
    for example, delta in zip(examples, found):
        context = uwl.context_ids(example.nodes, repos[0], layout)
        assert context[0] == tokenizer.SNIPPET and len(context) <= recipe.layout.snippets
        values = []
        for front in (context, []):
            ids = front + example.prompt.context + example.prompt.body
            start = len(front) + len(example.prompt.context) + example.middle
            with torch.no_grad():
                logits = generator.hidden_states(model, torch.tensor([ids]))[0] @ model.lm_head.weight.T
            log_p = logits.log_softmax(-1)
            values.append(sum(log_p[i - 1, ids[i]].item() for i in range(start, len(ids))))
        assert abs(delta - (values[0] - values[1])) < 0.02 * (len(example.prompt.body) - example.middle) + 0.05  # bf16


def test_threshold_is_a_probability() -> None:
    assert uwl.passes(math.log(0.5501 / 0.4499), 0.55) and not uwl.passes(0.19, 0.55)
    assert uwl.summary([1.0, -1.0, 0.3, 0.1], 0.55) == {"kept": 0.5, "negative": 0.25, "meanDelta": 0.1, "medianDelta": 0.3}


def test_the_filter_keeps_what_passes(trained) -> None:
    recipe, places, layout, repos, examples = world(trained)
    chosen = uwl.Filter(recipe, places, layout, repos)
    found = uwl.deltas(chosen.model, layout, repos, examples)
    kept = chosen(examples)
    assert [any(e is k for k in kept) for e in examples] == [uwl.passes(delta, recipe.hef.uwl_threshold) for delta in found]
    assert chosen.share == len(kept) / len(examples)


def test_a_copying_model_prefers_the_context_that_holds_the_answer() -> None:
    """A model trained to repeat its snippet gives a positive delta with the right snippet and a lower one with a wrong one."""
    torch.manual_seed(0)
    model = generator.build(ModelConfig(layers=2, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=128), 40)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    draw = lambda: torch.randint(10, 40, (16, 4))  # noqa: E731
    row = lambda snippet, middle: torch.cat([torch.full((len(middle), 1), 7), snippet, torch.full((len(middle), 1), 5), middle], 1)  # noqa: E731
    for _ in range(150):
        middle = draw()
        ids = row(middle, middle)
        targets = torch.full_like(ids, -100)
        targets[:, 5:9] = middle
        value, count = generator.loss(model, generator.hidden_states(model, ids), targets)
        (value / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    middle = draw()
    score = lambda snippet: sum(uwl.likelihoods(model, [(r.tolist(), 6) for r in row(snippet, middle)]))  # noqa: E731
    assert score(middle) > score(draw()) + 16


def test_the_step_reports_random_contexts(trained) -> None:
    recipe, places, _ = trained
    uwl.run(recipe, places)
    report = json.loads((places.stage("uwl") / "report.json").read_text())
    assert 0 <= report["random"]["kept"] <= 1 and report["examples"] == recipe.hef.uwl_examples
    assert len((places.stage("uwl") / "scores.jsonl").read_text().splitlines()) == report["examples"]
