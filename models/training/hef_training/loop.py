"""What all training stages share: optimisers, a time-boxed schedule, checkpoints, JSON-lines log.

Hidden matrices are trained with Muon (Jordan et al. 2024), everything else with AdamW. The rate warms up over steps, stays, and
falls linearly over the last share of the *time* budget, so a stage always ends with a decayed rate, however fast the machine is.
An exponential moving average of the weights is what gets exported, so that a checkpoint is usable at any moment.
"""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable

import torch
from torch import nn

from . import parallel
from .config import TrainConfig


def optimizers(modules: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    matrices, others = [], []
    for name, parameter in modules.named_parameters():
        if parameter.requires_grad:
            hidden = config.muon_lr > 0 and parameter.ndim == 2 and "embed_tokens" not in name and "lm_head" not in name
            (matrices if hidden else others).append(parameter)
    out: list[torch.optim.Optimizer] = []
    if matrices:
        out.append(torch.optim.Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay, momentum=0.95))
    if others:
        out.append(torch.optim.AdamW(others, lr=config.lr, betas=(0.9, 0.95), weight_decay=0.0))
    for optimizer in out:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return out


class Trainer:
    """Runs `step_loss` until the time box is spent. State: model, average, optimisers, step, elapsed seconds, tokens."""

    def __init__(self, model: nn.Module, config: TrainConfig, folder: Path, minutes: float | None = None) -> None:
        self.model, self.config, self.folder = model, config, folder
        self.budget_s = 60 * (config.minutes if minutes is None else minutes)
        self.optimizers = optimizers(model, config)
        self.restart_average()
        self.step, self.elapsed_s, self.tokens = 0, 0.0, 0
        self.resume()

    def restart_average(self) -> None:
        self.average = {k: v.detach().clone().float() for k, v in self.model.state_dict().items()}

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.average = {k: v.to(self.average[k].device) for k, v in state["average"].items()}
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.step, self.elapsed_s, self.tokens = state["step"], state["elapsed_s"], state["tokens"]
        print(f"resumed at step {self.step}, {self.elapsed_s / 60:.1f} min", flush=True)

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(), "average": self.average, "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step, "elapsed_s": self.elapsed_s, "tokens": self.tokens,
        }

    def save(self) -> None:
        if parallel.rank():
            return
        temporary = self.folder / "checkpoint.tmp"
        torch.save(self.state(), temporary)
        temporary.replace(self.checkpoint)

    def rate(self) -> float:
        spent = self.elapsed_s / max(1e-9, self.budget_s)
        left = max(0.0, 1.0 - spent)
        rising = (1e-3 + spent) / self.config.warmup_share if self.config.warmup_share else 1.0
        return min(1.0, (self.step + 1) / self.config.warmup, rising, max(0.02, left / self.config.decay_share))

    def log(self, **values: object) -> None:
        if parallel.rank():
            return
        line = json.dumps({"step": self.step, "minutes": round(self.elapsed_s / 60, 2), **values})
        print(line, flush=True)
        with (self.folder / "log.jsonl").open("a") as handle:
            handle.write(line + "\n")

    def run(self, step_loss: Callable[[], tuple[dict[str, float], int]], evaluate: Callable[[], dict[str, float]] | None = None,
            piece_s: float = float("inf")) -> None:
        """`step_loss` accumulates gradients for one step and returns (values to log, tokens read). `piece_s`: ends earlier than the budget."""
        config, began_s = self.config, self.elapsed_s
        saved, shown, sums, count, since = time.time(), time.time(), {}, 0, 0
        self.model.train()
        while self.elapsed_s < self.budget_s and self.elapsed_s - began_s < piece_s:
            started = time.time()
            rate = self.rate()
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["base_lr"] * rate
                optimizer.zero_grad(set_to_none=True)
            values, tokens = step_loss()
            parallel.average_gradients(list(self.model.parameters()))
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
            for optimizer in self.optimizers:
                optimizer.step()
            self.update_average()
            self.step += 1
            self.tokens += tokens * parallel.size()
            since += tokens * parallel.size()
            count += 1
            for key, value in values.items():
                sums[key] = sums.get(key, 0.0) + value
            self.elapsed_s = parallel.agree(self.elapsed_s + time.time() - started)
            if self.step % 20 == 0:
                self.log(**{k: round(v / count, 4) for k, v in sums.items()}, rate=round(rate, 3),
                         tokens=self.tokens, tokens_per_s=round(since / (time.time() - shown)))
                shown, sums, count, since = time.time(), {}, 0, 0
            if evaluate and not parallel.rank() and self.step % config.eval_every == 0:
                self.log(**self.evaluated(evaluate))
                shown = time.time()
            if time.time() - saved > config.save_every_s:
                self.save()
                saved = time.time()
        if evaluate and not parallel.rank():
            self.log(**self.evaluated(evaluate), final=True)
        self.save()

    def update_average(self) -> None:
        decay = min(0.995, self.step / (self.step + 10))
        with torch.no_grad():
            for key, value in self.model.state_dict().items():
                self.average[key].lerp_(value.float(), 1 - decay)

    def evaluated(self, evaluate: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Runs `evaluate` on the averaged weights."""
        current = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        with torch.no_grad():
            out = evaluate()
        self.model.load_state_dict(current)
        self.model.train()
        return {k: round(v, 4) for k, v in out.items()}


def averaged(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a checkpoint."""
    return torch.load(path, weights_only=True)["average"]
