"""Token ids of every file of a repository with the place of each token in the text, cut once and kept on disk.

Drawing a query, a chunk or a prompt is then a slice: a training step tokenises nothing. Tokens of a slice are those of the whole
file, which differ from the slice's own tokens at most at its first token (cuts are at line starts nearly always).
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .config import Places
from .layout import Layout
from .pairs import Chunks


@dataclass
class TokenisedFiles:
    """`ids` of all files of a repository in a row; token i of file f begins at character `starts[first[f] + i]` of its text."""

    ids: np.ndarray  # [n] uint16 or int32
    starts: np.ndarray  # [n] int32
    first: np.ndarray  # [files + 1] int64

    def slice(self, file: int, start: int, end: int) -> np.ndarray:
        """Ids of the tokens of `file` that begin at characters start <= c < end."""
        a, b = self.first[file], self.first[file + 1]
        low, high = np.searchsorted(self.starts[a:b], (start, end))
        return self.ids[a + low : a + high]

    def before(self, file: int, cursor: int, most: int) -> np.ndarray:
        """The last `most` ids of the tokens that end at or before character `cursor`."""
        a, b = self.first[file], self.first[file + 1]
        high = int(np.searchsorted(self.starts[a:b], cursor, side="left"))
        return self.ids[a + max(0, high - most) : a + high]


def tokenise(chunks: Chunks, layout: Layout, folder: Path) -> TokenisedFiles:
    """Reads or makes `folder/<repository>.npz`; made anew where the files' sizes differ from the stored ones."""
    path = folder / f"{chunks.name}.npz"
    sizes = np.array([len(file.text) for file in chunks.files])
    if path.exists():
        stored = np.load(path)
        if np.array_equal(stored["sizes"], sizes):
            return TokenisedFiles(stored["ids"], stored["starts"], stored["first"])
    kind = np.uint16 if layout.tokenizer.get_vocab_size() <= 65536 else np.int32
    ids, starts, lengths = [], [], []
    for at in range(0, len(chunks.files), 64):
        for row in layout.tokenizer.encode_batch([file.text for file in chunks.files[at : at + 64]], add_special_tokens=False):
            ids.append(np.array(row.ids, kind))
            starts.append(np.array([start for start, _ in row.offsets], np.int32))
            lengths.append(len(row.ids))
    made = TokenisedFiles(np.concatenate(ids), np.concatenate(starts), np.cumsum([0, *lengths]))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, ids=made.ids, starts=made.starts, first=made.first, sizes=sizes)
    return made


def tokenised(repositories: list[Chunks], layout: Layout, places: Places) -> list[TokenisedFiles]:
    return [tokenise(chunks, layout, places.work / "tokens") for chunks in repositories]
