"""The fuser F: merges up to `arity` sibling vectors into their parent (HEF, "Hierarchical fusion").

h = W_in z + b, causal attention over the children in order (a Hugging Face Qwen2 body without its token embedding), the last
hidden state, W_out back to the embedding space, L2 norm 1. The mean of the children is added before the norm, so that an
untrained fuser is already a sensible one.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen2Config, Qwen2Model

from . import attention  # noqa: F401  (registers the kernel)
from .config import ModelConfig


def new_body(config: ModelConfig) -> Qwen2Model:
    return Qwen2Model(
        Qwen2Config(
            vocab_size=1, hidden_size=config.hidden, intermediate_size=config.ff, num_hidden_layers=config.layers,
            num_attention_heads=config.heads, num_key_value_heads=config.kv_heads, head_dim=config.head_dim,
            max_position_embeddings=64, rms_norm_eps=1e-6, attn_implementation="hef_causal", use_cache=False,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta}, pad_token_id=0, bos_token_id=None, eos_token_id=None,
        )
    )


class Fuser(nn.Module):
    """`body` takes the place of a new one of the configuration's size (published weights, without their token embedding)."""

    def __init__(self, config: ModelConfig, dimension: int, body: Qwen2Model | None = None) -> None:
        super().__init__()
        self.w_in = nn.Linear(dimension, config.hidden)
        self.body = body or new_body(config)
        self.w_out = nn.Linear(config.hidden, dimension)
        nn.init.normal_(self.w_out.weight, std=0.01)
        nn.init.zeros_(self.w_out.bias)

    def forward(self, children: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """children [B, N, d] padded on the right, counts [B] -> parents [B, d], L2 norm 1."""
        counts = counts.to(children.device)
        hidden = self.body(inputs_embeds=self.w_in(children), use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(children), device=children.device), counts - 1]
        inside = (torch.arange(children.shape[1], device=children.device)[None, :] < counts[:, None]).to(children.dtype)
        mean = (children * inside[..., None]).sum(1) / counts[:, None]
        return F.normalize((mean + self.w_out(last)).float(), dim=-1)
