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
