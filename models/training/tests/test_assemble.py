"""Bundles from published weights without training, on randomly initialised models of the published classes."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM, Qwen3Model

from hef_training import assemble, export, published, runtime
from hef_training.layout import Layout, LayoutConfig, Specials
from served import ROOT, complete, needs_server, server
from test_qwen import qwen_tokenizer, write_weights

SHIPPED = ROOT / "models" / "hef-nano"
CODE = "export function total(items: number[]): number {\n  let sum = 0;\n  for (const item of items) sum += item;\n  return sum;\n}\n"
CARD = "---\nlicense: apache-2.0\nlanguage:\n- en\n---\n# A model\n"


def folders(root: Path, tied: bool) -> Path:
    write_weights(root, qwen_tokenizer([CODE]), tied)
    (root / "generator" / "README.md").write_text(CARD)
    (root / "generator" / "LICENSE").write_text("Apache License\n")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return folders(tmp_path_factory.mktemp("published"), tied=True)


@pytest.fixture(scope="module")
def bundle(weights, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "toy"
    assemble.run(weights / "generator", None, SHIPPED, out, "int8")
    return out


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def psm_prompt(manifest: dict, folder: Path, before: str, after: str) -> list[int]:
    loaded, layout = Tokenizer.from_file(str(folder / "tokenizer.json")), manifest["prompt"]
    ids = lambda text: loaded.encode(text, add_special_tokens=False).ids  # noqa: E731
    return [*layout["prefix"]["before"], *ids(before), *layout["suffix"]["before"], *ids(after), *layout["middle"]["before"]]


@torch.no_grad()
@pytest.mark.parametrize(("tied", "precision", "tolerance"), [(True, "fp32", 1e-6), (True, "int8", 2e-3), (False, "int8", 2e-3), (False, "int4", 0.1)])
def test_logits_behind_a_psm_prompt_equal_those_of_the_published_model(tmp_path: Path, tied: bool, precision: str, tolerance: float) -> None:
    source = folders(tmp_path / "weights", tied) / "generator"
    out = tmp_path / "bundle"
    assemble.run(source, None, SHIPPED, out, precision)
    manifest, model = manifest_of(out), Qwen2ForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    ids = psm_prompt(manifest, out, "export function total(items: number[]): number {\n  let sum = ", ";\n  return sum;\n}\n")
    g = manifest["generator"]
    served = runtime.Generator(out / "generator.onnx", out / "token-embedding.onnx", g["layers"], g["kvHeads"], g["headDim"], 256)
    exact = model(torch.tensor([ids])).logits[0].numpy()
    found = served.feed(served.embed(ids), 0)
    cosine = (found * exact).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert 1 - cosine.mean() < tolerance


def test_the_manifest_says_what_the_folder_says(weights, bundle) -> None:
    manifest, loaded = manifest_of(bundle), Tokenizer.from_file(str(weights / "generator" / "tokenizer.json"))
    id_of = loaded.token_to_id
    assert manifest["prompt"]["order"] == "psm" and manifest["prompt"]["middle"]["before"] == [id_of("<|fim_middle|>")]
    assert manifest["prompt"]["prefix"]["before"] == [id_of("<|fim_prefix|>")] and manifest["prompt"]["suffix"]["before"] == [id_of("<|fim_suffix|>")]
    assert manifest["prompt"]["file"] == manifest["prompt"]["snippets"]["each"] == {"before": [id_of("<|file_sep|>")], "text": "{path}\n"}
    assert {id_of("<|endoftext|>"), id_of("<|fim_pad|>"), id_of("<|file_sep|>")} <= set(manifest["generator"]["stopTokens"])
    assert manifest["licence"] == "apache-2.0" and (bundle / "LICENSE-generator.txt").read_text() == "Apache License\n"
    assert manifest["training"]["sources"] == {"model.safetensors": export.digest(weights / "generator" / "model.safetensors")}
    for name, entry in manifest["files"].items():
        assert export.digest(bundle / name) == entry
    shipped = manifest_of(SHIPPED)
    assert manifest["files"]["embedder.onnx"] == shipped["files"]["embedder.onnx"]
    assert manifest["embedder"]["tokenizer"]["vocabSize"] == shipped["tokenizer"]["vocabSize"]


def test_weights_lie_beside_the_graph_and_tied_ones_once(bundle) -> None:
    for name in ("generator.onnx", "token-embedding.onnx"):
        for tensor in onnx.load(bundle / name, load_external_data=False).graph.initializer:
            assert tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.raw_data) < 4096
    stored = {t.name: t for t in onnx.load(bundle / "generator.onnx", load_external_data=False).graph.initializer}
    table = next(t for t in onnx.load(bundle / "token-embedding.onnx", load_external_data=False).graph.initializer if t.name == "table")
    place = lambda tensor: {entry.key: entry.value for entry in tensor.external_data}  # noqa: E731
    assert place(table) == place(stored["lm_head_q"]) and int(place(table)["offset"]) % 4096 == 0


def test_what_was_fitted_stays_while_the_generator_does(weights, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assemble.run(weights / "generator", None, SHIPPED, out, "int8")
    document = manifest_of(out)
    (out / "manifest.json").write_text(json.dumps(document | {"copy": {"intercept": -4.5}}))
    assemble.run(weights / "generator", None, SHIPPED, out, "int8")
    assert manifest_of(out)["copy"] == {"intercept": -4.5} and manifest_of(out)["id"] == document["id"]
    assemble.run(weights / "generator", None, SHIPPED, out, "int4")
    assert "copy" not in manifest_of(out)


@torch.no_grad()
def test_an_embedder_of_ones_own_and_the_mean_as_fuser(weights, tmp_path: Path) -> None:
    source = weights / "embedder"
    out = tmp_path / "bundle"
    assemble.run(weights / "generator", source, SHIPPED, out, "int8")
    manifest = manifest_of(out)
    entry = manifest["embedder"]
    assert entry["dimension"] == manifest["fuser"]["dimension"] == 32 and entry["tokenizer"]["file"] == "tokenizer.json"
    model, rows = Qwen3Model.from_pretrained(source, dtype=torch.float32).eval(), [[5 + n % 300 for n in range(size)] + entry["append"] for size in (3, 30)]
    padded = np.zeros((2, 31), np.int64)
    for row, ids in zip(padded, rows):
        row[: len(ids)] = ids
    found = runtime.session(out / "embedder.onnx").run(None, {"input_ids": padded, "lengths": np.array([4, 31], np.int32)})[0]
    exact = np.stack([torch.nn.functional.normalize(model(torch.tensor([ids])).last_hidden_state[0, -1], dim=-1).numpy() for ids in rows])
    assert (found * exact).sum(-1).min() > 0.99
    children = np.random.default_rng(0).standard_normal((2, 8, 32)).astype(np.float32)
    fused = runtime.session(out / "fuser.onnx").run(None, {"children": children, "counts": np.array([3, 8], np.int32)})[0]
    means = np.stack([children[0, :3].mean(0), children[1].mean(0)])
    assert np.abs(fused - means / np.linalg.norm(means, axis=-1, keepdims=True)).max() < 1e-5


def test_sharded_weights(weights, bundle, tmp_path: Path) -> None:
    source = tmp_path / "generator"
    shutil.copytree(weights / "generator", source)
    (source / "model.safetensors").unlink()
    Qwen2ForCausalLM.from_pretrained(weights / "generator").save_pretrained(source, max_shard_size="60KB")
    assert len(list(source.glob("*.safetensors"))) > 1
    out = tmp_path / "bundle"
    assemble.run(source, None, SHIPPED, out, "int8")
    assert manifest_of(out)["files"]["weights.bin"] == manifest_of(bundle)["files"]["weights.bin"]
    next(iter(source.glob("*.safetensors"))).unlink()
    with pytest.raises(SystemExit, match="the download is not complete"):
        assemble.run(source, None, SHIPPED, tmp_path / "other", "int8")


def edit_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(("damage", "message"), [
    (lambda f: edit_json(f / "config.json", model_type="llama", architectures=["LlamaForCausalLM"]), "model_type 'llama' .LlamaForCausalLM.; only 'qwen2'"),
    (lambda f: edit_json(f / "config.json", intermediate_size=128), "mlp.gate_proj.weight is .96, 64., not .128, 64."),
    (lambda f: edit_json(f / "config.json", num_hidden_layers=3, layer_types=["full_attention"] * 3), "layers.2.input_layernorm.weight is missing"),
    (lambda f: edit_json(f / "config.json", num_hidden_layers=3), "config.json of generator: (.|\\n)*layer_types"),
    (lambda f: edit_json(f / "config.json", vocab_size=100), "ids up to"),
    (lambda f: edit_json(f / "config.json", quantization_config={"quant_method": "awq"}), "quantised already .awq."),
    (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "no .\\.safetensors .pytorch_model.bin."),
    (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
    (lambda f: (f / "tokenizer.json").write_text((f / "tokenizer.json").read_text().replace("<|fim_middle|>", "<|other|>")), "lacks <.fim_middle.>"),
    (lambda f: (f / "config.json").unlink(), "no config.json"),
])
def test_what_is_wrong_with_a_folder_is_said(weights, tmp_path: Path, damage, message: str) -> None:
    source = tmp_path / "generator"
    shutil.copytree(weights / "generator", source)
    damage(source)
    # A vocabulary that is too small is found by its tensors first, unless they agree.
    if "ids up to" in message:
        with pytest.raises(SystemExit, match="embed_tokens.weight is"):
            assemble.run(source, None, SHIPPED, tmp_path / "out", "int8")
        with pytest.raises(SystemExit, match=message):
            published.tokenizer_of(source, assemble.MARKS, 100, "generator")
        return
    with pytest.raises(SystemExit, match=message):
        assemble.run(source, None, SHIPPED, tmp_path / "out", "int8")
    assert list(tmp_path.iterdir()) == [source]


def test_a_folder_that_is_no_bundle_is_left_alone(weights, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit, match="neither empty nor a bundle"):
        assemble.run(weights / "generator", None, SHIPPED, tmp_path, "int8")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_both_orders_are_laid_out_as_the_server_does() -> None:
    """The same file is read by test/parity/prompt-order.test.ts."""
    golden = json.loads((ROOT / "test" / "fixtures" / "prompt-orders.json").read_text())
    loaded = Tokenizer.from_file(str(ROOT / "test" / "fixtures" / "tiny-bundle" / "tokenizer.json"))
    assert {case["layout"].get("order", "spm") for case in golden} == {"spm", "psm"}
    for case in golden:
        config = LayoutConfig(**case["config"])
        assert export.prompt(config, Specials()) == case["layout"]
        made = Layout(config, loaded).prompt(case["before"], case["suffix"], case["entities"], case["snippets"], end=False)
        assert made.context + made.body == case["ids"]


def test_of_order_psm_what_is_written_stands_behind_the_suffix() -> None:
    loaded = Tokenizer.from_file(str(ROOT / "test" / "fixtures" / "tiny-bundle" / "tokenizer.json"))
    layout = Layout(LayoutConfig(order="psm"), loaded)
    made = layout.prompt("let a = 1;", "\n}", written=2)
    s = layout.specials
    assert made.context == [s.fim_prefix, *layout.encode("let a = "), s.fim_suffix, *layout.encode("\n}")]
    assert made.body == [s.fim_middle, *layout.encode("1;"), s.eot]


@needs_server
def test_the_server_completes_with_the_bundle(bundle, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    for n in range(6):
        (repo / f"part{n}.ts").write_text(CODE.replace("total", f"total{n}"))
    (repo / "main.ts").write_text("import { total3 } from './part3';\n\nconst all = \n\nconsole.log(all);\n")
    report = complete(bundle, tmp_path / "cache", repo, "main.ts", 2, 12, "hef")
    assert report["tokens"]["pseudo"] == 0 and report["tokens"]["snippets"] > 50 and report["tokens"]["generated"] > 0
    assert "no hef projector" in report["notes"][0] and "total5" in report["entities"]
    assert report["nodes"] and {node["level"] for node in report["nodes"]} == {"chunk"}
    checks = {check["detail"]: check["status"] for check in json.loads(server("doctor", "--bundle", bundle, "--cache", tmp_path / "cache", "--json"))["checks"]}
    assert any("no hef projector" in detail and status == "warning" for detail, status in checks.items())
