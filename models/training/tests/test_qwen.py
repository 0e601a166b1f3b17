"""The `qwen` recipe end to end on randomly initialised models of the published classes, through export and the server."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3Model

from hef_training import config, export, lora, onnx_graph, onnx_models, qwen, runtime, tokenizer
from hef_training.generator import hidden_states
from served import complete, needs_server
from toy import fake_chunks

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>",
]


def qwen_tokenizer(texts: list[str]) -> Tokenizer:
    """Of the published one's make: NFC, its split pattern, byte-level BPE, marks after the vocabulary."""
    out = Tokenizer(models.BPE())
    out.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated")
    out.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    out.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    out.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    out.add_special_tokens(QWEN_SPECIALS)
    return out


def write_weights(folder: Path, loaded: Tokenizer, tied: bool) -> None:
    vocab = -(-(loaded.get_vocab_size() + 5) // 32) * 32  # padded, as published vocabularies are
    shape = dict(num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096, rope_theta=1e6)
    torch.manual_seed(3)
    saved = {
        "generator": Qwen2ForCausalLM(Qwen2Config(vocab_size=vocab, hidden_size=64, intermediate_size=96, num_hidden_layers=2, tie_word_embeddings=tied, **shape)),
        "embedder": Qwen3Model(Qwen3Config(vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, head_dim=16, **shape)),
        "fuser": Qwen2ForCausalLM(Qwen2Config(vocab_size=vocab, hidden_size=64, intermediate_size=64, num_hidden_layers=1, tie_word_embeddings=True, **shape)),
    }
    for name, model in saved.items():
        for parameter in model.parameters():  # biases and norms too: an export that leaves one out must show
            torch.nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 and parameter.mean() == 1 else 0.0, std=0.15)
        model.save_pretrained(folder / name)
        loaded.save(str(folder / name / "tokenizer.json"))


def toy_recipe(regime: str = "lora", end_to_end: bool = True) -> config.Recipe:
    recipe = config.load_recipe(Path(__file__).parents[1] / "recipes" / "qwen.yaml")
    q = recipe.qwen
    q.generator, q.embedder, q.fuser, q.regime, q.end_to_end, q.rank, q.refresh_every = "generator", "embedder", "fuser", regime, end_to_end, 4, 2
    q.minutes, q.tokens_per_step, q.held_out, q.warmup, q.lr, q.chunks = 0.02, 900, 6, 1, 1e-3, 180
    recipe.layout = config.LayoutConfig(pseudo=16, snippets=64, entities=24, suffix=48, prefix=160)
    recipe.fuser_train.minutes, recipe.fuser_train.batch, recipe.hef.projector_hidden = 0.01, 8, 64
    recipe.export.generator_precision = recipe.export.embedder_precision = recipe.export.fuser_precision = "fp32"
    return recipe


@pytest.fixture(scope="module")
def world(trained, tmp_path_factory) -> config.Places:
    """A work folder with the toy corpus, weights in folders, and chunks; nothing trained."""
    _, places, _ = trained
    root = tmp_path_factory.mktemp("qwen")
    work = config.Places(root / "work", None, places.benchmarks, None, root / "weights")
    shutil.copytree(places.corpus, work.corpus)
    texts = [path.read_text() for path in sorted((work.corpus / "files").rglob("*.ts"))]
    write_weights(root / "weights", qwen_tokenizer(texts), tied=False)
    tokenizer.copy(work, "generator")
    for folder in (*(work.corpus / "files").iterdir(), places.benchmarks / "b+held"):
        fake_chunks(work, folder.name, folder)
    return work


@pytest.fixture(scope="module")
def bundle(world, tmp_path_factory) -> tuple[config.Recipe, Path]:
    recipe, out = toy_recipe(), tmp_path_factory.mktemp("bundles") / "hef-toy-qwen"
    qwen.run(recipe, world, None)
    export.run(recipe, world, out)
    return recipe, out


