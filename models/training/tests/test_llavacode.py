"""LlavaCode's losses on small numbers, and its projector in the exported bundle."""
from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from hef_training import export, llavacode, runtime, tokenizer
from hef_training.fuser_train import chunk_vectors
from hef_training.layout import Layout
from hef_training.loop import averaged
from hef_training.pairs import held_out_names, repositories
from hef_training.projector import LlavaProjector
from served import complete, needs_server


def test_alignment_is_zero_for_a_rotation_and_grows_with_collapse() -> None:
    torch.manual_seed(0)
    encoded = torch.randn(3, 6, 16)
    rotation = torch.linalg.qr(torch.randn(16, 16))[0]
    assert llavacode.alignment(encoded, 5 * encoded @ rotation) < 1e-2
    collapsed = torch.ones(3, 6, 16)
    expected = (1 - llavacode.cosines(encoded)).square().sum((-1, -2)).sqrt().mean() / 2**0.5
    assert llavacode.alignment(encoded, collapsed).item() == pytest.approx(expected.item(), rel=1e-3)


def test_rewards() -> None:
    assert llavacode.reward("a + b\nmore", "a + b") == 2
    assert llavacode.edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert llavacode.reward("", "abc") == 0


def held(trained) -> tuple[llavacode.Source, Layout, object]:
    recipe, places, _ = trained
    layout = Layout(recipe.layout, tokenizer.load(places))
    chunks = repositories(places, held_out_names(places))[0]
    return llavacode.Source.of(chunks, chunk_vectors(places, recipe, layout, chunks)), layout, export.Models(recipe, places).generator


def test_rollout_is_what_greedy_full_recomputation_writes(trained) -> None:
    source, layout, model = held(trained)
    batch = llavacode.make([source], layout, 6, 4, 1)[:3]
    projector = LlavaProjector(source.vectors.shape[1], model.config.hidden_size)
    projected = projector(llavacode.vectors_of(batch, [source]))
    written = llavacode.rollout(model, projected, batch, 5, [])
    for row, example, pseudo in zip(written, batch, projected):
        ids = list(example.shown)
        for token in row:
            hidden = llavacode.generator.hidden_states(model, embeds=llavacode.with_pseudo(model, pseudo[None], torch.tensor([ids])))
            logits = hidden[0, -1] @ model.lm_head.weight.T
            assert logits[token] > logits.max() - 1e-3
            ids.append(token)


def test_reinforce_makes_the_better_rollout_likelier(trained) -> None:
    source, layout, model = held(trained)
    batch = llavacode.make([source], layout, 8, 4, 2)[:2]
    projected = LlavaProjector(source.vectors.shape[1], model.config.hidden_size)(llavacode.vectors_of(batch, [source])).detach().requires_grad_()
    written = [[40, 41, 42], [50, 51]]
    value = llavacode.reinforce(model, projected, batch, written, torch.tensor([2.0, 0.0]))
    (gradient,) = torch.autograd.grad(value, projected)
    assert gradient[0].abs().sum() > 0 and gradient[1].abs().sum() > 0
    moved = projected - 0.01 * gradient / gradient.norm()
    assert llavacode.reinforce(model, moved, batch, written, torch.tensor([2.0, 0.0])) < value


def test_similar_chunks_leave_out_the_visible(trained) -> None:
    source, layout, _ = held(trained)
    file = source.chunks.files[0]
    first = source.chunks.first[0]
    found = source.similar(0, file.text, len(file.text) // 2, (0, len(file.text)), 10)
    assert found and not set(found) & set(range(first, first + len(file.spans)))


def test_both_runs_report_collapse(trained) -> None:
    recipe, places, _ = trained
    for stage in (llavacode.STAGE, llavacode.UNALIGNED):
        rows = [json.loads(line) for line in (places.stage(stage) / "log.jsonl").open()]
        assert -1 <= rows[-1]["cosine_after"] <= 1 and "held_out_llavacode" in rows[-1]


@torch.no_grad()
def test_exported_projector_equals_pytorch(trained) -> None:
    recipe, places, folder = trained
    projector = LlavaProjector(recipe.embedder.hidden, recipe.generator.hidden)
    projector.load_state_dict(averaged(places.stage("llavacode") / "checkpoint.pt"))
    nodes = np.random.default_rng(0).standard_normal((7, recipe.embedder.hidden)).astype(np.float32)
    out = runtime.session(folder / export.LLAVACODE_FILE).run(None, {"nodes": nodes})[0]
    assert np.abs(out - projector(torch.tensor(nodes)).numpy()).max() < 1e-4
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["projectors"]["llavacode"]["file"] in manifest["files"]


def test_a_projector_of_another_generator_is_left_out(trained, capsys) -> None:
    recipe, places, _ = trained
    path = places.stage("llavacode") / "generator.json"
    right = path.read_text()
    path.write_text(json.dumps({"digest": "another"}))
    try:
        assert export.Models(recipe, places).llavacode is None and "run it again" in capsys.readouterr().out
    finally:
        path.write_text(right)


def test_a_checkpoint_is_gone_on_with_for_the_same_generator_alone(tmp_path) -> None:
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    llavacode.begin_anew_for_another(one, tmp_path)
    (tmp_path / "checkpoint.pt").write_text("of one")
    llavacode.begin_anew_for_another(one, tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()
    llavacode.begin_anew_for_another(other, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


@needs_server
def test_the_server_serves_both_projectors(trained, tmp_path) -> None:
    _, places, folder = trained
    repo = tmp_path / "repo"
    shutil.copytree(places.benchmarks / "b+held", repo)
    for context in ("hef", "llavacode"):
        report = complete(folder, tmp_path / "cache", repo, "src/module301.ts", 3, 2, context)
        assert report["context"] == context and report["tokens"]["pseudo"] > 0 and not report.get("notes")
