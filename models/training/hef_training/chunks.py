"""Step `chunks`: cuts every exported (and held-out) repository with the server's own chunker.

Calls `node <server> chunks --tokenizer FILE DIR`, which prints a JSON line a file; stores `chunks/<repo>.jsonl` below the work
folder. Offsets come in UTF-16 units and are kept as code points of Python.
"""
from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from .config import Places
from .corpus import normalise


@dataclass
class ChunkedFile:
    """One file; `spans` are (start, end) code-point offsets in order, `entities` (name, zero-based line)."""

    path: str
    text: str
    spans: list[tuple[int, int]]
    entities: list[tuple[str, int]]

    def chunk(self, index: int) -> str:
        start, end = self.spans[index]
        return self.text[start:end]


def code_points(text: str, offsets: list[int]) -> list[int]:
    """UTF-16 offsets (ascending or not) as code-point offsets."""
    if text.isascii() or max(text) < "\U00010000":
        return offsets
    place = []
    for index, char in enumerate(text):
        place += [index] * (2 if char > "\uffff" else 1)
    place.append(len(text))
    return [place[offset] for offset in offsets]


def source_of(places: Places, repo: str) -> Path:
    trained = places.corpus / "files" / repo
    return trained if trained.exists() or not places.benchmarks else places.benchmarks / repo


def cut(server: Path, tokenizer: Path, folder: Path, out: Path) -> int:
    """Runs the server's command over one repository; returns the number of files."""
    temporary = out.with_suffix(".tmp")
    with temporary.open("wb") as handle:
        done = subprocess.run(["node", str(server), "chunks", "--tokenizer", str(tokenizer), str(folder)], stdout=handle, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"chunks: {folder.name}: {done.stderr.decode()[-2000:]}")
    temporary.replace(out)
    return sum(1 for _ in out.open())


def load(places: Places, repo: str) -> Iterator[ChunkedFile]:
    """The chunked files of a repository in path order; files without chunks are left out."""
    folder = source_of(places, repo)
    with (places.work / "chunks" / f"{repo}.jsonl").open() as handle:
        rows = sorted((json.loads(line) for line in handle), key=lambda row: row["path"])
    for row in rows:
        path = folder / row["path"]
        if not row["chunks"] or not path.is_file():
            continue
        text = normalise(path.read_bytes())
        flat = code_points(text, [offset for c in row["chunks"] for offset in (c["startOffset"], c["endOffset"])])
        spans = list(zip(flat[::2], flat[1::2]))
        yield ChunkedFile(row["path"], text, spans, [(e["name"], e["line"]) for e in row["entities"]])


def run(places: Places, server: Path | None) -> None:
    if not server:
        raise SystemExit("chunks: give --server, the path of hef-language-server.js")
    out = places.work / "chunks"
    out.mkdir(exist_ok=True)
    folders = sorted((places.corpus / "files").iterdir())
    if places.benchmarks:
        folders = [f for f in sorted(places.benchmarks.iterdir()) if "+" in f.name] + folders
    for folder in folders:
        target = out / f"{folder.name}.jsonl"
        if not target.exists():
            print(f"{folder.name}: {cut(server, places.tokenizer, folder, target)} files", flush=True)