def test_manifest_maps_the_layout_to_the_published_marks(world, bundle) -> None:
    _, folder = bundle
    manifest = json.loads((folder / "manifest.json").read_text())
    loaded = tokenizer.load(world)
    ids = lambda *marks: [loaded.token_to_id(mark) for mark in marks]  # noqa: E731
    assert manifest["prompt"]["suffix"]["before"] == ids("<|fim_prefix|>", "<|fim_suffix|>")
    assert manifest["prompt"]["prefix"]["before"] == ids("<|fim_middle|>")
    assert manifest["embedder"]["append"] == ids("<|endoftext|>") and ids("<|endoftext|>")[0] in manifest["generator"]["stopTokens"]
    assert loaded.decode(manifest["embedder"]["query"]["before"]) == f"Instruct: {config.QwenConfig.instruction}\nQuery:"
    assert manifest["training"]["untrained"] == [] and manifest["training"]["weights"]["generator"] == "generator"


def test_training_moves_what_the_regime_names_and_nothing_else(world, bundle) -> None:
    recipe, _ = bundle
    state = torch.load(world.stage("qwen") / "checkpoint.pt", weights_only=True)["model"]
    assert {key.split(".")[0] for key in state} == {"projector", "adapters", "fuser"}
    assert any(value.abs().sum() > 0 for key, value in state.items() if key.endswith(".b"))
    start = qwen.QwenModels(toy_recipe(), fresh(world))
    assert any(not torch.equal(start.fuser.state_dict()[k.removeprefix("fuser.")], v) for k, v in state.items() if k.startswith("fuser."))


def fresh(world: config.Places) -> config.Places:
    """The same world without any stage."""
    other = config.Places(world.work / "fresh", None, None, None, world.weights)
    other.work.mkdir(exist_ok=True)
    shutil.copy(world.tokenizer, other.tokenizer)
    return other


@pytest.mark.parametrize(("regime", "order"), [("projector", "psm"), ("full", "spm")])
def test_other_regimes_train(world, regime: str, order: str) -> None:
    recipe, places = toy_recipe(regime, end_to_end=False), fresh(world)
    recipe.layout.order = order
    for name in ("corpus", "chunks"):
        if not (places.work / name).exists():
            (places.work / name).symlink_to(world.work / name)
    shutil.rmtree(places.work / "stages" / "qwen", ignore_errors=True)
    qwen.run(recipe, places, None)
    state = torch.load(places.stage("qwen") / "checkpoint.pt", weights_only=True)
    assert state["step"] > 0 and {key.split(".")[0] for key in state["model"]} == {"projector", "generator"} - ({"generator"} if regime == "projector" else set())


@torch.no_grad()
def test_exported_models_equal_pytorch(world, bundle) -> None:
    recipe, folder = bundle
    parts = export.load(recipe, world)
    rows = [[5 + n % 300 for n in range(size)] for size in (3, 30)]
    padded = np.zeros((2, 31), np.int64)
    for row, ids in zip(padded, rows):
        row[: len(ids) + 1] = [*ids, parts.specials.eot]
    embedded = runtime.session(folder / "embedder.onnx").run(None, {"input_ids": padded, "lengths": np.array([4, 31], np.int32)})[0]
    assert np.abs(embedded - parts.embedder.embed(rows).numpy()).max() < 5e-3
    children = np.random.default_rng(0).standard_normal((2, 8, 32)).astype(np.float32)
    children[0, 3:] = 0
    counts = np.array([3, 8], np.int32)
    fused = runtime.session(folder / "fuser.onnx").run(None, {"children": children, "counts": counts})[0]
    assert np.abs(fused - parts.fuser(torch.tensor(children), torch.tensor(counts)).numpy()).max() < 1e-4
    check_generator(parts.generator, (folder / "generator.onnx").read_bytes(), (folder / "token-embedding.onnx").read_bytes(), 3e-2)


