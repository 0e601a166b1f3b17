"""ONNX graphs of the bundle's models, from Hugging Face state dicts. Signatures: models/README.md."""
from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto as T

from .onnx_graph import BLOCK, FAR, MS, Graph

State = dict[str, np.ndarray]
QKV = ("q_proj", "k_proj", "v_proj")


def head_dim(config) -> int:
    """Published Qwen2 configurations leave it out."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def check(config) -> None:
    """Refuses what the graph does not compute."""
    if config.rope_parameters.get("rope_type", "default") != "default":
        raise ValueError(f"rope_type {config.rope_parameters['rope_type']} is not exported, only the default one")
    if getattr(config, "use_sliding_window", False):
        raise ValueError("sliding window attention is not exported")
    if config.hidden_act != "silu":
        raise ValueError(f"activation {config.hidden_act} is not exported, only silu")


def rotary(g: Graph, config, positions: int) -> tuple[str, str]:
    """Names of the cosine and sine tables [positions, head_dim / 2]."""
    check(config)
    theta, dim = config.rope_parameters["rope_theta"], head_dim(config)
    inverse = 1.0 / theta ** (np.arange(0, dim, 2) / dim)
    angles = np.arange(positions)[:, None] * inverse[None]
    return g.const("cos", np.cos(angles).astype(np.float32)), g.const("sin", np.sin(angles).astype(np.float32))


def body(g: Graph, x: str, state: State, config, precision: str, positions: int, seqlens: str, total: str, pasts: list[tuple[str, str]] | None):
    """Transformer layers over x [B, S, hidden]: (hidden, last residual branch, [(present key, present value)])."""
    cos, sin = rotary(g, config, positions)
    heads, kv, dim, epsilon = config.num_attention_heads, config.num_key_value_heads, head_dim(config), config.rms_norm_eps
    hidden, skip, presents = x, None, []
    for layer in range(config.num_hidden_layers):
        p = f"layers.{layer}."
        norm = state[p + "input_layernorm.weight"]
        if skip is None:
            normed = g.rms(hidden, p + "n1", norm, epsilon)
        else:
            normed, hidden = g.skip_rms(hidden, skip, p + "n1", norm, epsilon)
        past = list(pasts[layer]) if pasts else ["", ""]
        if p + "self_attn.q_norm.weight" in state:
            qkv = [g.linear(normed, p + n, state[f"{p}self_attn.{n}.weight"], None, precision) for n in QKV]
            qkv[0] = head_norm(g, qkv[0], p + "qn", state[p + "self_attn.q_norm.weight"], heads, dim, epsilon)
            qkv[1] = head_norm(g, qkv[1], p + "kn", state[p + "self_attn.k_norm.weight"], kv, dim, epsilon)
        else:
            weight = np.concatenate([state[f"{p}self_attn.{n}.weight"] for n in QKV])
            bias = np.concatenate([state[f"{p}self_attn.{n}.bias"] for n in QKV])
            qkv = [g.linear(normed, p + "qkv", weight, bias, precision), "", ""]
        attended, key, value = g.op(
            "GroupQueryAttention", [*qkv, *past, seqlens, total, cos, sin], 3, MS,
            num_heads=heads, kv_num_heads=kv, do_rotary=1, rotary_interleaved=0,
        )
        presents.append((key, value))
        out = g.linear(attended, p + "o", state[p + "self_attn.o_proj.weight"], None, precision)
        normed, hidden = g.skip_rms(hidden, out, p + "n2", state[p + "post_attention_layernorm.weight"], epsilon)
        gate = g.linear(normed, p + "gate", state[p + "mlp.gate_proj.weight"], None, precision)
        up = g.linear(normed, p + "up", state[p + "mlp.up_proj.weight"], None, precision)
        active = g.op("Mul", [g.op("Mul", [gate, g.op("Sigmoid", [gate])]), up])
        skip = g.linear(active, p + "down", state[p + "mlp.down_proj.weight"], None, precision)
    return hidden, skip, presents


def head_norm(g: Graph, x: str, name: str, weight: np.ndarray, heads: int, dim: int, epsilon: float) -> str:
    """RMS norm of each head (Qwen3)."""
    split = g.op("Reshape", [x, g.i64(0, 0, heads, dim)])
    return g.op("Reshape", [g.rms(split, name, weight, epsilon), g.i64(0, 0, heads * dim)])


def last_rows(g: Graph, hidden: str, lengths: str, width: int) -> tuple[str, str, str]:
    """(rows [B, d] at lengths - 1, batch size scalar, sequence length scalar)."""
    shape = g.op("Shape", [hidden])
    batch = g.op("Gather", [shape, g.const("zero", np.int64(0))], axis=0)
    size = g.op("Gather", [shape, g.const("one", np.int64(1))], axis=0)
    starts = g.op("Mul", [g.op("Range", ["zero", batch, "one"]), size])
    at = g.op("Add", [starts, g.op("Sub", [g.op("Cast", [lengths], to=T.INT64), "one"])])
    return g.op("Gather", [g.op("Reshape", [hidden, g.i64(-1, width)]), at], axis=0), batch, size


def no_past(g: Graph, x: str, lengths: str) -> tuple[str, str]:
    """(seqlens_k i32 [B], total length i32 scalar) of a batch without a cache."""
    size = g.op("Gather", [g.op("Shape", [x]), g.const("one", np.int64(1))], axis=0)
    return g.op("Sub", [lengths, g.const("one32", np.int32(1))]), g.op("Cast", [size], to=T.INT32)


def embedder(state: State, config, precision: str, max_tokens: int, g: Graph | None = None) -> onnx.ModelProto:
    g = g or Graph("embedder")
    ids, lengths = g.input("input_ids", T.INT64, ["B", "S"]), g.input("lengths", T.INT32, ["B"])
    x = g.embedding(ids, "embed_tokens", state["embed_tokens.weight"])
    seqlens, total = no_past(g, x, lengths)
    hidden, skip, _ = body(g, x, state, config, precision, max_tokens, seqlens, total, None)
    rows, _, _ = last_rows(g, g.op("Add", [hidden, skip]), lengths, config.hidden_size)
    g.rename(g.unit(g.rms(rows, "norm", state["norm.weight"], config.rms_norm_eps)), "embedding")
    g.output("embedding", T.FLOAT, ["B", config.hidden_size])
    return g.model()


def fuser(state: State, config, precision: str, dimension: int, arity: int) -> onnx.ModelProto:
    """`state` of hef_training.fuser.Fuser: w_in, body.*, w_out."""
    g = Graph("fuser")
    children, counts = g.input("children", T.FLOAT, ["B", "N", dimension]), g.input("counts", T.INT32, ["B"])
    inner = {k.removeprefix("body."): v for k, v in state.items() if k.startswith("body.")}
    x = g.linear(children, "w_in", state["w_in.weight"], state["w_in.bias"], "fp32")
    seqlens, total = no_past(g, x, counts)
    hidden, skip, _ = body(g, x, inner, config, precision, arity, seqlens, total, None)
    rows, _, size = last_rows(g, g.op("Add", [hidden, skip]), counts, config.hidden_size)
    rows = g.linear(g.rms(rows, "norm", inner["norm.weight"], config.rms_norm_eps), "w_out", state["w_out.weight"], state["w_out.bias"], "fp32")
    g.rename(g.unit(g.op("Add", [mean(g, children, counts, g.op("Range", ["zero", size, "one"])), rows])), "parent")
    g.output("parent", T.FLOAT, ["B", dimension])
    return g.model()


def gelu(g: Graph, x: str) -> str:
    half = g.op("Mul", [x, g.const("half", np.float32(0.5))])
    erf = g.op("Erf", [g.op("Mul", [x, g.const("sqrt_half", np.float32(0.5**0.5))])])
    return g.op("Mul", [half, g.op("Add", [erf, g.const("one_f", np.float32(1))])])


def projector(state: State) -> onnx.ModelProto:
    g = Graph("projector")
    output, hidden = state["w2.weight"].shape
    nodes = g.input("nodes", T.FLOAT, ["N", state["w1.weight"].shape[1]])
    x = gelu(g, g.linear(nodes, "w1", state["w1.weight"], state["w1.bias"], "fp32"))
    g.rename(g.linear(x, "w2", state["w2.weight"], state["w2.bias"], "fp32"), "pseudo_tokens")
    g.output("pseudo_tokens", T.FLOAT, ["N", output])
    return g.model()


def llava_projector(state: State) -> onnx.ModelProto:
    """`state` of hef_training.projector.LlavaProjector."""
    g = Graph("projector-llavacode")
    x = g.input("nodes", T.FLOAT, ["N", state["w1.weight"].shape[1]])
    for layer, norm in (("w1", "n1"), ("w2", "n2")):
        x = gelu(g, g.linear(x, layer, state[layer + ".weight"], state[layer + ".bias"], "fp32"))
        weights = [g.const(f"{norm}_{part}", state[f"{norm}.{part}"].astype(np.float32)) for part in ("weight", "bias")]
        x = g.op("LayerNormalization", [x, *weights], axis=-1, epsilon=1e-5)
    g.rename(g.linear(x, "w3", state["w3.weight"], state["w3.bias"], "fp32"), "pseudo_tokens")
    g.output("pseudo_tokens", T.FLOAT, ["N", len(state["w3.bias"])])
    return g.model()


def mean_fuser(dimension: int) -> onnx.ModelProto:
    """A fuser without weights: the mean of the children, to unit length."""
    g = Graph("fuser")
    children, counts = g.input("children", T.FLOAT, ["B", "N", dimension]), g.input("counts", T.INT32, ["B"])
    size = g.op("Gather", [g.op("Shape", [children]), g.const("one", np.int64(1))], axis=0)
    g.rename(g.unit(mean(g, children, counts, g.op("Range", [g.const("zero", np.int64(0)), size, "one"]))), "parent")
    g.output("parent", T.FLOAT, ["B", dimension])
    return g.model()


def mean(g: Graph, children: str, counts: str, positions: str) -> str:
    """[B, d]: mean of the first `counts` of children [B, N, d]; `positions` is 0 … N - 1."""
    index = g.op("Unsqueeze", [g.op("Cast", [positions], to=T.INT32), g.i64(0)])
    inside = g.op("Cast", [g.op("Less", [index, g.op("Unsqueeze", [counts, g.i64(1)])])], to=T.FLOAT)
    summed = g.op("ReduceSum", [g.op("Mul", [children, g.op("Unsqueeze", [inside, g.i64(2)])]), g.i64(1)], keepdims=0)
    return g.op("Div", [summed, g.op("Unsqueeze", [g.op("Cast", [counts], to=T.FLOAT), g.i64(1)])])


def shared_embedding(served: onnx.ModelProto, vocab: int, hidden: int, bits: int) -> onnx.ModelProto:
    """The token embedding as rows of the generator's quantised head, in the file where that lies: tied weights exist once."""
    stored = {tensor.name: tensor for tensor in served.graph.initializer}
    g = Graph("token-embedding")
    ids = g.input("input_ids", T.INT64, ["B", "S"])
    for name, source, shape in (("table", "lm_head_q", [vocab, hidden * bits // 8]), ("scales", "lm_head_s", [vocab, hidden // BLOCK])):
        tensor = T()
        tensor.CopyFrom(stored[source])
        tensor.name = name
        tensor.dims[:] = shape
        g.initializers.append(tensor)
    rows = g.op("GatherBlockQuantized", ["table", ids, "scales"], domain=MS, bits=bits, block_size=BLOCK, gather_axis=0, quantize_axis=1)
    g.rename(rows, "embeddings")
    g.output("embeddings", T.FLOAT, ["B", "S", hidden])
    return g.model()


def token_embedding(table: np.ndarray, g: Graph | None = None) -> onnx.ModelProto:
    g = g or Graph("token-embedding")
    ids = g.input("input_ids", T.INT64, ["B", "S"])
    g.rename(g.embedding(ids, "embed_tokens", table), "embeddings")
    g.output("embeddings", T.FLOAT, ["B", "S", table.shape[1]])
    return g.model()


def generator(state: State, head: np.ndarray, config, precision: str, max_positions: int, g: Graph | None = None,
              head_precision: str | None = None) -> onnx.ModelProto:
    """`state` of Qwen2Model, `head` [V, hidden] (the tied embedding or lm_head); `head_precision`: where not that of the layers."""
    g = g or Graph("generator")
    kv, dim = config.num_key_value_heads, head_dim(config)
    x = g.input("inputs_embeds", T.FLOAT, [1, "S", config.hidden_size])
    seqlens, total = g.input("seqlens_k", T.INT32, [1]), g.input("total_length", T.INT32, [])
    start = g.input("logits_from", T.INT64, [1])
    pasts = [
        (g.input(f"past_key_{l}", T.FLOAT, [1, kv, "C", dim]), g.input(f"past_value_{l}", T.FLOAT, [1, kv, "C", dim]))
        for l in range(config.num_hidden_layers)
    ]
    hidden, skip, presents = body(g, x, state, config, precision, max_positions, seqlens, total, pasts)
    rows = g.op("Slice", [g.op("Add", [hidden, skip]), start, g.i64(FAR), g.i64(1)])
    rows = g.rms(rows, "norm", state["norm.weight"], config.rms_norm_eps)
    g.rename(g.linear(rows, "lm_head", head, None, head_precision or precision), "logits")
    g.output("logits", T.FLOAT, [1, "S_logits", head.shape[0]])
    size = g.op("Slice", [g.op("Shape", [x]), g.i64(1), g.i64(2), g.i64(0)])
    end = g.op("Reshape", [g.op("Cast", [total], to=T.INT64), g.i64(1)])
    begin = g.op("Sub", [end, size])
    for l, pair in enumerate(presents):
        for kind, present in zip(("key", "value"), pair):
            g.op("Slice", [present, begin, end, g.i64(2)], [f"new_{kind}_{l}"])
            g.output(f"new_{kind}_{l}", T.FLOAT, [1, kv, "S", dim])
    return g.model()
