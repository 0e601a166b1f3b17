"""Step `take-up`: a bundle's models come back out of its graphs, and every stage goes on from them."""
from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch

from hef_training import export, fuser_train, hef, lm, take_up
from hef_training.config import ModelConfig, Places


@pytest.fixture
def taken(trained, tmp_path):
    """(recipe, places of a new work folder, the bundle, the models that it was made of)."""
    recipe, before, bundle = trained
    places = Places(tmp_path, None, before.benchmarks)
    for name in ("corpus", "chunks"):
        (tmp_path / name).symlink_to(before.work / name)
    take_up.run(recipe, places, bundle)
    return recipe, places, bundle, export.load(recipe, before)


@torch.no_grad()
def test_the_models_compute_what_the_bundle_was_made_of(taken) -> None:
    recipe, places, bundle, wanted = taken
    got = export.load(recipe, places)
    ids = torch.randint(20, 400, (2, 40), generator=torch.Generator().manual_seed(3))
    logits = wanted.generator(ids).logits
    assert (got.generator(ids).logits - logits).abs().max() < 0.03 * logits.abs().max()  # 8 bits
    children = torch.nn.functional.normalize(torch.randn(3, 4, recipe.embedder.hidden, generator=torch.Generator().manual_seed(4)), dim=-1)
    counts = torch.tensor([2, 3, 4])
    assert torch.allclose(got.fuser(children, counts), wanted.fuser(children, counts), atol=1e-6)
    assert all(torch.equal(got.projector.state_dict()[key], value) for key, value in wanted.projector.state_dict().items())
    rows = [np.arange(30, 60, dtype=np.uint16), np.array([77, 78], np.uint16)]
    for kind in (0, 1):
        ours, theirs = (models.embedder.embed([torch.tensor(row.astype(np.int64)) for row in rows], kind) for models in (got, wanted))
        assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.98


def test_training_goes_on_from_the_bundle_and_makes_the_next_one(taken, tmp_path) -> None:
    recipe, places, bundle, _ = taken
    before = json.loads((bundle / "manifest.json").read_text())
    started = torch.load(places.stage("lm") / "checkpoint.pt", weights_only=True)
    assert started["tokens"] > before["training"]["stages"]["lm"]["tokens"] and started["step"] == 0
    lm.run(recipe, places, 0.01)
    hef.run(recipe, places, recipe.end_to_end, 0.01)
    out = tmp_path / "next"
    export.run(recipe, places, out)
    after = json.loads((out / "manifest.json").read_text())
    assert after["training"]["takenUpFrom"] == {"name": before["name"], "id": before["id"], "training": before["training"]}
    assert after["training"]["stages"]["lm"]["tokens"] > started["tokens"]
    assert after["training"]["stages"]["embedder"] == before["training"]["stages"]["embedder"]
    assert after["files"]["embedder.onnx"] == before["files"]["embedder.onnx"]  # indexes stay valid where the fuser does
    assert after["files"]["generator.onnx"] != before["files"]["generator.onnx"]
    goldens = [json.loads((folder / "goldens.json").read_text())["embedder"] for folder in (bundle, out)]
    assert goldens[0] == goldens[1]


def test_the_projector_goes_on_from_the_bundle(taken, monkeypatch) -> None:
    recipe, places, _, wanted = taken
    seen = {}

    def stop(self, *_args, **_options):
        seen.update({key: value.clone() for key, value in self.model.projector.state_dict().items()})

    monkeypatch.setattr(hef.Trainer, "run", stop)
    hef.run(recipe, places, recipe.end_to_end, 0.01)
    assert all(torch.equal(seen[key], value) for key, value in wanted.projector.state_dict().items())


def test_vectors_are_the_served_ones(taken) -> None:
    recipe, places, _, _ = taken
    embedder = fuser_train.trained_embedder(places, recipe)
    session = embedder.session.run(None, {"input_ids": np.array([[40, 41, 2]]), "lengths": np.array([3], np.int32)})[0]
    assert torch.equal(embedder.embed([[40, 41]]), torch.from_numpy(session))


def test_another_shape_and_coarse_weights_are_refused(trained, tmp_path) -> None:
    recipe, _, bundle = trained
    other = type(recipe)(**vars(recipe))
    other.generator = ModelConfig(**{**vars(recipe.generator), "ff": 128})
    with pytest.raises(SystemExit, match="other sizes than the recipe's"):
        take_up.run(other, Places(tmp_path), bundle)
    coarse = tmp_path / "coarse.onnx"
    onnx.save(export.graphs(export.load(recipe, trained[1]), "int4")["generator.onnx"], str(coarse))
    with pytest.raises(SystemExit, match="weights of 4 bits"):
        take_up.Weights(coarse).matrix("layers.0.o")


def test_a_work_folder_with_a_generator_is_left_alone(taken) -> None:
    recipe, places, bundle, _ = taken
    with pytest.raises(SystemExit, match="already"):
        take_up.run(recipe, places, bundle)
