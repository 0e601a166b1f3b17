"""p-tuning: the reconstruction loss falls, and the server takes the vectors into a folder's index."""
from __future__ import annotations

import json
import shutil

import pytest
import torch

from hef_training import export, ptuning, tokenizer
from hef_training.layout import Layout
from served import SERVER, complete, needs_server, server


def test_the_reconstruction_loss_falls_and_vectors_keep_their_length(trained) -> None:
    recipe, places, _ = trained
    models, layout = export.Models(recipe, places), Layout(recipe.layout, tokenizer.load(places))
    rows = [layout.encode(f"export function load{n}(key: string) {{ return {n}; }}")[:24] for n in (1, 22, 333)]
    torch.manual_seed(0)
    start = torch.nn.functional.normalize(torch.randn(3, recipe.embedder.hidden), dim=-1)
    config = type(recipe.p_tuning)(steps=60, lr=0.05)
    tuned, before, after = ptuning.tune(models.generator, models.projector, start, rows, layout, config)
    print(f"p-tuning: {before:.4f} -> {after:.4f} nats a token")
    assert after < before - 0.005
    assert torch.allclose(tuned.norm(dim=-1), torch.ones(3), atol=1e-5)
    with torch.no_grad():
        again = ptuning.losses(models.generator, models.projector, tuned, rows, layout).mean().item()
    assert again == pytest.approx(after, abs=0.02)


@needs_server
def test_the_server_takes_the_vectors(trained, tmp_path) -> None:
    recipe, places, bundle = trained
    repo, cache, out = tmp_path / "repo", tmp_path / "cache", tmp_path / "vectors.jsonl"
    for n in (301, 302, 303):
        (repo / "src").mkdir(parents=True, exist_ok=True)
        shutil.copy(places.benchmarks / "b+held" / "src" / f"module{n}.ts", repo / "src")
    recipe.p_tuning.steps = 3
    ptuning.run(recipe, places, SERVER, repo, bundle, out)
    before = complete(bundle, cache, repo, "src/module301.ts", 3, 2, "hef")
    common = ("--bundle", bundle, "--cache", cache, "--json")
    done = json.loads(server("import-vectors", repo, out, *common))
    assert done["unknown"] == 0 and done["imported"] == len(out.read_text().splitlines()) - 1 > 2
    after = complete(bundle, cache, repo, "src/module301.ts", 3, 2, "hef")
    place = lambda report: [(n["path"], n["startLine"], round(n["score"], 4)) for n in report["nodes"]]  # noqa: E731
    assert place(before) == place(after) and len(after["nodes"]) > 0  # search goes on with the embedder's vectors
