"""The embedder E: a Hugging Face Qwen3 decoder, pooled at the last token (Qwen3-Embedding), L2 norm 1.

Choices: an <|endoftext|> appended to a chunk and a <|fim_middle|> to a query as the pooling position, so that the two may weigh
their tokens differently. With one layer only that position attends to anything that matters, and its scores are sums of two
tables (one by token, one by distance): `pooled` computes just that, hundreds of times faster in training than the whole model.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3Config, Qwen3Model

from . import attention  # noqa: F401  (registers the kernel)
from .config import ModelConfig
from .data import pad
from .tokenizer import EOT, FIM_MIDDLE, PAD


CONSTANT = 0  # dimension of the token embedding that the start keeps at one value
PASSAGE, QUERY = 0, 1
END = (EOT, FIM_MIDDLE)  # pooling token of either kind


class Embedder(nn.Module):
    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.model = Qwen3Model(
            Qwen3Config(
                vocab_size=vocab_size, hidden_size=config.hidden, intermediate_size=config.ff, num_hidden_layers=config.layers,
                num_attention_heads=config.heads, num_key_value_heads=config.kv_heads, head_dim=config.head_dim,
                max_position_embeddings=config.max_positions, rms_norm_eps=1e-6, attn_implementation="hef_causal", use_cache=False,
                rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta}, pad_token_id=0, bos_token_id=None, eos_token_id=2,
            )
        )

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids [B, S] padded on the right, lengths [B] -> [B, d] f32, L2 norm 1."""
        hidden = self.model(input_ids=ids, use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(ids)), lengths - 1]
        return F.normalize(last.float(), dim=-1)

    def embed(self, rows: list, kind: int = PASSAGE) -> torch.Tensor:
        """Token rows without the end token -> [n, d]."""
        if len(self.model.layers) == 1:
            lengths = torch.tensor([len(row) for row in rows])
            return self.pooled(pad(rows, PAD), lengths, kind)
        rows = [[*row, END[kind]] for row in rows]
        return self(pad(rows, PAD), torch.tensor([len(row) for row in rows]))

    def pooled(self, ids: torch.Tensor, lengths: torch.Tensor, kind: int) -> torch.Tensor:
        """What `forward` gives for one layer after the end token was appended: ids [B, S], lengths [B] without it -> [B, d]."""
        layer, config = self.model.layers[0], self.model.config
        attend, heads, dim = layer.self_attn, config.num_attention_heads, config.head_dim
        table = layer.input_layernorm(self.model.embed_tokens.weight)
        keys = attend.k_norm(attend.k_proj(table).view(len(table), -1, dim))  # [V, H_kv, D]
        values = attend.v_proj(table)  # [V, H_kv * D]
        query = attend.q_norm(attend.q_proj(table[END[kind]]).view(heads, dim))
        groups = config.num_key_value_heads
        query = query.view(groups, heads // groups, dim)
        size = ids.shape[1]
        distance = (lengths[:, None] - torch.arange(size)[None]).clamp(min=0)  # the end token stands at position `lengths`
        rotated = rotate_back(query, int(lengths.max()) + 1, config.rope_parameters["rope_theta"])  # [T, G, R, D]
        used, place = torch.unique(ids, return_inverse=True)
        by_token = torch.einsum("ugd,tgrd->grut", keys[used], rotated.to(keys.dtype)).flatten(2) * dim**-0.5
        scores = by_token[:, :, place * len(rotated) + distance].float()  # [G, R, B, S]
        scores = scores.masked_fill(torch.arange(size)[None] >= lengths[:, None], float("-inf"))
        own = (torch.einsum("gd,grd->gr", keys[END[kind]], query.to(keys.dtype)) * dim**-0.5).float()
        weights = torch.softmax(torch.cat([scores, own[..., None, None].expand(-1, -1, len(ids), 1)], -1), -1)
        values = values.float().view(len(table), groups, dim)
        mixed = torch.stack([
            F.embedding_bag(ids, values[:, g], per_sample_weights=weights[g, r, :, :size].contiguous(), mode="sum")
            + weights[g, r, :, size:] * values[END[kind], g]
            for g in range(groups) for r in range(heads // groups)
        ], 1).flatten(1)
        hidden = self.model.embed_tokens.weight[END[kind]] + attend.o_proj(mixed)
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return F.normalize(self.model.norm(hidden).float(), dim=-1)

    @torch.no_grad()
    def start_as_bag(self, salience: torch.Tensor, reach: float = 60.0, seed: int = 0) -> None:
        """Weights that make the embedding a weighted mean of random token vectors: a lexical retriever to improve on.

        `salience` [V] in [-1, 1], high for rare tokens; a query weighs its last `reach` tokens most. The end token attends by salience
        in the slowest rotary dimension, where positions hardly matter, and by nearness in one whose period spans the window.
        """
        config = self.model.config
        dim = config.head_dim
        slow = dim // 2 - 1
        random = torch.Generator().manual_seed(seed)
        table = torch.randn(config.vocab_size, config.hidden_size, generator=random) * 0.3
        table[list(END)] = 0
        marks = {CONSTANT: torch.ones(()), 1: salience, 2: torch.zeros(config.vocab_size), 3: torch.zeros(config.vocab_size)}
        for place, value in marks.items():
            table[:, place] = value
        table[END[PASSAGE], 2], table[END[QUERY], 3] = 1.0, 1.0
        self.model.embed_tokens.weight.copy_(table)
        angles = config.rope_parameters["rope_theta"] ** (-torch.arange(dim // 2) / (dim // 2))
        near = int((angles - 1.2 / (2.5 * reach)).abs().argmin())
        for index, layer in enumerate(self.model.layers):
            layer.mlp.down_proj.weight.zero_()
            layer.self_attn.o_proj.weight.zero_()
            if index:
                continue
            for name in ("q_proj", "k_proj"):
                getattr(layer.self_attn, name).weight.mul_(0.05)
            for head in range(config.num_attention_heads):
                layer.self_attn.q_proj.weight[head * dim + slow, CONSTANT] = 1
                layer.self_attn.q_proj.weight[head * dim + near, 3] = 0.7
            for head in range(config.num_key_value_heads):
                layer.self_attn.k_proj.weight[head * dim + slow, 1] = 1
                layer.self_attn.k_proj.weight[head * dim + near, CONSTANT] = 0.5
                layer.self_attn.k_proj.weight[head * dim + slow - 1, CONSTANT] = 1
            values = torch.eye(config.num_key_value_heads * dim, config.hidden_size)
            values[:, list(marks)] = 0
            layer.self_attn.v_proj.weight.copy_(values)
            repeat = config.num_attention_heads // config.num_key_value_heads
            outputs = torch.eye(config.hidden_size, config.num_key_value_heads * dim)
            layer.self_attn.o_proj.weight.copy_(4 * outputs.view(config.hidden_size, -1, dim).repeat_interleave(repeat, 1).flatten(1) / repeat)


def rotate_back(query: torch.Tensor, distances: int, theta: float) -> torch.Tensor:
    """query [..., D] turned so that its product with an unrotated key at distance t is that of the rotated pair: [T, ..., D]."""
    dim = query.shape[-1]
    angles = torch.arange(distances)[:, None] * theta ** (-torch.arange(dim // 2) / (dim // 2))[None]
    shape = (distances, *([1] * (query.ndim - 1)), dim // 2)
    cos, sin = angles.cos().view(shape), angles.sin().view(shape)
    low, high = query[..., : dim // 2], query[..., dim // 2 :]
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)
