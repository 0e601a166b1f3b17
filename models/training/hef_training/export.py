"""Step `export`: writes a bundle (models/README.md) from the newest checkpoints.

Stages that were not trained yet export their initial weights (the manifest says so). The folder is written beside its place and
swapped in by renames, so that a reader never sees half a bundle.
"""
from __future__ import annotations

import datetime
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch

from . import generator, onnx_embedder, onnx_graph, onnx_models, tokenizer
from .config import LayoutConfig, Places, Recipe
from .embedder import END, QUERY, Embedder
from .fuser import Fuser
from .layout import Specials
from .projector import LlavaProjector, Projector
from .served_embedder import EMBEDDER_FILE, ServedEmbedder, is_served

MAX_EMBEDDER_TOKENS = 512
LLAVACODE_FILE = "projector-llavacode.onnx"
GROWN_FILE = "grown.json"  # in the folder of step `lm`, where step `grow` made its first checkpoint
TAKEN_FILE = "taken.json"  # there too, where step `take-up` did: the bundle that it read
START_FILE = "start.pt"  # in the folder of step `hef`: the projector of that bundle, which `hef` and `end-to-end` begin from


class Models:
    """The trained models with the newest averaged weights; `trained` names the stages found, `required` those of a whole bundle."""

    specials = Specials()
    required = frozenset({"lm", "embedder", "fuser", "hef"})
    stop_tokens: tuple[int, ...] = (tokenizer.EOT,)
    base: dict[str, str] = {}  # names of published weights that training began from
    query = {"before": [], "append": [END[QUERY]]}  # tokens around a query, as the embedder was trained

    def __init__(self, recipe: Recipe, places: Places) -> None:
        torch.manual_seed(recipe.lm.seed)
        self.recipe, self.trained = recipe, {}
        vocab = recipe.tokenizer.vocab_size
        self.generator = generator.build(recipe.generator, vocab)
        self.embedder: Embedder | ServedEmbedder = Embedder(recipe.embedder, vocab)
        self.fuser = Fuser(recipe.fuser, recipe.embedder.hidden)
        self.projector = Projector(recipe.embedder.hidden, recipe.hef.projector_hidden, recipe.generator.hidden)
        self.load(places, "lm", self.generator)
        if is_served(places.stage("embedder")):
            self.embedder = ServedEmbedder(places.stage("embedder"))
            self.trained["embedder"] = taken(places)["training"]["stages"]["embedder"]
        elif not self.load(places, "embedder", self.embedder) and "lm" in self.trained:
            with torch.no_grad():
                self.embedder.model.embed_tokens.weight.copy_(self.generator.model.embed_tokens.weight)
        self.load(places, "fuser", self.fuser)
        hef = self.read(places, "hef")
        if recipe.export.regime == "end-to-end":
            hef = self.read(places, "end-to-end") or hef
        if hef:
            self.generator.load_state_dict(part(hef, "generator."))
            self.projector.load_state_dict(part(hef, "projector."))
            if any(key.startswith("fuser.") for key in hef):
                self.fuser.load_state_dict(part(hef, "fuser."))
        elif (start := places.stage("hef") / START_FILE).exists():
            self.projector.load_state_dict(part(torch.load(start, weights_only=True), "projector."))
        self.llavacode = LlavaProjector(recipe.embedder.hidden, recipe.generator.hidden)
        if not self.load(places, "llavacode", self.llavacode) or not fits(places, self.generator):
            self.llavacode = None  # a bundle without this projector serves every mode but `llavacode`
            self.trained.pop("llavacode", None)
        for model in filter(None, (self.generator, self.embedder, self.fuser, self.projector, self.llavacode)):
            model.eval().requires_grad_(False)

    def read(self, places: Places, stage: str) -> dict | None:
        path = places.stage(stage) / "checkpoint.pt"
        if not path.exists():
            return None
        state = torch.load(path, weights_only=True)
        self.trained[stage] = {"steps": state["step"], "tokens": state["tokens"], "minutes": round(state["elapsed_s"] / 60, 1)}
        return state["average"]

    def load(self, places: Places, stage: str, model: torch.nn.Module) -> bool:
        state = self.read(places, stage)
        if state:
            model.load_state_dict(state)
        return state is not None


