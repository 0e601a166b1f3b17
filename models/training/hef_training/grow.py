"""Step `grow`: a larger generator that begins where a smaller one stands, so that training goes on instead of anew.

The grown generator computes what the smaller one does, up to rounding: new channels of the residual stream start at zero, new heads and
feed-forward units are not written to it yet, and new layers are copies of their neighbours that do not write either (Chen et al.
2016, "Net2Net"; Wu et al. 2024, "LLaMA Pro"). What reads from new channels, and what new heads and units read, starts at random, so every
new weight has a gradient from the first or second step on.
"""
from __future__ import annotations

import json
from pathlib import Path

import torch

from . import generator
from .config import ModelConfig, Places, Recipe
from .export import GROWN_FILE, part

State = dict[str, torch.Tensor]
STAGES = ("end-to-end", "hef", "lm")  # the newest first
STD = 0.02  # of new weights, as the model class draws its first ones


def shape_of(state: State, head_dim: int) -> ModelConfig:
    """Sizes of a generator by its weights; positions and RoPE are the recipe's."""
    first = "model.layers.0."
    ff, hidden = state[f"{first}mlp.gate_proj.weight"].shape
    return ModelConfig(
        layers=1 + max(int(key.split(".")[2]) for key in state if key.startswith("model.layers.")), hidden=hidden, ff=ff, head_dim=head_dim,
        heads=len(state[f"{first}self_attn.q_proj.weight"]) // head_dim, kv_heads=len(state[f"{first}self_attn.k_proj.weight"]) // head_dim,
    )


def check(old: ModelConfig, new: ModelConfig) -> None:
    """Raises where `new` is not `old` with more layers, channels, heads or units."""
    if old.kv_heads != new.kv_heads:
        raise SystemExit(f"grow: heads for keys and values stay as they are: {old.kv_heads} before, {new.kv_heads} in the recipe")
    smaller = [name for name in ("layers", "hidden", "heads", "ff") if getattr(new, name) < getattr(old, name)]
    if smaller or old == new:
        raise SystemExit(f"grow: the recipe's generator is {'smaller: ' + ', '.join(smaller) if smaller else 'the same'}")


def widened(value: torch.Tensor, shape: torch.Size, std: float) -> torch.Tensor:
    """`value` in the leading corner of `shape`, the rest drawn with that deviation."""
    out = torch.randn(shape) * std
    out[tuple(slice(size) for size in value.shape)] = value
    return out


