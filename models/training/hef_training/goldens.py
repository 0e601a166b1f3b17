"""Step `goldens`: small inputs and outputs by which a server proves that it runs a bundle correctly.

`pytorch` outputs come from the fp32 PyTorch models (tolerance: quantisation), `onnx` outputs from ONNX Runtime on the exported
files (tolerance: other kernels only). Greedy tokens are recomputed in full for every token, so they also check a KV cache.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import generator as generator_module
from . import runtime, tokenizer
from .config import Places
from .layout import Layout
from .served_embedder import ServedEmbedder

TEXTS = [
    "import { createUser } from './users';\n\nexport async function handler(req: Request): Promise<Response> {\n  const user = ",
    "class HTTPServer(Base):\n    def __init__(self, host: str, port_number: int = 8080) -> None:\n        self.host = ",
    "const naïve = \"☕ 日本語 😀\";\r\n\tif (a_b?.cD !== 1234567) { return; }   \n\n\n",
]
SUFFIX = ";\n  return Response.json(user);\n}\n"
ENTITIES = ["createUser", "UserStore.findById", "HTTPServer"]
GREEDY = 16


def rounded(values: np.ndarray | torch.Tensor, digits: int = 6) -> list:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def greedy_pytorch(model, prompt: torch.Tensor, count: int) -> list[int]:
    """prompt [1, S, d_g] embeddings -> greedy ids, each by full recomputation in fp32."""
    out: list[int] = []
    for _ in range(count):
        hidden = generator_module.hidden_states(model, embeds=prompt)
        out.append(int((hidden[:, -1] @ model.lm_head.weight.T).argmax()))
        prompt = torch.cat([prompt, model.model.embed_tokens(torch.tensor([[out[-1]]]))], 1)
    return out


@torch.no_grad()
def make(models, places: Places, folder: Path) -> dict:
    recipe = models.recipe
    layout = Layout(recipe.layout, tokenizer.load(places), models.specials)
    random = np.random.default_rng(0)
    ids = [layout.encode(text) for text in TEXTS]
    children = random.standard_normal((3, recipe.arity, recipe.embedder.hidden)).astype(np.float32)
    children /= np.linalg.norm(children, axis=-1, keepdims=True)
    counts = np.array([2, 5, recipe.arity], np.int32)
    for row, count in zip(children, counts):
        row[count:] = 0
    children = np.round(children, 5)
    nodes = children[2][: min(4, recipe.arity)]
    rows = [[*row, models.specials.eot] for row in ids]
    padded = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    lengths = np.array([len(row) for row in rows], np.int32)
    embedded = runtime.session(folder / "embedder.onnx").run(None, {"input_ids": padded, "lengths": lengths})[0]
    fused = runtime.session(folder / "fuser.onnx").run(None, {"children": children, "counts": counts})[0]
    projected = runtime.session(folder / "projector.onnx").run(None, {"nodes": nodes})[0]
    return {
        "tolerance": {"onnx": {"absolute": 2e-3}, "pytorch": {"cosine": 0.98}, "greedy": "onnx ids are equal, or part where two logits differ by less than 0.02"},
        "tokenizer": [{"text": text, "ids": row} for text, row in zip(TEXTS, ids)],
        "embedder": embedder_cases(models.embedder, rows, embedded),
        "fuser": [
            {"children": rounded(c[:n]), "pytorch": rounded(p), "onnx": rounded(o)}
            for c, n, p, o in zip(children, counts, models.fuser(torch.tensor(children), torch.tensor(counts)), fused)
        ],
        "projector": {"nodes": rounded(nodes), "pytorch": rounded(models.projector(torch.tensor(nodes))), "onnx": rounded(projected)},
        "generator": generator_cases(models, layout, folder, projected),
    }


def embedder_cases(embedder, rows: list[list[int]], embedded: np.ndarray) -> list[dict]:
    if isinstance(embedder, ServedEmbedder):
        return embedder.goldens  # of the bundle that it was made for, whose PyTorch weights are gone
    pooled = embedder.embed([row[:-1] for row in rows])
    return [{"inputIds": row, "pytorch": rounded(p), "onnx": rounded(o)} for row, p, o in zip(rows, pooled, embedded)]


def generator_cases(models, layout: Layout, folder: Path, pseudo: np.ndarray) -> list[dict]:
    size = models.recipe.generator
    served = runtime.Generator(folder / "generator.onnx", folder / "token-embedding.onnx", size.layers, size.kv_heads, size.head_dim)
    cases = []
    for text, suffix, entities, with_nodes in (
        (TEXTS[0], SUFFIX, ENTITIES, False), (TEXTS[0], SUFFIX, ENTITIES, True), (TEXTS[1], None, None, False), (TEXTS[1], None, None, True),
    ):
        prompt = layout.prompt(text, suffix, entities, end=False)
        ids = prompt.context + prompt.body
        nodes = pseudo if with_nodes else None
        embeds = models.generator.model.embed_tokens(torch.tensor([ids]))
        if nodes is not None:
            embeds = torch.cat([torch.tensor(nodes)[None], embeds], 1)
        served.reset()
        served_embeds = served.embed(ids) if nodes is None else np.concatenate([nodes[None], served.embed(ids)], 1)
        logits = served.feed(served_embeds, served_embeds.shape[1] - 1)[-1]
        top = np.argsort(-logits)[:8]
        cases.append({
            "text": text, "suffix": suffix, "entities": entities, "nodes": 0 if nodes is None else len(nodes), "inputIds": ids,
            "topIds": top.tolist(), "topLogits": rounded(logits[top], 5),
            "greedyOnnx": served.greedy(ids, nodes, GREEDY, cached=False), "greedyPytorch": greedy_pytorch(models.generator, embeds, GREEDY),
        })
    return cases


@torch.no_grad()
def quantisation(models, places: Places) -> dict:
    """Held-out loss of the generator (nats a token) in PyTorch fp32 and as exported; empty without held-out repositories."""
    from . import evaluate, export
    examples = evaluate.plain_prompts(models.recipe, places, 24, models.specials)
    if not examples:
        return {}
    files = export.graphs(models)
    size = models.recipe.generator
    served = runtime.Generator(files["generator.onnx"].SerializeToString(), files["token-embedding.onnx"].SerializeToString(), size.layers, size.kv_heads, size.head_dim)
    exact = quantised = count = 0.0
    for prompt in examples:
        ids = prompt.context + prompt.body
        start, targets = len(prompt.context), prompt.body[1:]
        hidden = generator_module.hidden_states(models.generator, torch.tensor([ids]))[0, start:-1]
        exact += nats((hidden @ models.generator.lm_head.weight.T).numpy(), targets)
        served.reset()
        quantised += nats(served.feed(served.embed(ids), start)[:-1], targets)
        count += len(targets)
    return {"heldOutLossFp32": round(exact / count, 4), "heldOutLossExported": round(quantised / count, 4), "tokens": int(count)}


def nats(logits: np.ndarray, targets: list[int]) -> float:
    logits = logits - logits.max(-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-log_probabilities[np.arange(len(targets)), targets].sum())
