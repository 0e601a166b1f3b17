"""Every step end to end at tiny size on a synthetic repository: corpus, tokenizer, lm, chunks, embedder, fuser, hef, export, parity."""
from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hef_training import chunks, export, goldens, lm, runtime, tokenizer
from hef_training.config import load_recipe
from hef_training.corpus_filter import licence_of
from hef_training.generator import hidden_states
from toy import MIT


def test_corpus_drops_what_it_must(trained) -> None:
    _, places, _ = trained
    rows = [json.loads(line) for line in (places.corpus / "index.jsonl").open()]
    paths = {(row["repo"], row["path"]) for row in rows}
    assert {row["repo"] for row in rows} == {"a+one", "a+two"}
    assert ("a+one", "src/module0.ts") not in paths or ("a+one", "src/copy.ts") not in paths
    assert not any("vendor" in path for _, path in paths)
    assert ("a+one", "src/deep/module3.ts") not in paths  # stands in the benchmark


def test_licences() -> None:
    assert licence_of(MIT) == "MIT"
    assert licence_of("GNU GENERAL PUBLIC LICENSE " + MIT) is None
    assert licence_of("All rights reserved.") is None


def test_tokenizer_round_trip_and_newlines(trained) -> None:
    _, places, _ = trained
    loaded = tokenizer.load(places)
    for text in goldens.TEXTS:
        ids = loaded.encode(text, add_special_tokens=False).ids
        assert loaded.decode(ids, skip_special_tokens=False) == text
        for i in ids:
            assert "\n" not in loaded.decode([i]).lstrip("\r\n")


def test_utf16_offsets() -> None:
    assert chunks.code_points("a😀b", [0, 1, 3, 4]) == [0, 1, 2, 3]


@pytest.mark.parametrize("precision", ["fp32", "int8", "int8-dynamic"])
@torch.no_grad()
def test_export_equals_pytorch(trained, precision: str) -> None:
    recipe, places, _ = trained
    models = export.Models(recipe, places)
    files = {name: model.SerializeToString() for name, model in export.graphs(models, precision).items()}
    tolerance = 5e-3 if precision == "fp32" else 0.15
    ids = [[2 + n % 300 for n in range(size)] for size in (5, 17, 40)]
    padded = np.zeros((3, 41), np.int64)
    for row, tokens in zip(padded, ids):
        row[: len(tokens) + 1] = [*tokens, tokenizer.EOT]
    lengths = np.array([len(row) + 1 for row in ids], np.int32)
    embedded = runtime.session(files["embedder.onnx"]).run(None, {"input_ids": padded, "lengths": lengths})[0]
    assert np.abs(embedded - models.embedder.embed(ids).numpy()).max() < tolerance
    size = recipe.generator
    served = runtime.Generator(files["generator.onnx"], files["token-embedding.onnx"], size.layers, size.kv_heads, size.head_dim, 64)
    logits = served.feed(served.embed(ids[2]), 3)
    exact = (hidden_states(models.generator, torch.tensor([ids[2]]))[0, 3:] @ models.generator.lm_head.weight.T).numpy()
    assert np.abs(logits - exact).max() < (2e-2 if precision == "fp32" else 0.5)  # the embedding table is fp16


@torch.no_grad()
def test_fuser_and_projector_equal_pytorch(trained) -> None:
    recipe, places, folder = trained
    models = export.Models(recipe, places)
    children = np.random.default_rng(0).standard_normal((4, 8, 64)).astype(np.float32)
    counts = np.array([1, 2, 7, 8], np.int32)
    for row, count in zip(children, counts):
        row[count:] = 0
    fused = runtime.session(folder / "fuser.onnx").run(None, {"children": children, "counts": counts})[0]
    assert np.abs(fused - models.fuser(torch.tensor(children), torch.tensor(counts)).numpy()).max() < 1e-4
    projected = runtime.session(folder / "projector.onnx").run(None, {"nodes": children[3]})[0]
    assert np.abs(projected - models.projector(torch.tensor(children[3])).numpy()).max() < 1e-4


def test_cached_decoding_equals_full(trained) -> None:
    recipe, _, folder = trained
    size = recipe.generator
    served = runtime.Generator(folder / "generator.onnx", folder / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    pseudo = np.random.default_rng(1).standard_normal((5, size.hidden)).astype(np.float32) * 0.1
    for nodes in (None, pseudo):
        ids = [5, *range(40, 90)]
        assert served.greedy(ids, nodes, 12) == served.greedy(ids, nodes, 12, cached=False)


def test_prefill_in_pieces_equals_one(trained) -> None:
    recipe, _, folder = trained
    size = recipe.generator
    served = runtime.Generator(folder / "generator.onnx", folder / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    embeds = served.embed(list(range(20, 120)))
    whole = served.feed(embeds, 99)
    served.reset()
    for at in (0, 33, 66):
        served.feed(embeds[:, at : at + 33], 32)
    assert np.abs(served.feed(embeds[:, 99:], 0) - whole).max() < 1e-2


def test_manifest_describes_the_files(trained) -> None:
    _, _, folder = trained
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert export.digest(folder / name) == entry
    assert manifest["training"]["untrained"] == []


def test_what_was_fitted_stays_while_its_generator_does(tmp_path) -> None:
    files = {name: {"sha256": name, "sizeBytes": 1} for name in ("generator.onnx", "token-embedding.onnx", "tokenizer.json", "fuser.onnx")}
    assert export.fitted(tmp_path, files) == {}
    weights = {"intercept": 1.0, "sumLogProb": 2.0}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files, "confidence": weights, "evaluation": {"n": 1}}))
    assert export.fitted(tmp_path, {**files, "fuser.onnx": {"sha256": "other", "sizeBytes": 1}}) == {"confidence": weights}
    assert export.fitted(tmp_path, {**files, "generator.onnx": {"sha256": "other", "sizeBytes": 1}}) == {}


def checkpoint(places, stage: str) -> tuple[int, float]:
    """Step of a stage's checkpoint and the minutes spent on it; the time box of a run counts both runs."""
    state = torch.load(places.stage(stage) / "checkpoint.pt", weights_only=True)
    return state["step"], state["elapsed_s"] / 60


def test_resume_continues(trained) -> None:
    recipe, places, _ = trained
    before, minutes = checkpoint(places, "lm")
    lm.run(recipe, places, minutes + 0.02)
    assert checkpoint(places, "lm")[0] > before


def test_two_workers_exchange_gradients(trained, tmp_path: Path) -> None:
    recipe, places, _ = trained
    document = json.loads(json.dumps(dataclasses.asdict(recipe)))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document))
    before, minutes = checkpoint(places, "hef")
    command = [sys.executable, "-m", "hef_training", "hef", "--recipe", str(tmp_path / "tiny.yaml"), "--work", str(places.work)]
    command += ["--benchmarks", str(places.benchmarks), "--workers", "2", "--threads", "2", "--minutes", str(minutes + 0.02)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1], timeout=400)
    assert checkpoint(places, "hef")[0] > before


def test_unknown_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("lm: { learning_rate: 1 }\n")
    with pytest.raises(ValueError, match="learning_rate"):
        load_recipe(tmp_path / "bad.yaml")
