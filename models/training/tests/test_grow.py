"""Step `grow`: the larger generator computes what the smaller one does, learns with all it has, and training goes on from it."""
from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from hef_training import export, generator, grow, lm
from hef_training.config import ModelConfig, Places

SMALL = ModelConfig(layers=2, hidden=64, heads=2, kv_heads=1, head_dim=32, ff=96)
LARGE = ModelConfig(layers=5, hidden=96, heads=4, kv_heads=1, head_dim=32, ff=160)


def built(config: ModelConfig, seed: int):
    torch.manual_seed(seed)
    model = generator.build(config, 200)
    for parameter in model.parameters():  # also biases and norms, which start at zero and one
        parameter.data += torch.randn_like(parameter) * 0.05
    return model.eval()


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_the_grown_generator_computes_the_same_and_every_weight_learns(kv_heads: int) -> None:
    small, large = (ModelConfig(**{**vars(config), "kv_heads": kv_heads}) for config in (SMALL, LARGE))
    before = built(small, 1)
    after = generator.build(large, 200)
    after.load_state_dict(grow.grown(before.state_dict(), small, large))
    ids = torch.randint(0, 200, (2, 40), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        wanted = before(ids).logits
        assert torch.allclose(after.eval()(ids).logits, wanted, atol=2e-4 * wanted.abs().max().item())
    optimizer = torch.optim.SGD(after.parameters(), lr=0.5)
    for _ in range(3):  # what is not written to the residual stream yet has no gradient at first
        optimizer.zero_grad()
        value, count = generator.loss(after, generator.hidden_states(after, ids), ids.roll(-1, 1))
        (value / count).backward()
        optimizer.step()
    still = [name for name, p in after.named_parameters() if not name.endswith("k_proj.bias") and not p.grad.reshape(len(p), -1).any(1).all()]
    assert set(still) <= {"model.embed_tokens.weight"}  # entries that the text does not have


def test_a_shape_that_is_not_larger_is_refused() -> None:
    for changed, why in (({}, "the same"), ({"ff": 64}, "smaller: ff"), ({"kv_heads": 2, "heads": 4}, "keys and values")):
        with pytest.raises(SystemExit, match=why):
            grow.check(SMALL, ModelConfig(**{**vars(SMALL), **changed}))


def test_training_goes_on_from_the_grown_generator(trained, tmp_path) -> None:
    recipe, places, _ = trained
    stage, checkpoint = grow.newest(places.work)
    assert stage == "end-to-end"
    larger = type(recipe)(**vars(recipe))
    larger.generator = ModelConfig(**{**vars(recipe.generator), "hidden": 96, "layers": 3, "ff": 128})
    here = Places(tmp_path, None, places.benchmarks)
    for name in ("corpus", "tokenizer.json"):
        (tmp_path / name).symlink_to(places.work / name)
    grow.run(larger, here, places.work)
    with pytest.raises(SystemExit, match="already"):
        grow.run(larger, here, places.work)
    written = torch.load(here.stage("lm") / "checkpoint.pt", weights_only=True)
    assert written["tokens"] > checkpoint["tokens"] and written["step"] == 0
    lm.run(larger, here, 0.01)
    after = torch.load(here.stage("lm") / "checkpoint.pt", weights_only=True)
    assert after["step"] > 0 and after["tokens"] > written["tokens"]
    grown = export.provenance(SimpleNamespace(recipe=larger, trained={}, base={}, required=frozenset()), here)["grownFrom"]
    assert (grown["stage"], grown["hidden"], grown["tokens"]) == ("end-to-end", 64, written["tokens"])