@torch.no_grad()
def check_generator(model, graph: bytes, embedding: bytes, tolerance: float) -> None:
    size = qwen.size_of(model.config, 4096)
    served = runtime.Generator(graph, embedding, size.layers, size.kv_heads, size.head_dim, 64)
    ids = [7 + n % 200 for n in range(40)]
    exact = hidden_states(model, torch.tensor([ids]))[0, 3:] @ model.lm_head.weight.T
    found = served.feed(served.embed(ids), 3)
    assert np.abs(found - exact.numpy()).max() < tolerance * exact.abs().max().item()


@pytest.mark.parametrize("bits", [8, 4])
def test_quantised_layers_are_what_their_blocks_say(bits: int) -> None:
    """Against the weights rebuilt from the packed blocks; what is left is the 8-bit rounding of the activations."""
    rng = np.random.default_rng(0)
    weight, x = rng.standard_normal((48, 96)).astype(np.float32), rng.standard_normal((5, 96)).astype(np.float32)
    packed, scales = onnx_graph.quantize_blocks(weight, bits)
    codes = packed if bits == 8 else np.stack([packed & 15, packed >> 4], -1).reshape(48, 3, 32)
    rebuilt = ((codes.astype(np.float32) - 2 ** (bits - 1)) * scales.reshape(48, 3, 1)).reshape(48, 96)
    assert np.abs(rebuilt - weight).max() <= scales.max() / 2 + 1e-6
    g = onnx_graph.Graph("linear")
    g.rename(g.linear(g.input("x", 1, [5, 96]), "w", weight, None, f"int{bits}"), "y")
    g.output("y", 1, [5, 48])
    y = runtime.session(g.model().SerializeToString()).run(None, {"x": x})[0]
    assert np.abs(y - x @ rebuilt.T).max() < 0.02 * np.abs(y).max()


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-2), ("int8", 0.1)])
def test_tied_generator_in_other_precisions(world, tmp_path: Path, precision: str, tolerance: float) -> None:
    write_weights(tmp_path, tokenizer.load(world), tied=True)
    model = qwen.read(Qwen2ForCausalLM, tmp_path / "generator", torch.device("cpu"))
    table = model.model.embed_tokens.weight.numpy()
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    graph = onnx_models.generator(export.arrays(model.model), model.lm_head.weight.numpy(), model.config, precision, 128)
    check_generator(model, graph.SerializeToString(), onnx_models.token_embedding(table).SerializeToString(), tolerance)


@torch.no_grad()
def test_merged_adapters_equal_attached_ones() -> None:
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1))
    ids = torch.arange(20)[None]
    plain = model(ids).logits
    adapters = lora.attach(model.model, 4, 8.0)
    assert len(adapters) == 14 and torch.allclose(model(ids).logits, plain)
    for adapter in adapters:
        adapter.b.normal_(std=0.2)
    attached = model(ids).logits
    lora.merge(model)
    assert (attached - plain).abs().max() > 0.05 and torch.allclose(model(ids).logits, attached, atol=1e-4)


def test_different_vocabularies_are_refused(world, tmp_path: Path) -> None:
    shutil.copytree(world.weights, tmp_path / "weights")
    qwen_tokenizer(["an entirely different text"]).save(str(tmp_path / "weights" / "embedder" / "tokenizer.json"))
    with pytest.raises(SystemExit, match="vocabularies"):
        qwen.check_tokenizers(tmp_path / "weights" / "generator", tmp_path / "weights" / "embedder")


def test_unknown_rope_types_are_refused() -> None:
    yarn = Qwen2Config(rope_parameters={"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 128})
    with pytest.raises(ValueError, match="yarn"):
        onnx_models.check(yarn)


@needs_server
def test_the_server_completes_with_the_bundle(world, bundle, tmp_path: Path) -> None:
    _, folder = bundle
    repo = tmp_path / "repo"
    shutil.copytree(world.benchmarks / "b+held", repo)
    report = complete(folder, tmp_path / "cache", repo, "src/module301.ts", 3, 2, "hef")
    assert report["bundle"] == "hef-qwen" and report["tokens"]["pseudo"] > 0 and report["tokens"]["generated"] > 0
