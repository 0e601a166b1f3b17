"""The exported corpus as the other steps read it: rows of `corpus/index.jsonl`, texts on demand."""
from __future__ import annotations

import json
from dataclasses import dataclass

from .config import Places


@dataclass(frozen=True)
class CorpusFile:
    repo: str  # <owner>+<name>
    path: str
    bytes: int
    test: bool

    def read(self, places: Places) -> str:
        return (places.corpus / "files" / self.repo / self.path).read_text("utf-8")

    @property
    def language(self) -> str:
        return "python" if self.path.endswith(".py") else "typescript"


def files(places: Places) -> list[CorpusFile]:
    with (places.corpus / "index.jsonl").open() as handle:
        rows = [json.loads(line) for line in handle]
    return [CorpusFile(row["repo"], row["path"], row["bytes"], row["test"]) for row in rows]