def taken(places: Places) -> dict:
    """The bundle that training went on from: its name, id and provenance; empty where it began anew."""
    path = places.stage("lm") / TAKEN_FILE
    return json.loads(path.read_text()) if path.exists() else {}


def fits(places: Places, model: torch.nn.Module) -> bool:
    """Whether LlavaCode's projector was trained against this generator."""
    from .llavacode import digest
    same = json.loads((places.stage("llavacode") / "generator.json").read_text())["digest"] == digest(model)
    if not same:
        print("export: the generator has changed since step llavacode, whose projector is left out: run it again", flush=True)
    return same


def load(recipe: Recipe, places: Places) -> Models:
    """The models that a recipe trains: its own ones, or published weights with what was trained on them."""
    if not recipe.qwen.generator:
        return Models(recipe, places)
    from .qwen import QwenModels
    return QwenModels(recipe, places)


def part(state: dict, prefix: str) -> dict:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def arrays(model: torch.nn.Module) -> dict[str, np.ndarray]:
    return {key: value.float().numpy() for key, value in model.state_dict().items()}


def graphs(models: Models, precision: str | None = None) -> dict[str, onnx.ModelProto]:
    """{file name: graph}; `precision` overrides the recipe's for generator and embedder."""
    recipe, g = models.recipe, models.generator
    table = g.model.embed_tokens.weight.float().numpy()
    second = {LLAVACODE_FILE: onnx_models.llava_projector(arrays(models.llavacode))} if models.llavacode else {}
    return second | {
        EMBEDDER_FILE: embedder_graph(models, precision or recipe.export.embedder_precision),
        "fuser.onnx": onnx_models.fuser(arrays(models.fuser), models.fuser.body.config, recipe.export.fuser_precision, recipe.embedder.hidden, recipe.arity),
        "projector.onnx": onnx_models.projector(arrays(models.projector)),
        "token-embedding.onnx": onnx_models.token_embedding(table),
        "generator.onnx": onnx_models.generator(arrays(g.model), g.lm_head.weight.float().numpy(), g.config,
                                                precision or recipe.export.generator_precision, recipe.generator.max_positions),
    }


def embedder_graph(models: Models, precision: str) -> onnx.ModelProto:
    """`precision` "tables": the short form of one layer; else the whole model. One that was taken from a bundle stays as it is."""
    if isinstance(models.embedder, ServedEmbedder):
        return onnx.load(str(models.embedder.path))
    state, config = arrays(models.embedder.model), models.embedder.model.config
    if precision == "tables":
        return onnx_embedder.one_layer(state, config, MAX_EMBEDDER_TOKENS + 1)
    return onnx_models.embedder(state, config, precision, MAX_EMBEDDER_TOKENS + 1 + len(models.query["before"]))


def manifest(models: Models, files: dict[str, dict], trained: dict, fitted_before: dict) -> dict:
    recipe = models.recipe
    layout, d, d_g, special = recipe.layout, recipe.embedder.hidden, recipe.generator.hidden, models.specials
    projector = {"inputDimension": d, "outputDimension": d_g, "precision": "fp32"}
    second = {"llavacode": {"file": LLAVACODE_FILE, **projector}} if models.llavacode else {}
    return {
        "formatVersion": 1,
        "name": recipe.export.name,
        "id": bundle_id(files),
        "description": recipe.export.description,
        "licence": recipe.export.licence,
        "files": files,
        "tokenizer": {"file": "tokenizer.json", "vocabSize": recipe.tokenizer.vocab_size},
        "embedder": {"file": "embedder.onnx", "dimension": d, "maxTokens": MAX_EMBEDDER_TOKENS, "append": [special.eot],
                     "query": models.query, "precision": recipe.export.embedder_precision},
        "fuser": {"file": "fuser.onnx", "dimension": d, "arity": recipe.arity, "precision": recipe.export.fuser_precision},
        "projectors": {"hef": {"file": "projector.onnx", **projector}, **second},
        "tokenEmbedding": {"file": "token-embedding.onnx", "precision": "fp16"},
        "generator": {
            "file": "generator.onnx", "hiddenSize": d_g, "layers": recipe.generator.layers, "kvHeads": recipe.generator.kv_heads,
            "headDim": recipe.generator.head_dim, "vocabSize": recipe.tokenizer.vocab_size,
            "maxPositions": recipe.generator.max_positions, "stopTokens": list(models.stop_tokens), "precision": recipe.export.generator_precision,
        },
        "prompt": prompt(layout, special),
        **fitted_before,
        "onnx": {"opset": onnx_graph.OPSET},
        "training": trained,
        "evaluation": {},
    }


