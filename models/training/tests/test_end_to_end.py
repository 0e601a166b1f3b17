"""The end-to-end regime on a small tree: gradients, and equality with the cached vectors."""
from __future__ import annotations

import dataclasses

import numpy as np
import torch

from hef_training import end_to_end, export, nodes
from hef_training.chunks import ChunkedFile
from hef_training.config import ModelConfig
from hef_training.fuser import Fuser
from hef_training.loop import averaged
from hef_training.pairs import Chunks


def table_of(seed: int, fuser: Fuser, files: int = 12) -> nodes.NodeTable:
    sources = []
    for n in range(files):
        parts = [f"const value{seed}{n}{c} = {c};\n" for c in range(1 + n % 4)]
        ends = np.cumsum([len(part) for part in parts]).tolist()
        spans = list(zip([0, *ends[:-1]], ends))
        sources.append(ChunkedFile(f"src/{'ab'[n % 2]}/file{n}.ts", "".join(parts), spans, []))
    chunks = Chunks("r", sources)
    vectors = torch.nn.functional.normalize(torch.randn(len(chunks.flat), 32, generator=torch.Generator().manual_seed(seed)), dim=-1)
    return nodes.build(chunks, vectors, fuser)


def setup() -> tuple[Fuser, list[nodes.NodeTable], list[tuple[int, np.ndarray]]]:
    torch.manual_seed(0)
    fuser = Fuser(ModelConfig(layers=1, hidden=32, heads=2, kv_heads=1, head_dim=16, ff=32), 32).eval()
    tables = [table_of(seed, fuser) for seed in (1, 2)]
    rng = np.random.default_rng(0)
    rows = [(t, rng.permutation(len(tables[t].level))[: 20 + t].astype(np.int32)) for t in (0, 1, 0)]
    return fuser, tables, rows


def test_frozen_weights_give_the_cached_vectors() -> None:
    fuser, tables, rows = setup()
    made = end_to_end.stacked(tables, rows, fuser)
    cached = torch.stack([tables[t].vectors[torch.from_numpy(found[:20].astype(np.int64))] for t, found in rows])
    assert made.shape == (3, 20, 32)
    assert (made - cached).abs().max() < 1e-5


def test_the_fuser_gets_gradients_and_chunks_none() -> None:
    fuser, tables, rows = setup()
    end_to_end.stacked(tables, rows, fuser)[..., 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for name, p in fuser.named_parameters() if "embed_tokens" not in name)
    leaves = [(t, np.array([i for i, c in enumerate(tables[t].children) if not c][:6])) for t in (0, 1)]
    assert not end_to_end.stacked(tables, leaves, fuser).requires_grad


def test_refresh_follows_the_fuser() -> None:
    fuser, tables, rows = setup()
    before = [table.vectors.clone() for table in tables]
    end_to_end.refresh(tables, fuser)
    assert all((a - t.vectors).abs().max() < 1e-5 for a, t in zip(before, tables))
    with torch.no_grad():
        fuser.w_out.bias.add_(torch.linspace(-1, 1, 32))
    end_to_end.refresh(tables, fuser)
    inner = [i for i, c in enumerate(tables[0].children) if c]
    chunk = [i for i, c in enumerate(tables[0].children) if not c]
    assert (before[0][inner] - tables[0].vectors[inner]).abs().max() > 1e-2
    assert torch.equal(before[0][chunk], tables[0].vectors[chunk])
    made = end_to_end.stacked(tables, rows, fuser)
    assert (made[0] - tables[0].vectors[torch.from_numpy(rows[0][1][:20].astype(np.int64))]).abs().max() < 1e-5


def test_the_end_to_end_stage_goes_on_from_the_separate_one_and_moves_the_fuser(trained) -> None:
    recipe, places, bundle = trained
    contrastive = averaged(places.stage("fuser") / "checkpoint.pt")
    learned = {k.removeprefix("fuser."): v for k, v in averaged(places.stage("end-to-end") / "checkpoint.pt").items() if k.startswith("fuser.")}
    assert learned.keys() == contrastive.keys()
    assert any(not torch.equal(learned[key], contrastive[key]) for key in learned)
    exported = export.load(recipe, places)
    assert all(torch.equal(value, learned[key]) for key, value in exported.fuser.state_dict().items())
    separate = export.load(dataclasses.replace(recipe, export=dataclasses.replace(recipe.export, regime="hef")), places)
    assert all(torch.equal(value, contrastive[key]) for key, value in separate.fuser.state_dict().items())
