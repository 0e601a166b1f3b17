"""Step `random-bundle`: a bundle of a recipe's shape with random weights, to see what serving that size costs before it is trained.

Weights lie in files beside the graphs, so that the runtime maps them into memory. Where the head is quantised in blocks, the token
embedding reads the head's own rows from the same file: tied weights exist once, on disk and in memory. The tokenizer is the shipped
one, filled up to the recipe's vocabulary with words that no text is split into.
"""
from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import onnx
import torch

from . import export, generator, onnx_models
from .config import Recipe
from .embedder import Embedder
from .fuser import Fuser
from .onnx_graph import EXTERNAL_FROM
from .projector import Projector

WEIGHTS = "weights.bin"
BITS = {"int8": 8, "int4": 4}  # of weights quantised in blocks


class RandomModels(export.Models):
    """Untrained models. The embedder reads the shipped tokenizer's own ids only."""

    def __init__(self, recipe: Recipe, text_vocab: int) -> None:
        torch.manual_seed(recipe.lm.seed)
        self.recipe, self.trained, self.llavacode = recipe, {}, None
        self.generator = generator.build(recipe.generator, recipe.tokenizer.vocab_size)
        self.embedder = Embedder(recipe.embedder, text_vocab)
        self.fuser = Fuser(recipe.fuser, recipe.embedder.hidden)
        self.projector = Projector(recipe.embedder.hidden, recipe.hef.projector_hidden, recipe.generator.hidden)
        for model in (self.generator, self.embedder, self.fuser, self.projector):
            model.eval().requires_grad_(False)


def fill_up(document: dict, size: int) -> int:
    """Adds words to a tokenizer's vocabulary until it has `size` ids; returns how many it had."""
    vocab = document["model"]["vocab"]
    first = max([*vocab.values(), *(token["id"] for token in document["added_tokens"])]) + 1
    syllables = [a + b for a in "bcdfghjklmnpqrstvwxz" for b in "aeiou"]
    words = ("".join(word) for word in itertools.product(syllables, repeat=3))
    fresh = (word for word in words if word not in vocab)
    vocab.update(zip(fresh, range(first, size)))
    return first


def save(model: onnx.ModelProto, path: Path, weights: str) -> onnx.ModelProto:
    """Writes a graph with its large tensors in a file beside it; returns the graph as written."""
    onnx.save_model(model, str(path), save_as_external_data=True, location=weights, size_threshold=EXTERNAL_FROM)
    return onnx.load(str(path), load_external_data=False)


def write_models(models: RandomModels, folder: Path, precision: str) -> str:
    """Writes all graphs; returns the precision of the token embedding."""
    recipe, g = models.recipe, models.generator
    save(export.embedder_graph(models, recipe.export.embedder_precision), folder / "embedder.onnx", "embedder.bin")
    fuser = onnx_models.fuser(export.arrays(models.fuser), models.fuser.body.config, "fp32", recipe.embedder.hidden, recipe.arity)
    onnx.save(fuser, str(folder / "fuser.onnx"))
    onnx.save(onnx_models.projector(export.arrays(models.projector)), str(folder / "projector.onnx"))
    table = g.model.embed_tokens.weight.float().numpy()
    served = save(onnx_models.generator(export.arrays(g.model), table, g.config, precision, recipe.generator.max_positions),
                  folder / "generator.onnx", WEIGHTS)
    if precision in BITS:
        shared = onnx_models.shared_embedding(served, *table.shape, BITS[precision])
        onnx.save(shared, str(folder / "token-embedding.onnx"))
        return precision
    save(onnx_models.token_embedding(table), folder / "token-embedding.onnx", "token-embedding.bin")
    return "fp16"


def run(recipe: Recipe, tokenizer: Path, out: Path, precision: str | None) -> None:
    """`tokenizer`: a tokenizer.json of at most the recipe's vocabulary. `precision`: of the generator; default the recipe's."""
    recipe.export.generator_precision = precision = precision or recipe.export.generator_precision
    document = json.loads(tokenizer.read_text())
    models = RandomModels(recipe, fill_up(document, recipe.tokenizer.vocab_size))
    fresh = out.resolve().with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    (fresh / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False))
    embedding_precision = write_models(models, fresh, precision)
    files = {path.name: export.digest(path) for path in sorted(fresh.iterdir())}
    described = export.manifest(models, files, {"untrained": ["lm", "embedder", "fuser", "hef"]}, {})
    described["tokenEmbedding"]["precision"] = embedding_precision
    (fresh / "manifest.json").write_text(json.dumps(described, indent=2) + "\n")
    export.swap(fresh, out.resolve())
    parameters = sum(parameter.numel() for parameter in models.generator.parameters())
    size = sum(entry["sizeBytes"] for entry in files.values())
    print(f"random-bundle: {out} {described['id']}, {parameters / 1e6:.0f} M parameters in {precision}, {size / 1e6:.0f} MB", flush=True)
