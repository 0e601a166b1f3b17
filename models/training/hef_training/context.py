"""Repository context without the server: definitions by regular expression, blank-line chunks, Jaccard snippets.

Used by the language-model stage, where context only has to look like the server's; the hef stage uses the server's own chunks.
"""
from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass, field

IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]{2,}")
DEFINITION = {
    "python": re.compile(r"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+(\w+)|^([A-Za-z_]\w+)[ ]*(?::[^=\n]+)?=[^=]", re.M),
    "typescript": re.compile(
        r"^[ \t]*(?:export[ ]+)?(?:default[ ]+)?(?:declare[ ]+)?(?:abstract[ ]+)?(?:async[ ]+)?"
        r"(?:function\*?|class|interface|type|enum|namespace|const|let|var)[ ]+([A-Za-z_$][\w$]*)"
        r"|^[ ]{2,4}(?:(?:public|private|protected|static|readonly|async|get|set|abstract|override)[ ]+)*([A-Za-z_$][\w$]*)(?:<[^>\n]*>)?\([^\n]*\{[ ]*$",
        re.M,
    ),
}
NOT_NAMES = {"constructor", "if", "for", "while", "switch", "catch", "function", "return", "__init__", "__repr__", "__str__", "_"}


@dataclass
class SourceFile:
    """One file of a repository; `defines` in order of appearance."""

    path: str
    text: str
    test: bool = False
    defines: list[str] = field(default_factory=list)

    @property
    def language(self) -> str:
        return "python" if self.path.endswith(".py") else "typescript"

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


def definitions(text: str, language: str) -> list[str]:
    """Names defined in a file, in order, without repeats."""
    names = (a or b for a, b in DEFINITION[language].findall(text))
    return list(dict.fromkeys(name for name in names if len(name) > 2 and name not in NOT_NAMES))


def blocks(text: str, max_chars: int = 900) -> list[str]:
    """Blank-line blocks joined up to `max_chars`."""
    out: list[str] = []
    current = ""
    for part in re.split(r"\n[ \t]*\n", text):
        if current and len(current) + len(part) > max_chars:
            out.append(current)
            current = ""
        current = f"{current}\n\n{part}" if current else part[:max_chars]
    return out + [current] if current else out


class Repository:
    """Context of one repository: which files define a name, and snippets that resemble a text."""

    def __init__(self, name: str, files: list[SourceFile]) -> None:
        self.name = name
        self.files = files
        self.definers: dict[str, list[int]] = defaultdict(list)
        self.folders: dict[str, list[int]] = defaultdict(list)
        for index, file in enumerate(files):
            file.defines = definitions(file.text, file.language)
            self.folders[file.folder].append(index)
            for name_ in file.defines:
                self.definers[name_].append(index)
        self._blocks: dict[int, list[tuple[str, set[str]]]] = {}

    def entities(self, rng: random.Random, own: int, known: str, target: str) -> list[str]:
        """Names defined in a few other files, mostly some that `target` needs before some that are merely near.

        Names that stand in `known` (what the prompt shows without the line to write) are left out, as the server does.
        """
        helpful: list[int] = []
        for name in dict.fromkeys(IDENTIFIER.findall(target)):
            homes = [i for i in self.definers.get(name, ()) if i != own]
            if homes and len(homes) <= 4:
                helpful.append(rng.choice(homes))
        picked = rng.sample(helpful, min(len(helpful), rng.choice((0, 1, 2, 3))))
        near = self.folders[self.files[own].folder]
        for _ in range(rng.choice((1, 2, 3))):
            picked.append(rng.choice(near) if rng.random() < 0.6 else rng.randrange(len(self.files)))
        picked = [i for i in dict.fromkeys(picked) if i != own]
        if rng.random() < 0.4:
            rng.shuffle(picked)
        seen = set(IDENTIFIER.findall(known))
        names = [name for index in picked for name in self.files[index].defines[:12] if name not in seen]
        return list(dict.fromkeys(names))[:40]

    def snippets(self, rng: random.Random, own: int, query: str, pool: int = 24) -> list[str]:
        """The one to three blocks of other files most similar (Jaccard of identifiers) to `query`, best last."""
        words = set(IDENTIFIER.findall(query))
        near = self.folders[self.files[own].folder]
        candidates = []
        for _ in range(pool // 3):
            index = rng.choice(near) if rng.random() < 0.5 else rng.randrange(len(self.files))
            if index != own:
                parts = self.parts(index)
                candidates += rng.sample(parts, min(3, len(parts)))
        scored = [(len(words & bag) / (len(words | bag) or 1), text) for text, bag in candidates]
        scored = sorted(dict((text, score) for score, text in scored).items(), key=lambda item: item[1])
        return [text for text, _ in scored[-rng.choice((1, 2, 3)):]]

    def parts(self, index: int) -> list[tuple[str, set[str]]]:
        if index not in self._blocks:
            if len(self._blocks) > 30:  # memory: a block holds its text and its words
                self._blocks.clear()
            self._blocks[index] = [(b, set(IDENTIFIER.findall(b))) for b in blocks(self.files[index].text)]
        return self._blocks[index]
