"""The generator G: a Hugging Face Qwen2 decoder with tied embeddings, fill-in-the-middle over serving prompts.

Choices: grouped-query attention with one KV head (the cache is what travels per token), RoPE base 10,000 for 2,048 positions,
tied input and output embedding (8192 x 192 is 40 % of the parameters).
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from transformers import Qwen2Config, Qwen2ForCausalLM

from . import attention  # noqa: F401  (registers the kernel)
from .config import ModelConfig


def build(config: ModelConfig, vocab_size: int) -> Qwen2ForCausalLM:
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=vocab_size, hidden_size=config.hidden, intermediate_size=config.ff, num_hidden_layers=config.layers,
            num_attention_heads=config.heads, num_key_value_heads=config.kv_heads, head_dim=config.head_dim,
            max_position_embeddings=config.max_positions, tie_word_embeddings=True, rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            attn_implementation="hef_causal", use_cache=False, bos_token_id=None, eos_token_id=2, pad_token_id=0,
        )
    )


def hidden_states(model: Qwen2ForCausalLM, ids: torch.Tensor | None = None, embeds: torch.Tensor | None = None) -> torch.Tensor:
    """[B, S, hidden] after the last norm, causal, no mask (padding on the right)."""
    return model.model(input_ids=ids, inputs_embeds=embeds, use_cache=False).last_hidden_state


def loss(model: Qwen2ForCausalLM, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of weighted cross entropy, sum of weights) over targets [B, S] != -100; logits only where needed."""
    keep = targets != -100
    logits = F.linear(hidden[keep], model.lm_head.weight).float()
    each = F.cross_entropy(logits, targets[keep], reduction="none")
    if weights is None:
        return each.sum(), keep.sum()
    return (each * weights[keep]).sum(), weights[keep].sum()
