"""The corpus step on small repositories: what it drops and why, that it drops the same again, and that it refuses a leak."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hef_training import corpus
from hef_training.config import CorpusConfig, Places
from toy import MIT, source


def repository(folder: Path, files: dict[str, str]) -> None:
    for path, text in {"LICENSE": MIT, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for args in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "files"]):
        subprocess.run(["git", "-C", str(folder), *args], check=True, capture_output=True)


@pytest.fixture
def world(tmp_path: Path) -> Places:
    changed = source(1).replace("value1 * 1", "value1 * 999")  # one line of thirty
    tests = {f"tests/t{n}.test.ts": source(50 + n) for n in range(40)}
    repository(tmp_path / "mirror" / "a+one", {"src/a.ts": source(1), "src/b.ts": source(2), **tests})
    repository(tmp_path / "mirror" / "b+two", {
        "src/same.ts": source(1), "src/near.ts": changed, "src/new.ts": source(4), "src/leak.ts": source(30),
        "src/data.ts": "const x = '" + "y" * 3000 + "';\n", "src/made.ts": "// @generated\n" + source(6), "dist/out.ts": source(7),
        "src/mark.ts": source(8) + "// <|fim_prefix|>\n", "src/types.d.ts": source(9),
    })
    repository(tmp_path / "mirror" / "c+dev", {"src/a.ts": source(20)})
    repository(tmp_path / "mirror" / "d+held", {"src/a.ts": source(30)})
    (tmp_path / "bench" / "d+held" / "src").mkdir(parents=True)
    (tmp_path / "bench" / "d+held" / "src" / "a.ts").write_text(source(30))
    rows = ["train\tb/two", "train\ta/one", "dev\tc/dev", "train\td/held", "train\te/absent"]
    (tmp_path / "repos.tsv").write_text("split\trepo\n" + "\n".join(rows) + "\n")
    return Places(tmp_path / "work", tmp_path / "mirror", tmp_path / "bench", tmp_path / "repos.tsv")


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in files)).hexdigest()


def test_says_what_it_dropped_and_why(world: Places, capsys) -> None:
    corpus.run(CorpusConfig(), world)
    dropped = json.loads((world.corpus / "report.json").read_text())["dropped"]
    tests = dropped.pop("test (down-weighted)")
    assert 20 <= tests <= 36  # about 70 % of 40
    assert dropped == {
        "duplicate": 1, "near-duplicate": 1, "stands in a benchmark repository": 1, "minified or data": 1, "generated": 1,
        "vendored or generated folder": 1, "holds special tokens": 1, "declaration, generated or minified name": 1,
        "repositories of another split": 1, "repositories of a benchmark": 1, "repositories without a snapshot": 1,
    }
    kept = {(row["repo"], row["path"]) for row in map(json.loads, (world.corpus / "index.jsonl").open()) if not row["test"]}
    assert kept == {("a+one", "src/a.ts"), ("a+one", "src/b.ts"), ("b+two", "src/new.ts")}
    printed = capsys.readouterr().out
    assert "e/absent: no snapshot" in printed and "'near-duplicate': 1" in printed


def test_the_same_again(world: Places) -> None:
    corpus.run(CorpusConfig(), world)
    first = digest(world.corpus)
    again = Places(world.work.with_name("again"), world.mirror, world.benchmarks, world.repos)
    corpus.run(CorpusConfig(), again)
    assert digest(again.corpus) == first


def test_adds_to_a_corpus_that_stands_there(world: Places) -> None:
    first, both = world.repos.with_name("first.tsv"), world.repos
    first.write_text("split\trepo\ntrain\ta/one\n")
    corpus.run(CorpusConfig(), dataclasses.replace(world, repos=first))
    shutil.rmtree(world.mirror / "a+one")
    corpus.run(CorpusConfig(), world)
    whole = Places(world.work.with_name("whole"), world.mirror, world.benchmarks, both)
    kept = [(row["repo"], row["path"]) for row in map(json.loads, (world.corpus / "index.jsonl").open()) if not row["test"]]
    assert kept == [("a+one", "src/a.ts"), ("a+one", "src/b.ts"), ("b+two", "src/new.ts")]
    corpus.run(CorpusConfig(), whole)  # without a/one, what it shares with b/two is new
    assert "b+two/src/near.ts" in {str(p.relative_to(whole.corpus / "files")) for p in whole.corpus.rglob("*.ts")}


def test_a_leak_ends_the_step(world: Places) -> None:
    corpus.run(CorpusConfig(), world)
    (world.corpus / "files" / "a+one" / "src" / "a.ts").write_text(source(30))
    with pytest.raises(SystemExit, match="benchmark"):
        corpus.check(world, corpus.Benchmarks(world.benchmarks, CorpusConfig()))
