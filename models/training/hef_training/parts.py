"""A checkpoint in parts of at most 16 MB, each with its sha256, so that it can travel where single files are limited.

What travels is the averaged weights in bf16 (tied ones once) and the counters; optimiser states stay behind (a resumed run warms up again).
"""
from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import torch

LIMIT = 16_000_000


def write(state: dict, folder: Path, limit: int = LIMIT) -> int:
    """`state` of loop.Trainer's checkpoint; returns the number of parts. Older parts are removed once the new ones are there."""
    kept: dict[str, torch.Tensor] = {}
    tied: dict[str, str] = {}
    for key, value in state["average"].items():
        value = value.detach().cpu().to(torch.bfloat16)
        twin = next((k for k, v in kept.items() if v.shape == value.shape and torch.equal(v, value)), None)
        if twin:
            tied[key] = twin
        else:
            kept[key] = value
    small = {"average": kept, "tied": tied, **{key: state[key] for key in ("step", "elapsed_s", "tokens")}}
    buffer = io.BytesIO()
    torch.save(small, buffer)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n, at in enumerate(range(0, len(data), limit)):
        piece = data[at : at + limit]
        name = f"{digest[:8]}-{n:03d}.part"
        (folder / name).write_bytes(piece)
        rows.append({"name": name, "sha256": hashlib.sha256(piece).hexdigest()})
    (folder / "parts.json").write_text(json.dumps({"sha256": digest, "sizeBytes": len(data), "step": state["step"], "parts": rows}, indent=1))
    for path in folder.glob("*.part"):
        if path.name not in {row["name"] for row in rows}:
            path.unlink()
    return len(rows)


def read(folder: Path) -> dict:
    """A checkpoint that loop.Trainer resumes from and the other steps read, without optimiser states. SystemExit names a bad part."""
    report = json.loads((folder / "parts.json").read_text())
    pieces = []
    for row in report["parts"]:
        path = folder / row["name"]
        if not path.exists():
            raise SystemExit(f"parts: {row['name']} is missing")
        pieces.append(path.read_bytes())
        if hashlib.sha256(pieces[-1]).hexdigest() != row["sha256"]:
            raise SystemExit(f"parts: {row['name']} does not have the sha256 of parts.json")
    data = b"".join(pieces)
    if hashlib.sha256(data).hexdigest() != report["sha256"]:
        raise SystemExit("parts: together they do not have the sha256 of parts.json")
    state = torch.load(io.BytesIO(data), weights_only=True)
    average = {k: v.float() for k, v in state["average"].items()}
    average |= {k: average[twin].clone() for k, twin in state.pop("tied").items()}
    return {**state, "average": average, "model": {k: v.clone() for k, v in average.items()}, "optimizers": []}
