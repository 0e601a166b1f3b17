"""Entity lists equal those of the server (test/unit/completion-entities-golden.test.ts reads the same file)."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from hef_training.chunks import ChunkedFile
from hef_training.entities import Names
from hef_training.pairs import Chunks

GOLDEN = json.loads((Path(__file__).resolve().parents[3] / "test" / "fixtures" / "entities-golden.json").read_text())


def names() -> Names:
    files = [
        ChunkedFile(file["path"], file["text"], [(0, len(file["text"]))], [(name, line) for line, name in enumerate(file["entities"])])
        for file in GOLDEN["files"]
    ]
    return Names(Chunks("golden", files))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_equals_golden(case: dict) -> None:
    own = [file["path"] for file in GOLDEN["files"]].index(case["path"])
    assert names().select(own, case["prefix"], case["visible"], []) == case["expected"]


def test_text_to_be_written_does_not_count_as_use() -> None:
    listed = names()
    seen = listed.select(0, "x = ", "", [])
    hidden = listed.select(0, "x = ", "", [], unwritten={"Store"})
    assert set(seen) == set(hidden)
    assert seen.index("Store") < seen.index("openStore") and hidden.index("Store") > hidden.index("openStore")
