"""ONNX graph of an embedder of one layer: only the pooling position is computed (hef_training.embedder.Embedder.pooled).

Keys and values depend on the token alone before rotation, so they are tables (fp16) made at export. Rotating them is put off: a
score is the sum over rotary pairs of cos(t w)(k·q) + sin(t w)(k×q), t the distance to the pooling position. An embedding then costs
a few gathers and products instead of a whole layer over all positions. Same inputs and outputs as `onnx_models.embedder`.
"""
from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto as T

from .onnx_graph import Graph
from .onnx_models import State, head_norm

LAYER = "layers.0."


def rms_rows(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
    return x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + epsilon) * weight


def one_layer(state: State, config, max_tokens: int) -> onnx.ModelProto:
    """`state` of a Qwen3Model of one layer whose query heads each have a key head; fp16 tables, f32 arithmetic."""
    heads, dim, epsilon, width = config.num_attention_heads, config.head_dim, config.rms_norm_eps, config.hidden_size
    if config.num_hidden_layers != 1 or config.num_key_value_heads != heads:
        raise ValueError("this graph is for one layer with as many key heads as query heads")
    table = state["embed_tokens.weight"]
    normed = rms_rows(table, state[LAYER + "input_layernorm.weight"], epsilon)
    keys = rms_rows((normed @ state[LAYER + "self_attn.k_proj.weight"].T).reshape(len(table), heads, dim), state[LAYER + "self_attn.k_norm.weight"], epsilon)
    values = normed @ state[LAYER + "self_attn.v_proj.weight"].T

    g = Graph("embedder")
    ids, lengths = g.input("input_ids", T.INT64, ["B", "S"]), g.input("lengths", T.INT32, ["B"])
    end = g.op("Sub", [g.op("Unsqueeze", [g.op("Cast", [lengths], to=T.INT64), g.i64(1)]), g.const("one", np.int64(1))])  # [B, 1]
    last = g.op("Squeeze", [g.op("GatherElements", [ids, end], axis=1), g.i64(1)])  # [B]
    hidden = g.embedding(last, "embed_tokens", table)  # [B, d]
    query = g.linear(g.rms(hidden, "n1", state[LAYER + "input_layernorm.weight"], epsilon), "q", state[LAYER + "self_attn.q_proj.weight"], None, "fp32")
    query = head_norm(g, g.op("Unsqueeze", [query, g.i64(1)]), "qn", state[LAYER + "self_attn.q_norm.weight"] * dim**-0.5, heads, dim, epsilon)
    weights = attention_weights(g, ids, end, query, keys.reshape(len(table), -1), heads, dim, config.rope_parameters["rope_theta"], max_tokens)

    rows = g.op("Reshape", [g.embedding(ids, "values", values), g.i64(0, 0, heads, dim)])  # [B, S, H, D]
    mixed = g.op("ReduceSum", [g.op("Mul", [rows, g.op("Unsqueeze", [weights, g.i64(3)])]), g.i64(1)], keepdims=0)
    mixed = g.op("Reshape", [mixed, g.i64(0, heads * dim)])
    hidden = g.op("Add", [hidden, g.linear(mixed, "o", state[LAYER + "self_attn.o_proj.weight"], None, "fp32")])
    inner = g.rms(hidden, "n2", state[LAYER + "post_attention_layernorm.weight"], epsilon)
    gate, up = (g.linear(inner, name, state[f"{LAYER}mlp.{name}_proj.weight"], None, "fp32") for name in ("gate", "up"))
    active = g.op("Mul", [g.op("Mul", [gate, g.op("Sigmoid", [gate])]), up])
    hidden = g.op("Add", [hidden, g.linear(active, "down", state[LAYER + "mlp.down_proj.weight"], None, "fp32")])
    g.rename(g.unit(g.rms(hidden, "norm", state["norm.weight"], epsilon)), "embedding")
    g.output("embedding", T.FLOAT, ["B", width])
    return g.model()


def attention_weights(g: Graph, ids: str, end: str, query: str, keys: np.ndarray, heads: int, dim: int, theta: float, max_tokens: int) -> str:
    """[B, S, H] softmax over positions up to `end` [B, 1] for the scaled query [B, 1, H * D]."""
    half = dim // 2
    angles = np.arange(max_tokens)[:, None] * theta ** (-np.arange(half) / half)[None]
    size = g.op("Gather", [g.op("Shape", [ids]), g.const("one", np.int64(1))], axis=0)
    position = g.op("Unsqueeze", [g.op("Range", [g.const("zero", np.int64(0)), size, "one"]), g.i64(0)])  # [1, S]
    distance = g.op("Sub", [end, position])  # [B, S], negative past the end
    inside = g.op("GreaterOrEqual", [distance, "zero"])
    reach = g.op("Max", [distance, "zero"])
    cos, sin = (
        g.op("Unsqueeze", [g.op("Gather", [g.const(name, table.astype(np.float32)), reach], axis=0), g.i64(2)])  # [B, S, 1, D/2]
        for name, table in (("cos", np.cos(angles)), ("sin", np.sin(angles)))
    )
    shaped = [g.op("Reshape", [x, g.i64(0, 0, heads, dim)]) for x in (g.embedding(ids, "keys", keys), query)]
    (k_low, k_high), (q_low, q_high) = (g.op("Split", [x], 2, axis=3) for x in shaped)
    mul = lambda a, b: g.op("Mul", [a, b])  # noqa: E731
    along = g.op("Add", [mul(k_low, q_low), mul(k_high, q_high)])
    across = g.op("Sub", [mul(k_high, q_low), mul(k_low, q_high)])
    scores = g.op("ReduceSum", [g.op("Add", [mul(along, cos), mul(across, sin)]), g.i64(3)], keepdims=0)  # [B, S, H]
    scores = g.op("Where", [g.op("Unsqueeze", [inside, g.i64(2)]), scores, g.const("never", np.float32(-1e9))])
    return g.op("Softmax", [scores], axis=1)
