"""Entity names for a prompt, ranked as the server ranks them (server/completion/entities.ts).

First the names that the open file imports and the prompt does not show, then definitions by a score: where they stand (members of
imported classes, imported files, retrieved nodes, the same directory, anywhere), how many files use the name, and how much it
resembles the words near the cursor.
"""
from __future__ import annotations

import math
import re
from collections import Counter, defaultdict

from .context import IDENTIFIER
from .pairs import Chunks

MEMBER, IMPORTED, RETRIEVED, NEARBY = 1.2, 0.8, 0.6, 0.3
USES = 0.3
COMMON = 256
DIRECTORY_FILES = 64
PER_FILE = 200
IMPORT_CHARS = 20_000
NEAR_CHARS = 700
MODULE = re.compile(r"from\s*['\"]([^'\"\n]+)['\"]|^\s*from\s+([\w.]+)\s+import\b|^\s*import\s+([\w.]+)", re.M)
EXPLICIT = re.compile(r"\bimport\s+([^;'\"]*?)\s*\bfrom\s*['\"]|^[ \t]*from\s+[\w.]+\s+import\s+(\([^)]*\)|[^\n]*)", re.M)
WORD = re.compile(r"[^\W\d]\w*|[$\w]*\$[$\w]*")
PART = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")


def bare(name: str) -> str:
    return name.rpartition(".")[2]


def parts(name: str) -> list[str]:
    return [part.lower() for part in PART.findall(name) if len(part) > 2]


def imported_names(text: str) -> list[str]:
    """Names in import statements, those of the last statement first."""
    out = []
    for match in reversed(list(EXPLICIT.finditer(text[:IMPORT_CHARS]))):
        out += [w for w in WORD.findall(match.group(1) or match.group(2) or "") if w not in ("as", "type")]
    return list(dict.fromkeys(out))


class Names:
    """The definitions of one repository."""

    def __init__(self, chunks: Chunks) -> None:
        self.files = chunks.files
        self.by_stem: dict[str, list[int]] = defaultdict(list)
        self.folders: dict[str, list[int]] = chunks.folders
        self.uses: Counter = Counter()
        for f, file in enumerate(chunks.files):
            self.uses.update(set(IDENTIFIER.findall(file.text)))
            stem = file.path.rpartition("/")[2].split(".")[0]
            self.by_stem[file.path.split("/")[-2] if stem in ("index", "__init__") and "/" in file.path else stem].append(f)
        defined = {bare(name) for file in chunks.files for name, _ in file.entities}
        self.common = sorted(defined, key=lambda name: (-self.uses[name], name))[:COMMON]

    def imported(self, text: str, own: int) -> list[int]:
        """Files whose name ends an imported module's path; the last import first, at most two files a name."""
        out = []
        for match in reversed(list(MODULE.finditer(text[:IMPORT_CHARS]))):
            module = next(filter(None, match.groups()))
            stem = re.split(r"[/.]", re.sub(r"\.[cm]?[jt]sx?$", "", module))[-1]
            out += [f for f in self.by_stem.get(stem, ())[:2] if f != own]
        return list(dict.fromkeys(out))

    def select(self, own: int, prefix: str, visible: str, retrieved: list[str], most: int = 40) -> list[str]:
        explicit, words = imported_names(prefix), set(WORD.findall(visible))
        shown = words | set(explicit)
        nearness: dict[str, float] = {}
        tail = WORD.findall(prefix[-NEAR_CHARS:])
        for i, word in enumerate(tail):
            for part in parts(word):
                nearness[part] = (i + 1) / len(tail)
        score: dict[str, float] = {}

        def offer(name: str, place: float) -> None:
            name = bare(name)
            if name in words:
                return
            of = parts(name)
            likeness = sum(nearness.get(p, 0.0) for p in of) / (len(of) + 0.5)
            score[name] = max(score.get(name, -1.0), place + USES * math.log(max(1, self.uses[name])) + likeness)

        for f in self.imported(prefix, own):
            for name, _ in self.files[f].entities[:PER_FILE]:
                owner = bare(name.rpartition(".")[0])
                offer(name, MEMBER if owner and owner in shown else IMPORTED)
        for name in retrieved:
            offer(name, RETRIEVED)
        for f in self.folders[self.files[own].path.rpartition("/")[0]][:DIRECTORY_FILES]:
            if f != own:
                for name, _ in self.files[f].entities[:PER_FILE]:
                    offer(name, NEARBY)
        for name in self.common:
            offer(name, 0.0)
        first = [name for name in explicit if name not in words]
        ranked = sorted(score, key=lambda name: -score[name])
        return list(dict.fromkeys(first + ranked[:most]))[:most]
