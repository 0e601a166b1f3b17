"""The hierarchy equals its golden file, and an insertion changes little."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from hef_training import hierarchy

from make_hierarchy_golden import GOLDEN, case

SHARED = Path(__file__).resolve().parents[3] / "test" / "fixtures" / "hierarchy-golden.json"


@pytest.mark.parametrize("golden", [GOLDEN, SHARED], ids=["own", "server"])
def test_equals_golden(golden: Path) -> None:
    for expected in json.loads(golden.read_text()):
        assert case(expected["name"], expected["spaceId"], expected["tree"]) == expected


def test_groups_have_two_to_eight_members() -> None:
    ids = [hierarchy.chunk_id("s", str(n)) for n in range(1000)]
    sizes = [len(g) for g in hierarchy.group(ids, 0)]
    assert sum(sizes) == 1000 and max(sizes) <= 8 and min(sizes[:-1]) >= 2
    assert [i for g in hierarchy.group(ids, 0) for i in g] == ids


def test_insertion_is_local() -> None:
    texts = [str(n) for n in range(1000)]
    before = {n.id for n in hierarchy.build("s", {"a.ts": texts}).walk()}
    after = {n.id for n in hierarchy.build("s", {"a.ts": texts[:500] + ["new"] + texts[500:]}).walk()}
    assert len(after - before) < 16


def test_moved_directory_keeps_its_id() -> None:
    tree = {"src/a.ts": ["1", "2"], "src/b.ts": ["3"]}
    moved = {path.replace("src", "lib"): chunks for path, chunks in tree.items()}
    assert hierarchy.build("s", tree).id == hierarchy.build("s", moved).id