def grouped(value: torch.Tensor, kv_heads: int, head_dim: int, heads: int, std: float) -> torch.Tensor:
    """Rows [heads·head_dim, …] of more heads, new ones behind the old ones of their group."""
    rest = value.shape[1:]
    split = value.view(kv_heads, -1, head_dim, *rest)
    return widened(split, torch.Size((kv_heads, heads // kv_heads, head_dim, *rest)), std).reshape(heads * head_dim, *rest)


def layer(state: State, source: int, old: ModelConfig, new: ModelConfig, writes: bool) -> State:
    """The weights of one layer, grown; without `writes` it leaves the residual stream as it is."""
    take = lambda name: state[f"model.layers.{source}.{name}"]  # noqa: E731
    hidden, queries, keys = new.hidden, new.heads * new.head_dim, new.kv_heads * new.head_dim
    out: State = {}
    for name in ("input_layernorm", "post_attention_layernorm"):
        out[f"{name}.weight"] = norm(take(f"{name}.weight"), hidden)
    heads = lambda value, std: grouped(value, new.kv_heads, new.head_dim, new.heads, std)  # noqa: E731
    out["self_attn.q_proj.weight"] = widened(heads(take("self_attn.q_proj.weight"), STD), torch.Size((queries, hidden)), STD)
    out["self_attn.q_proj.bias"] = heads(take("self_attn.q_proj.bias"), 0.0)
    for name in ("k_proj", "v_proj"):
        out[f"self_attn.{name}.weight"] = widened(take(f"self_attn.{name}.weight"), torch.Size((keys, hidden)), STD)
        out[f"self_attn.{name}.bias"] = take(f"self_attn.{name}.bias")
    attended = heads(take("self_attn.o_proj.weight").T.contiguous(), 0.0).T
    out["self_attn.o_proj.weight"] = widened(attended, torch.Size((hidden, queries)), 0.0) * writes
    for name in ("gate_proj", "up_proj"):
        out[f"mlp.{name}.weight"] = widened(take(f"mlp.{name}.weight"), torch.Size((new.ff, hidden)), STD)
    out["mlp.down_proj.weight"] = widened(take("mlp.down_proj.weight"), torch.Size((hidden, new.ff)), 0.0) * writes
    return out


def norm(weight: torch.Tensor, hidden: int) -> torch.Tensor:
    """A norm over channels of which the new ones are zero divides by less: the old weights make up for it."""
    scaled = weight * (len(weight) / hidden) ** 0.5
    return torch.cat([scaled, scaled.mean().expand(hidden - len(weight))])


def grown(state: State, old: ModelConfig, new: ModelConfig) -> State:
    """Weights of a generator of shape `new` that computes what `state`, of shape `old`, does."""
    check(old, new)
    sources = [at * old.layers // new.layers for at in range(new.layers)]
    out: State = {}
    for at, source in enumerate(sources):
        rows = layer(state, source, old, new, writes=at == 0 or sources[at - 1] != source)
        out.update({f"model.layers.{at}.{name}": value.contiguous() for name, value in rows.items()})
    table = state["model.embed_tokens.weight"]
    out["model.embed_tokens.weight"] = out["lm_head.weight"] = widened(table, torch.Size((len(table), new.hidden)), 0.0)
    out["model.norm.weight"] = norm(state["model.norm.weight"], new.hidden)
    return out


def newest(folder: Path) -> tuple[str, dict]:
    """(stage, checkpoint) of the last stage that trained the generator in a work folder."""
    for stage in STAGES:
        path = folder / "stages" / stage / "checkpoint.pt"
        if path.exists():
            return stage, torch.load(path, weights_only=True, map_location="cpu")
    raise SystemExit(f"grow: {folder} has no trained generator")


def run(recipe: Recipe, places: Places, smaller: Path) -> None:
    """Writes the checkpoint that step `lm` goes on from, with the tokens that the smaller generator has seen."""
    target = places.stage("lm") / "checkpoint.pt"
    if target.exists():
        raise SystemExit(f"grow: {target} is there already")
    torch.manual_seed(recipe.lm.seed)
    stage, checkpoint = newest(smaller)
    weights = checkpoint["average"]
    state = part(weights, "generator.") if stage != "lm" else weights
    old = shape_of(state, recipe.generator.head_dim)
    model = generator.build(recipe.generator, len(state["model.embed_tokens.weight"]))
    model.load_state_dict(grown(state, old, recipe.generator))
    tokens = checkpoint["tokens"]
    if stage != "lm":
        tokens += torch.load(smaller / "stages" / "lm" / "checkpoint.pt", weights_only=True)["tokens"]
    average = {key: value.detach().clone().float() for key, value in model.state_dict().items()}
    torch.save({"model": model.state_dict(), "average": average, "optimizers": [], "step": 0, "elapsed_s": 0.0, "tokens": tokens}, target)
    before = {"stage": stage, "tokens": tokens, **{name: getattr(old, name) for name in ("layers", "hidden", "heads", "ff")}}
    (places.stage("lm") / GROWN_FILE).write_text(json.dumps(before))
    sizes = ", ".join(f"{name} {getattr(old, name)} to {getattr(recipe.generator, name)}" for name in ("layers", "hidden", "heads", "ff"))
    print(f"grow: {sizes}; {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {tokens / 1e6:.1f} M tokens before", flush=True)
