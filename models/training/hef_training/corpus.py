"""Step `corpus`: exports training files from bare git snapshots.

Reads a TSV of repositories (columns split, repo, licence, …), takes those of split `train` whose snapshot lies in the mirror
folder, checks the licence text, filters (corpus_filter.py), removes exact and near duplicates and everything that also stands in
a benchmark repository, and writes `corpus/files/<owner>+<name>/<path>` and `corpus/index.jsonl`.
Deterministic: repositories and paths are visited in sorted order and choices depend on hashes alone. A corpus that stands there
already is added to: its repositories stay as they are (their snapshots may be gone), and what they hold counts as seen.
"""
from __future__ import annotations

import csv
import json
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Iterator

from .config import CorpusConfig, Places
from .corpus_filter import hash64, is_test, licence_of, rejects_path, rejects_text, windows


def git(repo: Path, *args: str) -> bytes:
    return subprocess.run(["git", "-C", str(repo), *args], check=True, capture_output=True).stdout


def list_blobs(repo: Path) -> list[tuple[str, str, int]]:
    """[(path, object id, size)] of HEAD, sorted by path."""
    rows = []
    for line in git(repo, "ls-tree", "-r", "-l", "-z", "HEAD").decode("utf-8", "replace").split("\0"):
        if not line:
            continue
        meta, path = line.split("\t", 1)
        mode, kind, oid, size = meta.split()
        if kind == "blob" and mode != "120000":
            rows.append((path, oid, int(size) if size.isdigit() else -1))
    return sorted(rows)


