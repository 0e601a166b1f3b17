"""The projector: one retrieved vector becomes one pseudo-token (HEF: two layers, GELU)."""
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
