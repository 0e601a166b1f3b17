"""Entity names for a prompt, ranked as the server ranks them (server/completion/entities.ts).

First the names that the open file imports and the prompt does not show, then definitions by a score: where they stand (members of
imported classes and of classes that the prompt names, imported files, retrieved nodes, the same directory, anywhere), how many files
use the name and how few define it, and how much it resembles the words near the cursor. Behind a dot, members and fields come first.
"""
from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from functools import lru_cache

from .pairs import Chunks

MEMBER, NAMED, IMPORTED, RETRIEVED, NEARBY = 1.2, 1.0, 0.8, 0.6, 0.3
USES, DEFINERS = 0.3, 0.2
COMMON = 256
DIRECTORY_FILES = 64
PER_FILE = 200
IMPORT_CHARS = 20_000
NEAR_CHARS = 700
MODULES = [
    re.compile(pattern, re.M)
    for pattern in (
        r"\bfrom\s*['\"]([^'\"\n]+)['\"]", r"\b(?:import|require)\s*\(?\s*['\"]([^'\"\n]+)['\"]",
        r"^\s*from\s+([\w.]+)\s+import\b", r"^\s*import\s+([\w.]+)", r"^\s*#include\s+\"([^\"\n]+)\"", r"^\s*use\s+([\w:]+)",
    )
]
EXPLICIT = [
    re.compile(pattern, re.M)
    for pattern in (
        r"\bimport\s+([^;'\"]*?)\s*\bfrom\s*['\"]", r"\b(?:const|let|var)\s+(\{[^}]*\}|[\w$]+)\s*=\s*require\s*\(",
        r"^\s*from\s+[\w.]+\s+import\s+(\([^)]*\)|[^\n]*)", r"^\s*use\s+[\w:]+::(\{[^}]*\}|\w+)",
        r"^\s*import\s+(?:static\s+)?[\w.]+\.(\w+)\s*;",
    )
]
KEYWORDS = {"as", "type", "typeof", "self"}
EXTENSIONS = set("js jsx ts tsx cjs cjsx mjs mjsx cts ctsx mts mtsx py go rs java rb php cs h hpp cc cpp".split())
FOLDER_FILES = {"", "index", "__init__", "mod"}
WORD = re.compile(r"(?:[^\W\d]|\$)[\w$]*")
USED = re.compile(r"(?:[^\W\d]|\$)[\w$]+")
MEMBER_ACCESS = re.compile(r"(?:(?:^|[^.\w$]|(?<![\w$])(?:[^\W\d]|\$)[\w$]*)\.|->|::)[\w$]*\Z")
PART = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")


def bare(name: str) -> str:
    return name.rpartition(".")[2]


def owner_of(name: str) -> str:
    return bare(name.rpartition(".")[0])


@lru_cache(maxsize=200_000)
def parts(name: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in PART.findall(name) if len(part) > 2)


def imported_names(text: str) -> list[str]:
    """Names in import statements, those of the last statement first."""
    head = text[:IMPORT_CHARS]
    statements = sorted((match for pattern in EXPLICIT for match in pattern.finditer(head)), key=lambda match: -match.start())
    return list(dict.fromkeys(w for match in statements for w in WORD.findall(match.group(1) or "") if w not in KEYWORDS))


def module_tail(module: str) -> str:
    """The last name of a module or a path that is no `index` and the like; "" without one."""
    before, dot, extension = module.rpartition(".")
    names = re.split("[/.:]", before if dot and extension in EXTENSIONS else module)
    return next((name for name in reversed(names) if name not in FOLDER_FILES), "")


def common_folders(a: str, b: str) -> int:
    x, y = a.split("/"), b.split("/")
    n = 0
    while n < min(len(x) - 1, len(y)) and x[n] == y[n]:
        n += 1
    return n


class Names:
    """The definitions of one repository."""

    def __init__(self, chunks: Chunks) -> None:
        self.files = chunks.files
        self.by_tail: dict[str, list[int]] = defaultdict(list)
        self.folders: dict[str, list[int]] = chunks.folders
        self.uses: Counter = Counter()
        self.definers: Counter = Counter()
        for f, file in enumerate(chunks.files):
            self.uses.update(set(USED.findall(file.text)))
            self.definers.update({bare(name) for name, _ in file.entities})
            self.by_tail[module_tail(file.path)].append(f)
        self.members: dict[str, list[tuple[int, str]]] = defaultdict(list)
        defined: dict[str, str] = {}
        for f, file in enumerate(chunks.files):
            for name, _ in file.entities:
                if owner_of(name):
                    self.members[owner_of(name)].append((f, name))
                if owner_of(name) or bare(name) not in defined:
                    defined[bare(name)] = name
        self.common = [defined[name] for name in sorted(defined, key=lambda name: (-self.uses[name], name))[:COMMON]]

    def imported(self, text: str, own: int) -> list[int]:
        """Files whose name ends an imported module's path; the last import first, of several files the nearest."""
        head = text[:IMPORT_CHARS]
        found = sorted(((match.start(), module_tail(match.group(1))) for pattern in MODULES for match in pattern.finditer(head)), key=lambda hit: hit[0])
        out = []
        for tail in dict.fromkeys(tail for _, tail in reversed(found)):
            named = [f for f in self.by_tail.get(tail, ()) if f != own] if tail else []
            if named:
                out.append(max(named, key=lambda f: common_folders(self.files[f].path, self.files[own].path)))
        return out

    def select(self, own: int, prefix: str, visible: str, retrieved: list[str], unwritten: set[str] = frozenset(), most: int = 40) -> list[str]:
        """`unwritten`: names that the file has only because of the text that is to be written."""
        explicit, words = imported_names(prefix), dict.fromkeys(WORD.findall(visible))
        shown = set(words) | set(explicit)
        nearness: dict[str, float] = {}
        tail = WORD.findall(prefix[-NEAR_CHARS:])
        for i, word in enumerate(tail):
            for part in parts(word):
                nearness[part] = (i + 1) / len(tail)
        places: dict[str, float] = {}
        merit: dict[str, float] = {}
        members: set[str] = set()

        def offer(full: str, place: float) -> None:
            name = bare(full)
            if name in words:
                return
            if name != full:
                members.add(name)
            places[name] = max(places.get(name, 0.0), place)
            if name in merit:
                return
            of = parts(name)
            likeness = sum(nearness.get(p, 0.0) for p in of) / (len(of) + 0.5)
            uses = USES * math.log(max(1, self.uses[name] - (name in unwritten)))
            merit[name] = uses - DEFINERS * math.log(max(1, self.definers[name])) + likeness

        for f in self.imported(prefix, own):
            for name, _ in self.files[f].entities[:PER_FILE]:
                offer(name, MEMBER if owner_of(name) in shown else IMPORTED)
        for owner in words:
            if owner in self.members:
                for name in [name for f, name in self.members[owner] if f != own][:PER_FILE]:
                    offer(name, NAMED)
        for name in retrieved:
            offer(name, RETRIEVED)
        beside = [f for f in self.folders[self.files[own].path.rpartition("/")[0]] if f != own]
        for f in beside[:DIRECTORY_FILES]:
            for name, _ in self.files[f].entities[:PER_FILE]:
                offer(name, NEARBY)
        for name in self.common:
            offer(name, 0.0)
        ranked = sorted(merit, key=lambda name: -places[name] - merit[name])
        first = [name for name in ranked if name in members][:most] if MEMBER_ACCESS.search(prefix[-NEAR_CHARS:]) else []
        imported = [name for name in explicit if name not in words]
        return list(dict.fromkeys(first + imported + ranked[:most]))[:most]
