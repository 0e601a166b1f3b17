"""Low-rank adapters (LoRA, Hu et al. 2021) on the linear layers of a frozen decoder: y = W x + (alpha / rank) B A x, B zero at first."""
from __future__ import annotations

import torch
from torch import nn

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Adapter(nn.Module):
    """What is trained of one layer."""

    def __init__(self, inputs: int, outputs: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5), nn.Parameter(torch.zeros(outputs, rank))
        self.scale = alpha / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.to(self.a.dtype) @ self.a.T @ self.b.T) * self.scale

    def delta(self) -> torch.Tensor:
        """[outputs, inputs] to add to the frozen weight."""
        return self.b @ self.a * self.scale


class Adapted(nn.Module):
    """A frozen linear layer with its adapter beside it."""

    def __init__(self, base: nn.Linear, adapter: Adapter) -> None:
        super().__init__()
        self.base, self.adapter = base, adapter

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base(x)
        return y + self.adapter(x).to(y.dtype)


def attach(model: nn.Module, rank: int, alpha: float) -> nn.ModuleList:
    """Puts an adapter beside every target layer, in the order of the modules; returns the adapters."""
    adapters = nn.ModuleList()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if name in TARGETS and isinstance(layer, nn.Linear):
                adapters.append(Adapter(layer.in_features, layer.out_features, rank, alpha))
                setattr(parent, name, Adapted(layer, adapters[-1]))
    return adapters


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Adds every adapter to its layer's weight and takes it away."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Adapted):
                layer.base.weight += layer.adapter.delta().to(layer.base.weight)
                setattr(parent, name, layer.base)
