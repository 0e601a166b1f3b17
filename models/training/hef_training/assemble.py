"""Step `assemble`: a bundle from published Qwen2 weights in a local folder, with no training, no work folder and no GPU.

The prompt is the one that Qwen2.5-Coder was trained on: prefix, suffix, middle, behind files of the repository, each headed by its
path. There is no projector, so the server puts the nearest chunks into the prompt as text; they are found by the embedder and the
fuser of the shipped bundle, or by Qwen3-Embedding weights, whose vectors are merged by their mean.

Guarantees: one tensor is in memory at a time, so that what is needed is a small multiple of the token embedding.
Deliberately lacks: any other architecture, and any download.
"""
from __future__ import annotations

import datetime
import json
import shutil
import sys
from pathlib import Path

import onnx
from tokenizers import Tokenizer

from . import export, onnx_graph, onnx_models, published
from .config import QwenConfig
from .onnx_graph import StreamedGraph

WEIGHTS = "weights.bin"
PRECISIONS = {"int8": "int8", "int4": "int8", "fp32": "fp32"}  # of the layers: of the head, which suffers most from few bits
BITS = {"int8": 8}
MARKS = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>")
ALSO_STOPS = ("<|fim_pad|>", "<|im_start|>", "<|im_end|>")
MOST_POSITIONS = 4096
EMBEDDER_TOKENS = 512
ARITY = 8
# Tokens. The suffix is read again at every keystroke: it is short.
SNIPPETS, ENTITIES, PREFIX, SUFFIX = 320, 48, 512, 64


