"""A random bundle at tiny size: the embedding reads the head's own rows, and the graphs run from files beside them."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from hef_training import export, generator, random_bundle, runtime
from hef_training.config import ModelConfig, Recipe
from hef_training.onnx_graph import BLOCK, quantize_blocks

TOKENIZER = Path(__file__).resolve().parents[2] / "hef-nano" / "tokenizer.json"
VOCAB = 8400


def recipe() -> Recipe:
    recipe = Recipe()
    recipe.tokenizer.vocab_size = VOCAB
    recipe.generator = ModelConfig(layers=2, hidden=64, heads=2, kv_heads=1, head_dim=32, ff=96)
    recipe.embedder = ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=64)
    recipe.fuser = ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=64)
    recipe.hef.projector_hidden = 32
    return recipe


@pytest.mark.parametrize("precision", ["int4", "int8", "int8-dynamic"])
def test_runs_from_its_files(tmp_path: Path, precision: str) -> None:
    out = tmp_path / "bundle"
    random_bundle.run(recipe(), TOKENIZER, out, precision)
    manifest = json.loads((out / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        assert export.digest(out / name) == entry
    vocab = json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]
    assert max(vocab.values()) == VOCAB - 1 and len(set(vocab.values())) == len(vocab)
    size = recipe().generator
    served = runtime.Generator(out / "generator.onnx", out / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    logits = served.feed(served.embed([5, 40, VOCAB - 1]), 2)
    assert logits.shape[-1] == VOCAB and np.isfinite(logits).all()


@pytest.mark.parametrize("precision", sorted(random_bundle.BITS))
def test_tied_weights_exist_once(tmp_path: Path, precision: str) -> None:
    out = tmp_path / "bundle"
    random_bundle.run(recipe(), TOKENIZER, out, precision)
    graph = onnx.load(out / "token-embedding.onnx", load_external_data=False).graph
    assert {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"} == {random_bundle.WEIGHTS}
    size = recipe().generator
    served = runtime.Generator(out / "generator.onnx", out / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    torch.manual_seed(recipe().lm.seed)
    table = generator.build(size, VOCAB).model.embed_tokens.weight.detach().numpy()
    step = quantize_blocks(table, random_bundle.BITS[precision])[1].reshape(VOCAB, -1).repeat(BLOCK, axis=1)
    for ids in ([0, 1, 7], [8191, VOCAB - 1]):
        assert (np.abs(served.embed(ids)[0] - table[ids]) <= 0.51 * step[ids]).all()
