"""Step `take-up`: goes on from a bundle, where the work folder that made it is gone: its models become what the stages begin from.

Generator, fuser and projector are read back out of their graphs: fp32 matrices as they are, quantised ones as the middle of their steps. The
embedder, of which a bundle may have tables alone, stays as it is (served_embedder.py). Then `lm`, `chunks`, `end-to-end`, … as in
any work folder, on a corpus that may be another one. Deliberately lacks: the state of optimisers, which no bundle has, so the rate has to warm up.
"""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from . import generator, served_embedder
from .config import ModelConfig, Places, Recipe
from .export import START_FILE, TAKEN_FILE
from .fuser import Fuser
from .onnx_graph import BLOCK
from .projector import Projector

State = dict[str, torch.Tensor]
QKV = ("q_proj", "k_proj", "v_proj")


class Weights:
    """Weights of a graph of onnx_models.py by the names that it gives them, [out, in] as PyTorch keeps matrices."""

    def __init__(self, path: Path) -> None:
        self.stored = {tensor.name: numpy_helper.to_array(tensor, str(path.parent)) for tensor in onnx.load(str(path)).graph.initializer}

    def vector(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.stored[name].astype(np.float32))

    def matrix(self, name: str) -> torch.Tensor:
        if name in self.stored:
            return torch.from_numpy(self.stored[name].T.astype(np.float32).copy())
        packed, scales = self.stored[f"{name}_q"], self.stored[f"{name}_s"]
        rows, blocks, width = packed.shape
        if width != BLOCK:
            raise SystemExit(f"take-up: {name} has weights of {8 * width // BLOCK} bits, and only 8 are close enough to go on from")
        values = (packed.astype(np.float32) - 128) * scales.reshape(rows, blocks, 1)
        return torch.from_numpy(values.reshape(rows, blocks * BLOCK))


def layers(weights: Weights, config: ModelConfig) -> State:
    """The transformer layers of a graph's body, Qwen2's names."""
    sizes = [config.heads * config.head_dim, *[config.kv_heads * config.head_dim] * 2]
    out: State = {}
    for at in range(config.layers):
        p = f"layers.{at}."
        out[f"{p}input_layernorm.weight"], out[f"{p}post_attention_layernorm.weight"] = weights.vector(p + "n1"), weights.vector(p + "n2")
        for kind, value in (("weight", weights.matrix(p + "qkv")), ("bias", weights.vector(p + "qkv_b"))):
            out.update({f"{p}self_attn.{name}.{kind}": rows.clone() for name, rows in zip(QKV, value.split(sizes))})
        out[f"{p}self_attn.o_proj.weight"] = weights.matrix(p + "o")
        out.update({f"{p}mlp.{name}_proj.weight": weights.matrix(p + name) for name in ("gate", "up", "down")})
    return {**out, "norm.weight": weights.vector("norm")}


def generator_state(bundle: Path, config: ModelConfig) -> State:
    state = {f"model.{name}": value for name, value in layers(Weights(bundle / "generator.onnx"), config).items()}
    table = Weights(bundle / "token-embedding.onnx").vector("embed_tokens")
    return {**state, "model.embed_tokens.weight": table, "lm_head.weight": table.clone()}


def linear(weights: Weights, names: tuple[str, ...]) -> State:
    """Linear layers with a bias."""
    out: State = {}
    for name in names:
        out[f"{name}.weight"], out[f"{name}.bias"] = weights.matrix(name), weights.vector(f"{name}_b")
    return out


def fuser_state(bundle: Path, config: ModelConfig) -> State:
    weights = Weights(bundle / "fuser.onnx")
    body = {f"body.{name}": value for name, value in layers(weights, config).items()}
    return {**body, **linear(weights, ("w_in", "w_out"))}


def loaded(model: torch.nn.Module, state: State, what: str) -> State:
    """`state` after it has proved to be that of `model`, with what the model ties to it."""
    try:
        missing = set(model.load_state_dict(state, strict=False).missing_keys)
    except RuntimeError as error:
        raise SystemExit(f"take-up: the bundle's {what} has other sizes than the recipe's: {error}") from error
    if missing - {"body.embed_tokens.weight"}:
        raise SystemExit(f"take-up: the bundle's {what} lacks {', '.join(sorted(missing))}")
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def checkpoint(state: State, tokens: int, steps: int = 0, minutes: float = 0.0) -> dict:
    average = {key: value.clone().float() for key, value in state.items()}
    return {"model": state, "average": average, "optimizers": [], "step": steps, "elapsed_s": 60 * minutes, "tokens": tokens}


def run(recipe: Recipe, places: Places, bundle: Path) -> None:
    target = places.stage("lm") / "checkpoint.pt"
    if target.exists():
        raise SystemExit(f"take-up: {target} is there already")
    manifest = json.loads((bundle / "manifest.json").read_text())
    trained = manifest["training"]
    shutil.copy(bundle / manifest["tokenizer"]["file"], places.tokenizer)
    vocab, d, d_g = manifest["tokenizer"]["vocabSize"], recipe.embedder.hidden, recipe.generator.hidden
    model = loaded(generator.build(recipe.generator, vocab), generator_state(bundle, recipe.generator), "generator")
    fuser = loaded(Fuser(recipe.fuser, d), fuser_state(bundle, recipe.fuser), "fuser")
    projector = Projector(d, recipe.hef.projector_hidden, d_g)
    projector = loaded(projector, linear(Weights(bundle / "projector.onnx"), ("w1", "w2")), "projector")
    served_embedder.take(bundle, places.stage("embedder"))
    stages = trained["stages"]
    fused = stages.get("fuser", {"tokens": 0, "steps": 0, "minutes": 0.0})
    torch.save(checkpoint(fuser, fused["tokens"], fused["steps"], fused["minutes"]), places.stage("fuser") / "checkpoint.pt")
    torch.save({f"projector.{key}": value for key, value in projector.items()}, places.stage("hef") / START_FILE)
    tokens = stages["lm"]["tokens"] + sum(stages.get(stage, {}).get("tokens", 0) for stage in ("hef", "end-to-end"))
    torch.save(checkpoint(model, tokens), target)
    (places.stage("lm") / TAKEN_FILE).write_text(json.dumps({"name": manifest["name"], "id": manifest["id"], "training": trained}))
    print(f"take-up: {manifest['name']} {manifest['id']}, {tokens / 1e6:.1f} M tokens before", flush=True)
