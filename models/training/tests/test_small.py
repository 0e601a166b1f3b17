"""The `small` recipe at toy size: packed shards, pieces that resume each other through parts, and what damage does."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from hef_training import config, generator, pack, parts, small
from toy import tiny_recipe


def toy_recipe() -> config.Recipe:
    recipe = config.load_recipe(Path(__file__).parents[1] / "recipes" / "small.yaml")
    tiny = tiny_recipe()
    recipe.tokenizer, recipe.generator = tiny.tokenizer, tiny.generator
    recipe.lm.minutes, recipe.lm.tokens_per_step, recipe.lm.eval_every, recipe.lm.warmup = 60.0, 800, 1000, 2
    recipe.small.epochs, recipe.small.shard_bytes, recipe.small.held_out_tokens, recipe.small.piece_minutes = 1, 20_000, 2_000, 1e-6
    return recipe


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory) -> tuple[config.Recipe, config.Places]:
    _, places, _ = trained
    recipe, root = toy_recipe(), tmp_path_factory.mktemp("small")
    here = config.Places(root, None, places.benchmarks)
    shutil.copytree(places.corpus, here.corpus)
    shutil.copy(places.tokenizer, here.tokenizer)
    pack.run(recipe, here)
    return recipe, here


def test_shards_hold_prompts_and_stay_below_their_size(packed) -> None:
    recipe, places = packed
    folder = places.work / "packed"
    report = json.loads((folder / "pack.json").read_text())
    assert len(report["shards"]) > 2 and all((folder / f"{s['name']}.bin").stat().st_size <= 20_000 for s in report["shards"])
    training, held = pack.load(folder, recipe.tokenizer.vocab_size)
    prompt = training.prompt(len(training) - 1)
    assert training.length(len(training) - 1) == len(prompt.context) + len(prompt.body)
    assert prompt.body[0] == 5 and max(prompt.body) < recipe.tokenizer.vocab_size and held is not None  # 5: <|fim_middle|>


def test_a_damaged_shard_is_refused(packed, tmp_path: Path) -> None:
    recipe, places = packed
    shutil.copytree(places.work / "packed", tmp_path / "packed")
    path = tmp_path / "packed" / "pack-000.bin"
    path.write_bytes(b"\x07" + path.read_bytes()[1:])
    with pytest.raises(SystemExit, match="pack-000"):
        pack.load(tmp_path / "packed", recipe.tokenizer.vocab_size)


def test_pieces_resume_through_parts_on_a_bare_machine(packed, tmp_path: Path) -> None:
    recipe, places = packed
    for piece in ("one", "two"):  # each has the packed shards and the parts, nothing else
        work = tmp_path / piece
        work.mkdir()
        shutil.copytree(places.work / "packed", work / "packed")
        small.run(recipe, config.Places(work, parts=tmp_path / "parts"), None)
        if piece == "one":
            first = parts.read(tmp_path / "parts")
    second = parts.read(tmp_path / "parts")
    assert (first["step"], second["step"]) == (1, 2)  # a piece of no time is one step
    assert second["elapsed_s"] > first["elapsed_s"]
    model = generator.build(recipe.generator, recipe.tokenizer.vocab_size)
    model.load_state_dict(second["average"])
    rows = [json.loads(line) for line in (tmp_path / "two" / "stages" / "lm" / "log.jsonl").open()]
    assert any("held_out" in row for row in rows)


def test_parts_are_checked(tmp_path: Path) -> None:
    weight = torch.randn(300, 40)
    state = {"average": {"w": weight, "tied": weight.clone()}, "step": 3, "elapsed_s": 1.0, "tokens": 9}
    assert parts.write(state, tmp_path, limit=10_000) == 3
    back = parts.read(tmp_path)
    assert torch.equal(back["average"]["w"], state["average"]["w"].bfloat16().float()) and back["step"] == 3
    assert torch.equal(back["average"]["tied"], back["average"]["w"])
    first = sorted(tmp_path.glob("*.part"))[0]
    data = first.read_bytes()
    first.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    with pytest.raises(SystemExit, match=first.name):
        parts.read(tmp_path)
    first.unlink()
    with pytest.raises(SystemExit, match="missing"):
        parts.read(tmp_path)