def prompt(layout: LayoutConfig, special: Specials) -> dict:
    """The manifest's `prompt` for what layout.py builds."""
    psm = layout.order == "psm"
    return {
        **({"order": "psm"} if psm else {}),
        "total": layout.suffix + layout.prefix + psm,
        "pseudoTokens": {"max": layout.pseudo},
        "snippets": {"max": layout.snippets, "before": [special.snippet], "separator": "\n"},
        "entities": {"max": layout.entities, "before": [special.entities], "separator": " "},
        "suffix": {"max": layout.suffix, "before": [special.fim_suffix] if psm else [special.fim_prefix, special.fim_suffix]},
        "prefix": {"max": layout.prefix, "before": [special.fim_prefix] if psm else [special.fim_middle]},
        **({"middle": {"before": [special.fim_middle]}} if psm else {}),
    }


def bundle_id(files: dict[str, dict]) -> str:
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def provenance(models: Models, places: Places) -> dict:
    report = places.corpus / "report.json"
    corpus = json.loads(report.read_text()) if report.exists() else {}
    grown = places.stage("lm") / GROWN_FILE
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "recipe": models.recipe.export.name.removeprefix("hef-"),
        "stages": models.trained,
        **({"grownFrom": json.loads(grown.read_text())} if grown.exists() else {}),
        **({"takenUpFrom": before} if (before := taken(places)) else {}),
        **({"weights": models.base} if models.base else {}),
        "untrained": sorted(models.required - set(models.trained)),
        "heldOut": {stage: last_evaluation(places, stage) for stage in models.trained},
        "corpus": {"files": corpus.get("files"), "bytes": corpus.get("bytes"),
                   "repositories": [f"{r['repo']}@{r['commit'][:12]} ({r['licence']})" for r in corpus.get("repositories", [])]},
    }


def last_evaluation(places: Places, stage: str) -> dict:
    """The newest held-out measurement in a stage's log."""
    log = places.stage(stage) / "log.jsonl"
    rows = [json.loads(line) for line in log.open()] if log.exists() else []
    rows = [row for row in rows if any(key.startswith(("held_out", "recall")) for key in row)]
    return rows[-1] if rows else {}


def fitted(out: Path, files: dict[str, dict]) -> dict:
    """What `hef-language-server` fitted to the bundle that is replaced, where its generator is the same."""
    path = out / "manifest.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    same = all(before.get("files", {}).get(name) == files[name] for name in ("generator.onnx", "token-embedding.onnx", "tokenizer.json"))
    return {key: before[key] for key in ("confidence", "copy", "analogy") if same and key in before}


def digest(path: Path) -> dict:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "sizeBytes": path.stat().st_size}


def swap(fresh: Path, target: Path) -> None:
    """Puts `fresh` where `target` is."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def run(recipe: Recipe, places: Places, out: Path) -> None:
    from . import goldens
    models = load(recipe, places)
    out = out.resolve()
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, model in graphs(models).items():
        onnx.save(model, str(fresh / name))
    shutil.copy(places.tokenizer, fresh / "tokenizer.json")
    trained = provenance(models, places)
    trained["quantisation"] = goldens.quantisation(models, places)
    (fresh / "goldens.json").write_text(json.dumps(goldens.make(models, places, fresh)) + "\n")
    files = {path.name: digest(path) for path in sorted(fresh.iterdir())}
    document = manifest(models, files, trained, fitted(out, files))
    (fresh / "manifest.json").write_text(json.dumps(document, indent=2) + "\n")
    swap(fresh, out)
    size = sum(entry["sizeBytes"] for entry in files.values())
    print(f"export: {out.name} {document['id']}, {size / 1e6:.2f} MB, quantisation {trained['quantisation']}", flush=True)
