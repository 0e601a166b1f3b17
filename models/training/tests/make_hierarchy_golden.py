"""Writes hierarchy-golden.json beside this file: `python tests/make_hierarchy_golden.py`.

Each case: {name, spaceId, tree: {path: [chunk text, …]}, ids: {"<level> <path>": id} of files, directories and the repository,
root: id or null, groups: distinct ids of the group nodes that are nothing else elsewhere, sorted}. The repository's key is "repository ".
"""
from __future__ import annotations

import json
from pathlib import Path

from hef_training import hierarchy

GOLDEN = Path(__file__).with_name("hierarchy-golden.json")


def trees() -> dict[str, dict[str, list[str]]]:
    text = "export const value{0} = {0};\n".format
    return {
        "nothing": {},
        "empty directory and empty file are left out": {"a/empty.ts": [], "b/one.ts": [text(1)]},
        "single file, single chunk": {"one.ts": [text(1)]},
        "1 to 30 chunks": {f"f{n:02}.ts": [text(n * 100 + i) for i in range(n)] for n in range(1, 31)},
        "repeated chunks": {"same.ts": [text(1)] * 11, "copy.ts": [text(1)] * 11},
        "nested, UTF-16 order": {
            "src/a/b/c.ts": [text(1), text(2)], "src/a/b.ts": [text(3)], "src/a.ts": [text(4)], "src/a-b/x.ts": [text(5)],
            "src/\ue000.ts": [text(6)], "src/\U0001f600.ts": [text(7), "café ☕\n"], "Z.py": [text(8)], "src/Z/é.py": [text(9)],
        },
        "200 files": {f"pkg/module{n}.py": [text(n), text(n + 1000)] for n in range(200)},
        "200 files, one inserted": {f"pkg/module{n}.py": [text(n), text(n + 1000)] for n in range(200)} | {"pkg/module100b.py": [text(5000)]},
    }


def case(name: str, space: str, tree: dict[str, list[str]]) -> dict:
    root = hierarchy.build(space, tree)
    nodes = list(root.walk()) if root else []
    ids = {f"{n.level} {n.path}": n.id for n in nodes if n.level in ("file", "directory", "repository")}
    groups = {n.id for n in nodes if n.level == "group"} - set(ids.values())
    return {"name": name, "spaceId": space, "tree": tree, "root": root.id if root else None, "ids": ids, "groups": sorted(groups)}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps([case(name, "golden-space", tree) for name, tree in trees().items()], indent=1) + "\n")
