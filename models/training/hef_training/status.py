"""Step `status`: what stands in the work folder, one line a stage."""
from __future__ import annotations

import json

from .config import Places, Recipe


def run(recipe: Recipe, places: Places) -> None:
    report = places.corpus / "report.json"
    if report.exists():
        corpus = json.loads(report.read_text())
        print(f"corpus: {len(corpus['repositories'])} repositories, {corpus['files']} files, {corpus['bytes'] / 1e6:.1f} MB")
    else:
        print("corpus: missing")
    print(f"tokenizer: {'there' if places.tokenizer.exists() else 'missing'}")
    print(f"chunks: {len(list((places.work / 'chunks').glob('*.jsonl')))} repositories")
    for stage in ("lm", "embedder", "fuser", "hef", "end-to-end", "llavacode"):
        log = places.work / "stages" / stage / "log.jsonl"
        rows = [json.loads(line) for line in log.open()] if log.exists() else []
        last = {**(next((r for r in reversed(rows) if "loss" in r), {})), **(next((r for r in reversed(rows) if "loss" not in r), {}))}
        print(f"{stage}: {json.dumps(last) if last else 'not started'}")
