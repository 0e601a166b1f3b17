"""Published weights in a local folder (Hugging Face layout), read one tensor at a time; what is wrong with the folder is said at once."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from huggingface_hub.errors import StrictDataclassError as HFValidationError
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen3Config

from .onnx_models import check, head_dim

CONFIGS = {"qwen2": Qwen2Config, "qwen3": Qwen3Config}
PREFIXES = ("", "model.")  # of one tensor's name: with the head or without it


class Weights(Mapping):
    """State of a transformer's body by its usual names (`layers.0.…`), each tensor read in fp32 when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = sorted(folder.glob("*.safetensors"))
        self.places = {key: path for path in self.files for key in self.keys_of(path)}

    @staticmethod
    def keys_of(path: Path) -> list[str]:
        with safe_open(path, "pt") as file:
            return list(file.keys())

    def stored(self, key: str) -> str | None:
        return next((prefix + key for prefix in PREFIXES if prefix + key in self.places), None)

    def shape(self, key: str) -> list[int]:
        name = self.stored(key)
        with safe_open(self.places[name], "pt") as file:
            return list(file.get_slice(name).get_shape())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.stored(key) is not None

    def __getitem__(self, key: str) -> np.ndarray:
        name = self.stored(key)
        if name is None:
            raise KeyError(key)
        with safe_open(self.places[name], "pt") as file:
            return file.get_tensor(name).float().numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def config_of(folder: Path, wanted: str, what: str):
    """The folder's configuration. SystemExit names what keeps it from being converted."""
    if not (folder / "config.json").is_file():
        raise SystemExit(f"{what}: {folder} holds no config.json; it must be a folder of weights as Hugging Face publishes them")
    document = json.loads((folder / "config.json").read_text())
    kind = document.get("model_type")
    if kind != wanted:
        raise SystemExit(f"{what}: {folder.name} is of model_type {kind!r} ({', '.join(document.get('architectures') or ['no architecture named'])}); "
                         f"only {wanted!r} is converted")
    if "quantization_config" in document:
        method = document["quantization_config"].get("quant_method", "some method")
        raise SystemExit(f"{what}: {folder.name} is quantised already ({method}); take the weights in bf16, fp16 or fp32")
    try:
        config = CONFIGS[wanted].from_pretrained(folder, local_files_only=True)
        check(config)
    except (ValueError, TypeError, HFValidationError) as error:
        raise SystemExit(f"{what}: config.json of {folder.name}: {error}") from None
    return config


def weights_of(folder: Path, config, what: str) -> Weights:
    """The folder's weights. SystemExit lists the tensors that are missing or of another shape."""
    weights = Weights(folder)
    if not weights.files:
        others = ", ".join(path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.gguf"))) or "none of another kind either"
        raise SystemExit(f"{what}: {folder} holds no *.safetensors ({others})")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        absent = sorted({name for name in json.loads(index.read_text())["weight_map"].values() if not (folder / name).exists()})
        if absent:
            raise SystemExit(f"{what}: {folder.name} lacks {', '.join(absent)} of its index: the download is not complete")
    problems = []
    for key, shape in shapes(config).items():
        if key not in weights:
            problems.append(f"{key} is missing")
        elif weights.shape(key) != shape:
            problems.append(f"{key} is {weights.shape(key)}, not {shape} as config.json says")
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise SystemExit(f"{what}: the weights in {folder.name} do not fit its config.json: {'; '.join(problems[:8])}{more}")
    return weights


def shapes(config) -> dict[str, list[int]]:
    """Of every tensor that the exported graph reads, but an untied head."""
    hidden, dim, ff = config.hidden_size, head_dim(config), config.intermediate_size
    q, kv = config.num_attention_heads * dim, config.num_key_value_heads * dim
    out = {"embed_tokens.weight": [config.vocab_size, hidden], "norm.weight": [hidden]}
    for layer in range(config.num_hidden_layers):
        of_layer = {
            "input_layernorm.weight": [hidden], "post_attention_layernorm.weight": [hidden],
            "self_attn.q_proj.weight": [q, hidden], "self_attn.k_proj.weight": [kv, hidden], "self_attn.v_proj.weight": [kv, hidden],
            "self_attn.o_proj.weight": [hidden, q],
            "mlp.gate_proj.weight": [ff, hidden], "mlp.up_proj.weight": [ff, hidden], "mlp.down_proj.weight": [hidden, ff],
        }
        if config.model_type == "qwen2":
            of_layer |= {"self_attn.q_proj.bias": [q], "self_attn.k_proj.bias": [kv], "self_attn.v_proj.bias": [kv]}
        else:
            of_layer |= {"self_attn.q_norm.weight": [dim], "self_attn.k_norm.weight": [dim]}
        out |= {f"layers.{layer}.{name}": shape for name, shape in of_layer.items()}
    return out


def tokenizer_of(folder: Path, marks: tuple[str, ...], vocab_size: int, what: str) -> tuple[Tokenizer, dict[str, int]]:
    """The folder's tokenizer and the ids of its marks."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise SystemExit(f"{what}: {folder} holds no tokenizer.json")
    loaded = Tokenizer.from_file(str(path))
    ids = {mark: loaded.token_to_id(mark) for mark in marks}
    missing = [mark for mark, i in ids.items() if i is None]
    if missing:
        raise SystemExit(f"{what}: the tokenizer of {folder.name} lacks {', '.join(missing)}: it was not made for filling in the middle")
    largest = loaded.get_vocab_size() - 1
    if max(largest, *ids.values()) >= vocab_size:
        raise SystemExit(f"{what}: the tokenizer of {folder.name} has ids up to {max(largest, *ids.values())}, its config.json a vocab_size of {vocab_size}")
    return loaded, ids


def licence_of(folder: Path) -> str:
    """What the folder says: the model card's `license`, else the first line of its licence file."""
    card = folder / "README.md"
    head = re.match(r"---\n(.*?)\n---", card.read_text(errors="replace"), re.S) if card.exists() else None
    fields = dict(re.findall(r"^(license|license_name):\s*(\S+)\s*$", head[1], re.M)) if head else {}
    if fields:
        return fields.get("license_name") or fields["license"]
    file = licence_file(folder)
    lines = [line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()] if file else []
    return lines[0] if lines else f"not stated in the folder {folder.name}"


def licence_file(folder: Path) -> Path | None:
    return next((path for path in sorted(folder.iterdir()) if re.fullmatch(r"(LICEN[CS]E|COPYING)(\.(txt|md))?", path.name, re.I)), None)
