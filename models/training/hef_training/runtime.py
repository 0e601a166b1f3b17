"""The exported models in ONNX Runtime, as the server runs them: for goldens, parity tests and measurements."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the runtime is loaded; otherwise it reports home
import onnxruntime as ort  # noqa: E402


def session(model: Path | bytes, threads: int = 1) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"])


class Generator:
    """A generator session with its KV cache of fixed capacity, filled in place."""

    def __init__(self, model: Path | bytes, embedding: Path | bytes, layers: int, kv_heads: int, head_dim: int, capacity: int = 1280) -> None:
        self.run_session, self.embed_session = session(model), session(embedding)
        self.layers, self.capacity = layers, capacity
        self.shape = (1, kv_heads, capacity, head_dim)
        self.reset()

    def reset(self) -> None:
        self.past = {f"past_{kind}_{l}": np.zeros(self.shape, np.float32) for l in range(self.layers) for kind in ("key", "value")}
        self.filled = 0

    def embed(self, ids: list[int]) -> np.ndarray:
        """[1, S, d_g]."""
        return self.embed_session.run(None, {"input_ids": np.array([ids], np.int64)})[0]

    def feed(self, embeds: np.ndarray, logits_from: int) -> np.ndarray:
        """Appends positions; returns logits [S - logits_from, V]."""
        size = embeds.shape[1]
        inputs = {
            "inputs_embeds": embeds, "seqlens_k": np.array([self.filled + size - 1], np.int32),
            "total_length": np.array(self.filled + size, np.int32), "logits_from": np.array([logits_from], np.int64), **self.past,
        }
        names = [o.name for o in self.run_session.get_outputs()]
        out = dict(zip(names, self.run_session.run(names, inputs)))
        for l in range(self.layers):
            for kind in ("key", "value"):
                self.past[f"past_{kind}_{l}"][:, :, self.filled : self.filled + size] = out[f"new_{kind}_{l}"]
        self.filled += size
        return out["logits"][0]

    def greedy(self, ids: list[int], pseudo: np.ndarray | None, count: int, cached: bool = True) -> list[int]:
        """`count` greedy tokens after the prompt [pseudo tokens] + ids; with `cached` off, each from a full recomputation."""
        prompt = self.embed(ids)
        if pseudo is not None:
            prompt = np.concatenate([pseudo[None], prompt], 1)
        self.reset()
        out: list[int] = []
        logits = self.feed(prompt, prompt.shape[1] - 1)
        while True:
            out.append(int(logits[-1].argmax()))
            if len(out) == count:
                return out
            step = self.embed(out[-1:])
            if not cached:
                self.reset()
                step = np.concatenate([prompt, self.embed(out)], 1)
            logits = self.feed(step, step.shape[1] - 1)