def run(generator: Path, embedder: Path | None, shipped: Path, out: Path, precision: str, name: str | None = None) -> None:
    """`shipped`: the bundle whose embedder and fuser are taken where no folder of an embedder is given."""
    generator, out = generator.resolve(), out.resolve()
    config = published.config_of(generator, "qwen2", "generator")
    weights = published.weights_of(generator, config, "generator")
    loaded, ids = published.tokenizer_of(generator, MARKS, config.vocab_size, "generator")
    if out.exists() and not (out / "manifest.json").exists() and any(out.iterdir()):
        raise SystemExit(f"assemble: {out} is neither empty nor a bundle; nothing in it was touched")
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        parts = write_retrieval(embedder.resolve(), generator, fresh) if embedder else take_retrieval(shipped, fresh)
        embedding_precision = write_generator(weights, config, precision, fresh)
        shutil.copy(generator / "tokenizer.json", fresh / "tokenizer.json")
        licence = published.licence_file(generator)
        if licence:
            shutil.copy(licence, fresh / "LICENSE-generator.txt")
        files = {path.name: export.digest(path) for path in sorted(fresh.iterdir())}
        document = manifest(generator, config, loaded, ids, files, parts, precision, embedding_precision)
        document["name"] = name or out.name
        document |= export.fitted(out, files)
        (fresh / "manifest.json").write_text(json.dumps(document, indent=2) + "\n")
        export.swap(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    size = sum(entry["sizeBytes"] for entry in files.values())
    print(f"assemble: {out} {document['id']}, {generator.name} in {precision}, {size / 1e6:.0f} MB, licence {document['licence']}{peak()}\n"
          f"Use it: hef-language-server doctor --bundle {out}, or the setting hef.bundle", flush=True)


def peak() -> str:
    """What was needed at most, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB of memory at most"


def write_generator(weights: published.Weights, config, precision: str, folder: Path) -> str:
    """Writes generator and token embedding; returns the precision of the latter."""
    head_precision = PRECISIONS[precision]
    tied = config.tie_word_embeddings or "lm_head.weight" not in weights
    head = weights["embed_tokens.weight" if tied else "lm_head.weight"]
    positions = min(config.max_position_embeddings, MOST_POSITIONS)
    graph = onnx_models.generator(weights, head, config, precision, positions, StreamedGraph("generator", folder / WEIGHTS), head_precision)
    onnx.save(graph, str(folder / "generator.onnx"))
    if tied and head_precision in BITS:
        shared = onnx_models.shared_embedding(graph, config.vocab_size, config.hidden_size, BITS[head_precision])
        onnx.save(shared, str(folder / "token-embedding.onnx"))
        return head_precision
    own = StreamedGraph("token-embedding", folder / "token-embedding.bin")
    onnx.save(onnx_models.token_embedding(weights["embed_tokens.weight"], own), str(folder / "token-embedding.onnx"))
    return "fp16"


def take_retrieval(shipped: Path, folder: Path) -> dict:
    """Copies embedder, fuser and their tokenizer out of a bundle; its indexes serve the new one too. Returns their entries."""
    before = json.loads((shipped / "manifest.json").read_text())
    tokens = before["embedder"].get("tokenizer", before["tokenizer"])
    own = {tokens["file"]: "embedder-tokenizer.json", before["embedder"]["file"]: "embedder.onnx", before["fuser"]["file"]: "fuser.onnx"}
    for source, target in own.items():
        shutil.copy(shipped / source, folder / target)
    return {
        "embedder": {**before["embedder"], "file": "embedder.onnx", "tokenizer": {**tokens, "file": "embedder-tokenizer.json"}},
        "fuser": {**before["fuser"], "file": "fuser.onnx"},
        "from": {"embedder": f"{before['name']} {before['id']}", "fuser": f"{before['name']} {before['id']}"},
    }


def write_retrieval(source: Path, generator: Path, folder: Path) -> dict:
    """Converts Qwen3-Embedding; the fuser is the mean. Returns their entries."""
    config = published.config_of(source, "qwen3", "embedder")
    weights = published.weights_of(source, config, "embedder")
    loaded, ids = published.tokenizer_of(source, ("<|endoftext|>",), config.vocab_size, "embedder")
    end = ids["<|endoftext|>"]
    before = loaded.encode(f"Instruct: {QwenConfig.instruction}\nQuery:", add_special_tokens=False).ids
    graph = onnx_models.embedder(weights, config, "int8", EMBEDDER_TOKENS + 1 + len(before), StreamedGraph("embedder", folder / "embedder.bin"))
    onnx.save(graph, str(folder / "embedder.onnx"))
    onnx.save(onnx_models.mean_fuser(config.hidden_size), str(folder / "fuser.onnx"))
    tokens = {"file": "tokenizer.json", "vocabSize": config.vocab_size}
    if (source / "tokenizer.json").read_bytes() != (generator / "tokenizer.json").read_bytes():
        tokens["file"] = "embedder-tokenizer.json"
        shutil.copy(source / "tokenizer.json", folder / tokens["file"])
    return {
        "embedder": {"file": "embedder.onnx", "dimension": config.hidden_size, "maxTokens": EMBEDDER_TOKENS, "append": [end],
                     "query": {"before": before, "append": [end]}, "tokenizer": tokens, "precision": "int8"},
        "fuser": {"file": "fuser.onnx", "dimension": config.hidden_size, "arity": ARITY, "precision": "fp32"},
        "from": {"embedder": source.name, "fuser": "the mean of the children"},
    }


def manifest(source: Path, config, loaded: Tokenizer, ids: dict[str, int], files: dict, parts: dict, precision: str, embedding_precision: str) -> dict:
    stops = [*ids.values(), *(i for i in map(loaded.token_to_id, ALSO_STOPS) if i is not None)]
    return {
        "formatVersion": 1,
        "name": source.name,
        "id": export.bundle_id(files),
        "description": f"{source.name} as published, converted without training; prompts in the order it was trained on.",
        "licence": published.licence_of(source),
        "files": files,
        "tokenizer": {"file": "tokenizer.json", "vocabSize": config.vocab_size},
        "embedder": parts["embedder"],
        "fuser": parts["fuser"],
        "projectors": {},
        "tokenEmbedding": {"file": "token-embedding.onnx", "precision": embedding_precision},
        "generator": {
            "file": "generator.onnx", "hiddenSize": config.hidden_size, "layers": config.num_hidden_layers,
            "kvHeads": config.num_key_value_heads, "headDim": onnx_models.head_dim(config), "vocabSize": config.vocab_size,
            "maxPositions": min(config.max_position_embeddings, MOST_POSITIONS), "stopTokens": sorted(set(stops)), "precision": precision,
        },
        "prompt": prompt(loaded, ids),
        "onnx": {"opset": onnx_graph.OPSET},
        "training": {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
            "step": "assemble", "weights": {"generator": source.name, **parts["from"]},
            "sources": {path.name: export.digest(path) for path in sorted(source.glob("*.safetensors"))},
        },
        "evaluation": {},
    }


def prompt(loaded: Tokenizer, ids: dict[str, int]) -> dict:
    """Qwen2.5-Coder's form for repositories (its model card and report): files headed by their paths, the open one last and with
    its middle taken out. Names of entities, which that form does not have, stand in a file of their own."""
    file = {"before": [ids["<|file_sep|>"]], "text": "{path}\n"}
    listed = [ids["<|file_sep|>"], *loaded.encode("names.txt\n", add_special_tokens=False).ids]
    return {
        "order": "psm",
        "pseudoTokens": {"max": 0},
        "repository": {"before": [ids["<|repo_name|>"]], "text": "{repository}\n"},
        "snippets": {"max": SNIPPETS, "before": [], "separator": "\n", "each": file},
        "entities": {"max": ENTITIES, "before": listed, "separator": "\n"},
        "file": file,
        "prefix": {"max": PREFIX, "before": [ids["<|fim_prefix|>"]]},
        "suffix": {"max": SUFFIX, "before": [ids["<|fim_suffix|>"]]},
        "middle": {"before": [ids["<|fim_middle|>"]]},
    }
