"""Step `p-tuning`: one learnable [mem] vector per chunk of a folder, offline (HEF, "p-tuning").

The vector z lies in the embedder's space and starts as the chunk's own embedding; 250 to 500 AdamW steps move it so that the
frozen generator writes the chunk out after the single pseudo-token π(z / |z|), π the bundle's frozen projector. So it fits wherever
the embedder's vector is projected, has its length (1) and dimension, and needs no second projector. It is no embedding any more:
`hef-language-server import-vectors DIR FILE` puts it beside the embedder's vector, which retrieval goes on to compare.

Chunks are the server's own; ids are theirs, in the bundle's vector space. The weights must be those that the bundle was exported
from. Deliberately lacks: inner nodes (they keep what the fuser made of the embedder's vectors).
"""
from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import torch
import torch.nn.functional as F

from . import generator, hierarchy, precision, tokenizer
from .chunks import code_points
from .config import Places, PTuningConfig, Recipe
from .corpus import normalise
from .data import IGNORE, by_length, pad
from .layout import Layout

RULES_VERSION = 2  # of server/inference/bundle.ts
FORMAT = {"format": "hef-tuned-vectors", "version": 1}


def space_id(manifest: dict) -> str:
    """The bundle's vector space, as the server names it (server/inference/bundle.ts, `spaceIdOf`)."""
    files, embedder, fuser = manifest["files"], manifest["embedder"], manifest["fuser"]
    content = [files[name]["sha256"] for name in (manifest["tokenizer"]["file"], embedder["file"], fuser["file"])]
    parts = [f"rules {RULES_VERSION}", *content, *map(str, [embedder["maxTokens"], *embedder["append"], fuser["arity"]])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def chunk_texts(server: Path, tokenizer_file: Path, folder: Path) -> list[str]:
    """The server's chunks of a folder, each text once."""
    command = ["node", str(server), "chunks", "--tokenizer", str(tokenizer_file), str(folder)]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise SystemExit(f"p-tuning: {done.stderr.decode()[-2000:]}")
    out = []
    for line in done.stdout.splitlines():
        row = json.loads(line)
        text = normalise((folder / row["path"]).read_bytes())
        flat = code_points(text, [offset for c in row["chunks"] for offset in (c["startOffset"], c["endOffset"])])
        out += [text[a:b] for a, b in zip(flat[::2], flat[1::2])]
    return list(dict.fromkeys(out))


def losses(model, projector, vectors: torch.Tensor, rows: list[list[int]], layout: Layout) -> torch.Tensor:
    """[n] mean nats a token of each row of ids, written after the pseudo-token of its vector [n, d]."""
    head = layout.prompt("", None, end=False)
    front = head.context + head.body
    ids = pad([front + row for row in rows], tokenizer.PAD)
    targets = pad([[IGNORE] * (len(front) - 1) + row + [IGNORE] for row in rows], IGNORE)
    with precision.autocast():
        embeds = model.model.embed_tokens(ids)
        pseudo = projector(F.normalize(vectors, dim=-1))[:, None].to(embeds.dtype)
        hidden = generator.hidden_states(model, embeds=torch.cat([pseudo, embeds], 1))[:, 1:]
    logits = F.linear(hidden.float(), model.lm_head.weight.float())
    each = F.cross_entropy(logits.transpose(1, 2), targets[:, : logits.shape[1]], ignore_index=IGNORE, reduction="none")
    return each.sum(1) / torch.tensor([len(row) for row in rows])


def tune(model, projector, start: torch.Tensor, rows: list[list[int]], layout: Layout, config: PTuningConfig) -> tuple[torch.Tensor, float, float]:
    """(vectors [n, d] of length 1, mean loss before, mean loss after); a vector that did not get better stays as it was."""
    vectors = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([vectors], lr=config.lr, weight_decay=0.0)
    with torch.no_grad():
        before = losses(model, projector, start, rows, layout)
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = config.lr * (1 - step / config.steps)
        optimizer.zero_grad()
        losses(model, projector, vectors, rows, layout).sum().backward()  # every vector has its own loss: a sum, not a mean
        optimizer.step()
    with torch.no_grad():
        after = losses(model, projector, vectors, rows, layout)
        tuned = torch.where((after < before)[:, None], F.normalize(vectors, dim=-1), start)
    return tuned, before.mean().item(), torch.minimum(after, before).mean().item()


def run(recipe: Recipe, places: Places, server: Path | None, folder: Path | None, bundle: Path, out: Path | None) -> None:
    from .embedder_train import embed_rows
    from .embedder import PASSAGE
    from .export import Models
    if not server or not folder or not out:
        raise SystemExit("p-tuning: give --server (hef-language-server.js), --folder (the repository) and --vectors (the file to write)")
    manifest = json.loads((bundle / "manifest.json").read_text())
    space, layout, config = space_id(manifest), Layout(recipe.layout, tokenizer.load(places)), recipe.p_tuning
    models = Models(recipe, places)
    texts = [text for text in chunk_texts(server, bundle / manifest["tokenizer"]["file"], folder) if layout.encode(text)]
    rows = [layout.encode(text)[: config.max_tokens] for text in texts]
    with torch.no_grad():
        start = embed_rows(models.embedder, [layout.encode(text)[: manifest["embedder"]["maxTokens"]] for text in texts], PASSAGE).float()
    found, before, after = start.clone(), 0.0, 0.0
    for batch in by_length(list(range(len(rows))), lambda i: len(rows[i]), config.micro_tokens):
        found[batch], a, b = tune(models.generator, models.projector, start[batch], [rows[i] for i in batch], layout, config)
        before, after = before + a * len(batch), after + b * len(batch)
    header = {**FORMAT, "bundle": manifest["id"], "space": space, "dimension": start.shape[1]}
    with out.open("w") as handle:
        handle.write(json.dumps(header) + "\n")
        for text, vector in zip(texts, found):
            handle.write(json.dumps({"id": hierarchy.chunk_id(space, text), "vector": [round(v, 6) for v in vector.tolist()]}) + "\n")
    print(json.dumps({"chunks": len(texts), "lossBefore": round(before / len(texts), 4), "lossAfter": round(after / len(texts), 4)}), flush=True)
