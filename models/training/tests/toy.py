"""A synthetic world for the tests: small repositories, a tiny recipe, and every step of the package run on them."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

from hef_training import corpus, embedder_train, export, fuser_train, hef, llavacode, lm, tokenizer
from hef_training.config import ModelConfig, Places, Recipe

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software"


def source(n: int) -> str:
    """One synthetic module that uses its neighbour."""
    return (
        f"import {{ load{n + 1}, Store{n + 1} }} from './module{n + 1}';\n\n"
        + "\n".join(
            f"export function {verb}{n}(key: string, value{n}: number): Store{n + 1} {{\n"
            f"  const store = load{n + 1}(key, value{n} * {n + i});\n  return store.{verb}{n}(key);\n}}\n"
            for i, verb in enumerate(("load", "save", "drop"))
        )
        + f"\nexport class Store{n} {{\n  constructor(private readonly name{n}: string) {{}}\n\n  describe{n}(): string {{\n    return this.name{n};\n  }}\n}}\n"
    )


def tiny_recipe() -> Recipe:
    recipe = Recipe()
    recipe.tokenizer.vocab_size = 400
    recipe.generator = ModelConfig(layers=2, hidden=64, heads=2, kv_heads=1, head_dim=32, ff=96)
    recipe.embedder = ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=64)
    recipe.fuser = ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=64)
    for stage in (recipe.lm, recipe.embedder_train, recipe.fuser_train, recipe.hef, recipe.end_to_end, recipe.llavacode):
        stage.minutes, stage.tokens_per_step, stage.eval_every, stage.batch = 0.02, 1024, 1000, 8
    recipe.hef.projector_hidden, recipe.hef.uwl_threshold, recipe.hef.uwl_examples = 32, 0.45, 12
    recipe.llavacode.examples, recipe.llavacode.rollouts, recipe.llavacode.rollout_tokens = 40, 2, 6
    recipe.llavacode.ablation_minutes = 0.01
    return recipe


def fake_chunks(places: Places, repo: str, folder: Path) -> None:
    """What the server's command prints, with one chunk per blank-line block."""
    out = places.work / "chunks" / f"{repo}.jsonl"
    out.parent.mkdir(exist_ok=True)
    with out.open("w") as handle:
        for path in sorted(folder.rglob("*.ts")):
            text, rows, at = path.read_text(), [], 0
            for block in text.split("\n\n"):
                rows.append({"startOffset": at, "endOffset": at + len(block), "startLine": 0, "endLine": 0})
                at += len(block) + 2
            entities = [
                {"name": line.split()[2].split("(")[0], "kind": "function", "line": n}
                for n, line in enumerate(text.split("\n")) if line.startswith(("export function", "export class"))
            ]
            handle.write(json.dumps({"path": path.relative_to(folder).as_posix(), "contentHash": "", "chunks": rows, "entities": entities}) + "\n")


def train_everything(root: Path) -> tuple[Recipe, Places, Path]:
    """(recipe, places, bundle folder) after corpus, tokenizer, chunks and all training stages."""
    mirror, bench = root / "mirror", root / "bench"
    for name, first in (("a+one", 0), ("a+two", 100), ("a+unlicensed", 200)):
        repo = mirror / name
        (repo / "src" / "deep").mkdir(parents=True)
        (repo / "vendor").mkdir()
        for n in range(first, first + 30):
            folder = repo / "src" / "deep" if n % 2 else repo / "src"
            (folder / f"module{n}.ts").write_text(source(n))
        (repo / "src" / "copy.ts").write_text(source(first))
        (repo / "vendor" / "lib.ts").write_text(source(first + 50))
        (repo / "LICENSE").write_text(MIT if name != "a+unlicensed" else "All rights reserved.")
        run = lambda *args: subprocess.run(["git", "-C", str(repo), *args], check=True, capture_output=True)  # noqa: E731
        run("init", "-q")
        run("add", ".")
        run("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "files")
    (bench / "b+held" / "src").mkdir(parents=True)
    for n in range(300, 320):
        (bench / "b+held" / "src" / f"module{n}.ts").write_text(source(n))
    (bench / "b+held" / "src" / "leaked.ts").write_text(source(3))
    tsv = root / "repos.tsv"
    tsv.write_text("split\trepo\tlicence\ntrain\ta/one\tMIT\ntrain\ta/two\tMIT\ntrain\ta/unlicensed\tMIT\ntrain\tb/held\tMIT\n")
    recipe, places = tiny_recipe(), Places(root / "work", mirror, bench, tsv)
    corpus.run(recipe.corpus, places)
    tokenizer.run(recipe.tokenizer, places)
    for folder in (*(places.corpus / "files").iterdir(), bench / "b+held"):
        fake_chunks(places, folder.name, folder)
    lm.run(recipe, places, None)
    embedder_train.run(recipe, places, None)
    fuser_train.run(recipe, places, None)
    hef.run(recipe, places, recipe.hef, None)
    hef.run(recipe, places, recipe.end_to_end, None)
    llavacode.run(recipe, places, None)
    export.run(recipe, places, root / "bundle")
    return recipe, places, root / "bundle"
