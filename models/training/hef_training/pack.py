"""Step `pack`: serving prompts of the whole corpus as token ids in binary shards, for a machine that has neither corpus nor tokenizer.

A shard is `pack-000.bin`, the prompts' ids one after the other as little-endian uint16, and `pack-000.len`, two uint16 a prompt: tokens of
its context (no loss) and of its body. `pack.json` names the shards with their sha256, the vocabulary and the counts. Prompts are
those of the `lm` stage in its random order, `epochs` fresh cuts of every stretch of the corpus; `held-out` is a shard of the
development repositories. No shard is larger than `shard_bytes`, so that each can travel by itself.
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from . import tokenizer
from .config import Places, Recipe
from .data import held_out_repositories, training_repositories
from .layout import Layout, Prompt
from .lm import Examples

HELD_OUT = "held-out"


class Writer:
    """Collects prompts and writes a shard whenever one is full."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.shards: list[dict] = []
        self.ids: list[np.ndarray] = []
        self.lengths: list[tuple[int, int]] = []
        self.size = 0

    def add(self, prompt: Prompt) -> None:
        row = np.array(prompt.context + prompt.body, np.uint16)
        if 2 * (self.size + len(row)) > self.limit:
            self.flush()
        self.ids.append(row)
        self.lengths.append((len(prompt.context), len(prompt.body)))
        self.size += len(row)

    def flush(self, name: str = "") -> None:
        if not self.ids:
            return
        name = name or f"pack-{len(self.shards):03d}"
        data, lengths = np.concatenate(self.ids).astype("<u2").tobytes(), np.array(self.lengths, "<u2").tobytes()
        (self.folder / f"{name}.bin").write_bytes(data)
        (self.folder / f"{name}.len").write_bytes(lengths)
        self.shards.append({"name": name, "prompts": len(self.lengths), "tokens": self.size, "sha256": hashlib.sha256(data + lengths).hexdigest()})
        self.ids, self.lengths, self.size = [], [], 0


def run(recipe: Recipe, places: Places) -> None:
    folder = places.work / "packed"
    folder.mkdir(exist_ok=True)
    layout = Layout(recipe.layout, tokenizer.load(places))
    if layout.tokenizer.get_vocab_size() > 65536:
        raise SystemExit("pack: ids of this tokenizer do not fit in 16 bits")
    writer = Writer(folder, recipe.small.shard_bytes)
    examples = Examples(training_repositories(places), layout, recipe.lm, recipe.lm.seed)
    for _ in range(recipe.small.epochs):
        examples.refill()
        while examples.queue:
            prompt = examples.next()
            if len(prompt.body) > 8:
                writer.add(prompt)
    writer.flush()
    held = held_out_repositories(places.benchmarks, recipe.corpus)
    if held:
        examples = Examples(held, layout, recipe.lm, 7)
        total = 0
        while total < recipe.small.held_out_tokens:
            prompt = examples.next()
            if len(prompt.body) > 8:
                writer.add(prompt)
                total += len(prompt.context) + len(prompt.body)
        writer.flush(HELD_OUT)
    report = {"vocabSize": recipe.tokenizer.vocab_size, "shards": writer.shards}
    (folder / "pack.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({"shards": len(writer.shards), "tokens": sum(s["tokens"] for s in writer.shards)}), flush=True)


class Packed:
    """Shards mapped from disk: prompt i is (ids, tokens of context)."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.ids = [np.memmap(folder / f"{name}.bin", "<u2", "r") for name in names]
        self.lengths = [np.fromfile(folder / f"{name}.len", "<u2").reshape(-1, 2).astype(np.int64) for name in names]
        self.starts = [np.cumsum([0, *rows.sum(1)]) for rows in self.lengths]
        self.places = [(s, i) for s, rows in enumerate(self.lengths) for i in range(len(rows))]

    def __len__(self) -> int:
        return len(self.places)

    def length(self, index: int) -> int:
        s, i = self.places[index]
        return int(self.lengths[s][i].sum())

    def prompt(self, index: int) -> Prompt:
        s, i = self.places[index]
        row = self.ids[s][self.starts[s][i] : self.starts[s][i + 1]].astype(np.int64).tolist()
        context = int(self.lengths[s][i][0])
        return Prompt(row[:context], row[context:])


def load(folder: Path, vocab_size: int) -> tuple[Packed, Packed | None]:
    """(training prompts of the shards that are there, held-out prompts). A shard that is damaged ends the step."""
    report = json.loads((folder / "pack.json").read_text())
    if report["vocabSize"] != vocab_size:
        raise SystemExit(f"pack: {report['vocabSize']} entries were packed, the recipe has {vocab_size}")
    names = []
    for shard in report["shards"]:
        if not (folder / f"{shard['name']}.bin").exists():
            print(f"pack: {shard['name']} is not here, left out", flush=True)
            continue
        data = b"".join((folder / f"{shard['name']}.{end}").read_bytes() for end in ("bin", "len"))
        if hashlib.sha256(data).hexdigest() != shard["sha256"]:
            raise SystemExit(f"pack: {shard['name']} does not have the sha256 of pack.json")
        names.append(shard["name"])
    training = [name for name in names if name != HELD_OUT]
    if not training:
        raise SystemExit(f"pack: no shard of pack.json lies in {folder.name}")
    return Packed(folder, training), Packed(folder, [HELD_OUT]) if HELD_OUT in names else None
