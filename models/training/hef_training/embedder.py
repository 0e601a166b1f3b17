"""The embedder E: a Hugging Face Qwen3 decoder, pooled at the last token (Qwen3-Embedding), L2 norm 1.

Choices: shallow and as wide as the generator, an <|endoftext|> appended to every text as the pooling position.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3Config, Qwen3Model

from . import attention  # noqa: F401  (registers the kernel)
from .config import ModelConfig
from .data import pad
from .tokenizer import EOT, PAD


CONSTANT, SALIENCE = 0, 1  # dimensions of the token embedding that the bag-of-tokens start reserves


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

    def embed(self, rows: list[list[int]]) -> torch.Tensor:
        """Token rows without the end token -> [n, d]."""
        rows = [[*row, EOT] for row in rows]
        return self(pad(rows, PAD), torch.tensor([len(row) for row in rows]))

    @torch.no_grad()
    def start_as_bag(self, salience: torch.Tensor, seed: int = 0) -> None:
        """Weights that make the embedding a weighted mean of random token vectors: a lexical retriever to improve on.

        `salience` [V] in [-1, 1], high for rare tokens. Layer 0 attends from the end token by salience alone: keys carry it in
        the slowest rotary dimension, where positions hardly matter. The other branches write nothing at first.
        """
        config = self.model.config
        dim, slow = config.head_dim, config.head_dim // 2 - 1
        random = torch.Generator().manual_seed(seed)
        table = torch.randn(config.vocab_size, config.hidden_size, generator=random) * 0.3
        table[EOT] = 0
        table[:, CONSTANT] = 1
        table[:, SALIENCE] = salience
        self.model.embed_tokens.weight.copy_(table)
        for index, layer in enumerate(self.model.layers):
            layer.mlp.down_proj.weight.zero_()
            layer.self_attn.o_proj.weight.zero_()
            if index:
                continue
            for name in ("q_proj", "k_proj"):
                getattr(layer.self_attn, name).weight.mul_(0.05)
            for head in range(config.num_attention_heads):
                layer.self_attn.q_proj.weight[head * dim + slow, CONSTANT] = 1
            for head in range(config.num_key_value_heads):
                layer.self_attn.k_proj.weight[head * dim + slow, SALIENCE] = 1
                layer.self_attn.k_proj.weight[head * dim + slow - 1, CONSTANT] = 1
            values = torch.eye(config.num_key_value_heads * dim, config.hidden_size)
            values[:, [CONSTANT, SALIENCE]] = 0
            layer.self_attn.v_proj.weight.copy_(values)
            repeat = config.num_attention_heads // config.num_key_value_heads
            outputs = torch.eye(config.hidden_size, config.num_key_value_heads * dim)
            layer.self_attn.o_proj.weight.copy_(4 * outputs.view(config.hidden_size, -1, dim).repeat_interleave(repeat, 1).flatten(1) / repeat)