def read_blobs(repo: Path, oids: list[str]) -> Iterator[bytes | None]:
    """Contents of objects in order; None for one that the snapshot lacks."""
    process = subprocess.Popen(
        ["git", "-C", str(repo), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    for oid in oids:
        process.stdin.write(f"{oid}\n".encode())
        process.stdin.flush()
        header = process.stdout.readline().split()
        if len(header) != 3:
            yield None
            continue
        data = process.stdout.read(int(header[2]))
        process.stdout.read(1)
        yield data
    process.stdin.close()
    process.wait()


def snapshot(mirror: Path, name: str) -> Path | None:
    folder = mirror / name.replace("/", "+")
    for candidate in (folder / "repo", folder):
        if (candidate / "HEAD").exists() or (candidate / ".git").exists():
            return candidate
    return None


def licence_text(repo: Path, blobs: list[tuple[str, str, int]]) -> str:
    pattern = re.compile(r"(licen[cs]e|copying)([._-].*)?$", re.I)
    picked = [oid for path, oid, _ in blobs if "/" not in path and pattern.match(path)]
    return "\n".join((data or b"").decode("utf-8", "replace") for data in read_blobs(repo, picked))


class Benchmarks:
    """What must not be trained on: names of repositories and the windows of their files."""

    def __init__(self, folder: Path | None, config: CorpusConfig) -> None:
        self.names: set[str] = set()
        self.windows: set[int] = set()
        self.files: set[int] = set()
        for repo in sorted(folder.iterdir()) if folder else []:
            self.names.add(re.sub(r"[+_/]", "/", repo.name, count=1).lower())
            for path in sorted(repo.rglob("*")):
                if path.is_file() and path.suffix in config.extensions:
                    text = normalise(path.read_bytes())
                    self.files.add(hash64(text))
                    self.windows |= windows(text)


def normalise(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n").removeprefix("\ufeff")


def export_repo(repo: Path, name: str, config: CorpusConfig, seen: set[int], bench: Benchmarks, drop: Counter) -> list[tuple[str, str]]:
    """[(path, text)] that are kept of one repository; `seen` grows by their windows."""
    kept, size = [], 0
    candidates = []
    for path, oid, length in list_blobs(repo):
        why = rejects_path(path, config)
        if why is None and length > 4 * config.max_bytes:
            why = "over-long"
        if why is None and is_test(path) and hash64(name + path) % 1000 >= config.test_share * 1000:
            why = "test (down-weighted)"
        if why:
            if why != "extension":
                drop[why] += 1
        else:
            candidates.append((path, oid))
    for (path, _), data in zip(candidates, read_blobs(repo, [oid for _, oid in candidates])):
        if data is None:
            drop["absent in snapshot"] += 1
            continue
        text = normalise(data)
        why = rejects_text(text, config)
        if why is None and size > config.max_repo_bytes:
            why = "repository over its share"
        if why is None:
            mine = windows(text)
            if hash64(text) in bench.files or len(mine & bench.windows) > 0.3 * len(mine):
                why = "stands in a benchmark repository"
            elif mine <= seen:
                why = "duplicate"
            elif len(mine & seen) > config.near_duplicate * len(mine):
                why = "near-duplicate"
            else:
                seen |= mine
        if why:
            drop[why] += 1
            continue
        size += len(text)
        kept.append((path, text))
    return kept


def run(config: CorpusConfig, places: Places) -> None:
    """Exports everything and prints, per repository and in total, what was kept and what was dropped."""
    if not places.mirror or not places.repos:
        raise SystemExit("corpus: give --mirror (folder of git snapshots) and --repos (TSV of repositories)")
    bench = Benchmarks(places.benchmarks, config)
    with places.repos.open() as handle:
        rows = sorted((row for row in csv.DictReader(handle, delimiter="\t")), key=lambda row: row["repo"])
    places.corpus.mkdir(parents=True, exist_ok=True)
    standing = Standing(places)
    seen, total, summary = standing.seen, standing.dropped, []
    with (places.corpus / "index.jsonl.tmp").open("w") as index:
        for row in rows:
            name = row["repo"]
            if name in standing.repositories:
                summary.append(standing.repositories[name])
                index.writelines(standing.lines[name.replace("/", "+", 1)])
                continue
            why = "of another split" if row["split"] != "train" else "of a benchmark" if name.lower() in bench.names else None
            repo = None if why else snapshot(places.mirror, name)
            if repo is None:
                total[f"repositories {why or 'without a snapshot'}"] += 1
                print(f"{name}: {why or 'no snapshot in the mirror'}, left out", flush=True)
                continue
            licence = licence_of(licence_text(repo, list_blobs(repo)))
            if licence is None:
                print(f"{name}: no MIT, Apache-2.0, BSD or ISC licence text, left out", flush=True)
                total["repositories without licence"] += 1
                continue
            drop: Counter = Counter()
            kept = export_repo(repo, name, config, seen, bench, drop)
            size = write_repo(places, name, licence, kept, index)
            total += drop
            summary.append({"repo": name, "licence": licence, "files": len(kept), "bytes": size,
                            "commit": git(repo, "rev-parse", "HEAD").decode().strip()})
            print(f"{name}: {licence}, kept {len(kept)} files, {size / 1e6:.2f} MB; dropped {dict(drop)}", flush=True)
    (places.corpus / "index.jsonl.tmp").replace(places.corpus / "index.jsonl")
    check(places, bench)
    report = {"repositories": summary, "dropped": dict(total), "files": sum(s["files"] for s in summary), "bytes": sum(s["bytes"] for s in summary)}
    (places.corpus / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({key: report[key] for key in ("files", "bytes", "dropped")}), flush=True)


class Standing:
    """What an earlier run of this step exported."""

    def __init__(self, places: Places) -> None:
        self.repositories: dict[str, dict] = {}
        self.lines: dict[str, list[str]] = defaultdict(list)
        self.seen: set[int] = set()
        self.dropped: Counter = Counter()
        if not (places.corpus / "report.json").exists():
            return
        report = json.loads((places.corpus / "report.json").read_text())
        self.repositories = {entry["repo"]: entry for entry in report["repositories"]}
        self.dropped.update({why: n for why, n in report["dropped"].items() if not why.startswith("repositories ")})
        for line in (places.corpus / "index.jsonl").open():
            row = json.loads(line)
            self.lines[row["repo"]].append(line)
            self.seen |= windows((places.corpus / "files" / row["repo"] / row["path"]).read_text("utf-8"))


def write_repo(places: Places, name: str, licence: str, kept: list[tuple[str, str]], index) -> int:
    size = 0
    folder = places.corpus / "files" / name.replace("/", "+")
    for path, text in kept:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode("utf-8", "replace")
        target.write_bytes(data)
        size += len(data)
        index.write(json.dumps({"repo": name.replace("/", "+"), "path": path, "bytes": len(data), "test": is_test(path), "licence": licence}) + "\n")
    return size


def check(places: Places, bench: Benchmarks) -> None:
    """Fails if any file of a benchmark repository is in the corpus."""
    for line in (places.corpus / "index.jsonl").open():
        row = json.loads(line)
        if row["repo"].replace("+", "/", 1).lower() in bench.names:
            raise SystemExit(f"corpus: {row['repo']} is a benchmark repository")
        text = (places.corpus / "files" / row["repo"] / row["path"]).read_text("utf-8")
        if hash64(text) in bench.files:
            raise SystemExit(f"corpus: {row['repo']}/{row['path']} stands in a benchmark repository")
