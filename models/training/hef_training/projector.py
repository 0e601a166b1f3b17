"""Projectors: one retrieved vector becomes one pseudo-token (HEF: two layers, GELU; LlavaCode: three layers with LayerNorm)."""
from __future__ import annotations

import torch
from torch import nn


class Projector(nn.Module):
    """p = W2 GELU(W1 z + b1) + b2. Starts near the scale of the generator's token embeddings."""

    def __init__(self, dimension: int, hidden: int, output: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dimension, hidden)
        self.w2 = nn.Linear(hidden, output)
        nn.init.normal_(self.w1.weight, std=1.0)  # unit-norm inputs: pre-activations of order one
        nn.init.normal_(self.w2.weight, std=0.3 / hidden**0.5)
        nn.init.zeros_(self.w2.bias)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        """[..., d] -> [..., d_g]."""
        return self.w2(nn.functional.gelu(self.w1(nodes)))

    @torch.no_grad()
    def start_linear(self, matrix: torch.Tensor, bias: torch.Tensor) -> None:
        """Starts as z -> matrix z + bias, matrix [d_g, d]: GELU(x) - GELU(-x) = x, so pairs of hidden units are exactly linear."""
        output, used = self.w2.weight.shape[0], 2 * matrix.shape[0]
        if used > self.w1.weight.shape[0]:
            return
        self.w1.bias.zero_()
        self.w2.weight[:, used:] *= 0.1
        self.w1.weight[:used] = torch.cat([matrix, -matrix])
        self.w2.weight[:, :used] = torch.cat([torch.eye(output), -torch.eye(output)], 1)
        self.w2.bias.copy_(bias)


class LlavaProjector(nn.Module):
    """d -> 2 d_g -> d_g -> d_g with GELU and LayerNorm between the layers (LlavaCode). `scale`: standard deviation of its outputs at first."""

    def __init__(self, dimension: int, output: int, scale: float = 0.05) -> None:
        super().__init__()
        self.w1, self.n1 = nn.Linear(dimension, 2 * output), nn.LayerNorm(2 * output)
        self.w2, self.n2 = nn.Linear(2 * output, output), nn.LayerNorm(output)
        self.w3 = nn.Linear(output, output)
        nn.init.normal_(self.w1.weight, std=1.0)  # unit-norm inputs: pre-activations of order one
        nn.init.normal_(self.w3.weight, std=scale / output**0.5)
        nn.init.zeros_(self.w3.bias)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        """[..., d] -> [..., d_g]."""
        x = self.n1(nn.functional.gelu(self.w1(nodes)))
        return self.w3(self.n2(nn.functional.gelu(self.w2(x))))
