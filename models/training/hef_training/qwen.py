"""Step `qwen`: HEF on published weights in local folders: Qwen2.5-Coder as generator, Qwen3-Embedding as embedder, a smaller
Qwen2.5-Coder as the fuser's body. Nothing is downloaded.

Two stages, each time-boxed and resumed from its checkpoint: `qwen-fuser` (contrastive, as the step `fuser`), then `qwen`, which
trains the projector and, by `regime`, nothing of the generator (`projector`, the cheap start), low-rank adapters (`lora`) or all
of it (`full`); `end_to_end` adds the fuser. The embedder stays frozen. On CUDA in bf16, else in fp32 on the CPU.

The prompt is this package's: `<|fim_prefix|><|fim_suffix|>suffix<|fim_middle|>prefix`, the SPM form of fill-in-the-middle, so that
typing appends to the KV cache. Qwen2.5-Coder was trained on prefix-suffix-middle: `lora` and `full` learn the form, `projector`
has to live with what the model makes of it, or keeps the published order with `layout: { order: psm }`. Entities stand behind `<|repo_name|>`, snippets behind `<|file_sep|>`.

Deliberately lacks: LlavaCode's projector for such bundles, and graphs of more than 2 GB (a generator of
1.5 B parameters fits in `int8` or `int4`, not in `fp32`).
"""
from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn
from transformers import Qwen2ForCausalLM, Qwen2Model, Qwen3Model

from . import attention, end_to_end, generator, hef, lm, lora, nodes, tokenizer  # noqa: F401  (attention registers the kernel)
from .config import ModelConfig, Places, Recipe
from .data import IGNORE, by_length, pad, training_repositories
from .embedder import PASSAGE, QUERY
from .export import Models
from .fuser import Fuser
from .fuser_train import batch as contrastive_batch
from .fuser_train import Source, pick, source
from .hef_data import Drawing, Example, Repo
from .layout import Layout, Specials
from .loop import Trainer
from .onnx_models import head_dim
from .pairs import Chunks, held_out_names, repositories, training_names
from .projector import Projector
from .tokens import tokenised

MARKS = {"eot": "<|endoftext|>", "fim_prefix": "<|fim_prefix|>", "fim_suffix": "<|fim_suffix|>", "fim_middle": "<|fim_middle|>",
         "entities": "<|repo_name|>", "snippet": "<|file_sep|>"}
STOPS = ("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>")
EMBEDDER_TOKENS = 512
MICRO_TOKENS = 8_000


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(where: torch.device) -> torch.autocast:
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda")


def folder(places: Places, name: str) -> Path:
    if not places.weights:
        raise SystemExit("qwen: give --weights, the folder that holds the folders of published weights")
    if not (places.weights / name / "config.json").exists():
        raise SystemExit(f"qwen: {name} with its config.json and weights is not in the folder given as --weights")
    return places.weights / name


def read(cls: type, path: Path, where: torch.device):
    """Frozen weights of a folder; bf16 on CUDA, fp32 on the CPU."""
    on_gpu = where.type == "cuda"
    model = cls.from_pretrained(path, dtype=torch.bfloat16 if on_gpu else torch.float32, local_files_only=True,
                                attn_implementation="sdpa" if on_gpu else "hef_causal")
    model.config.use_cache = False
    return model.to(where).eval().requires_grad_(False)


def size_of(config, positions: int) -> ModelConfig:
    return ModelConfig(config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.num_key_value_heads, head_dim(config),
                       config.intermediate_size, min(positions, config.max_position_embeddings), config.rope_parameters["rope_theta"])


def specials_of(loaded: Tokenizer) -> Specials:
    ids = {name: loaded.token_to_id(mark) for name, mark in MARKS.items()}
    missing = [MARKS[name] for name, i in ids.items() if i is None]
    if missing:
        raise SystemExit(f"qwen: the generator's tokenizer lacks {missing}")
    return Specials(**ids)


def check_tokenizers(a: Path, b: Path) -> None:
    """A bundle has one tokenizer: both models must give every text the same ids."""
    first, second = (json.loads((path / "tokenizer.json").read_text())["model"] for path in (a, b))
    if any(first[key] != second[key] for key in ("vocab", "merges")):
        raise SystemExit(f"qwen: {a.name} and {b.name} have different vocabularies; one tokenizer must serve both")


class QwenEmbedder(nn.Module):
    """Qwen3-Embedding: last-token pooling at an appended <|endoftext|>, L2 norm 1; queries carry an instruction."""

    def __init__(self, model: Qwen3Model, end: int, prefix: list[int]) -> None:
        super().__init__()
        self.model, self.end, self.prefix = model, end, prefix

    @torch.no_grad()
    def embed(self, rows: list, kind: int = PASSAGE) -> torch.Tensor:
        """Token rows without the end token -> [n, d] f32 in their order, on the CPU; 512 of them count, beside the instruction."""
        texts = [[*self.prefix, *row[-EMBEDDER_TOKENS:], self.end] if kind == QUERY else [*row[:EMBEDDER_TOKENS], self.end] for row in rows]
        out = torch.zeros(len(rows), self.model.config.hidden_size)
        for batch in by_length(list(range(len(rows))), lambda i: len(texts[i]), MICRO_TOKENS):
            ids = pad([texts[i] for i in batch], self.end).to(self.model.device)
            hidden = self.model(input_ids=ids, use_cache=False).last_hidden_state
            last = torch.tensor([len(texts[i]) - 1 for i in batch], device=ids.device)
            out[batch] = F.normalize(hidden[torch.arange(len(batch), device=ids.device), last].float(), dim=-1).cpu()
        return out


class QwenModels(Models):
    """The models of a recipe with published weights; with stages in the work folder, what those trained. Sets the recipe's sizes."""

    required = frozenset({"qwen-fuser", "qwen"})

    def __init__(self, recipe: Recipe, places: Places, where: torch.device = torch.device("cpu"), merged: bool = True) -> None:
        torch.manual_seed(recipe.qwen.seed)
        names, self.recipe, self.trained, self.llavacode = recipe.qwen, recipe, {}, None
        self.base = {kind: getattr(names, kind) for kind in ("generator", "embedder", "fuser")}
        check_tokenizers(folder(places, names.generator), folder(places, names.embedder))
        self.generator = read(Qwen2ForCausalLM, folder(places, names.generator), where)
        encoder = read(Qwen3Model, folder(places, names.embedder), where)
        body = read(Qwen2Model, folder(places, names.fuser), where).float()
        body.embed_tokens = nn.Embedding(1, body.config.hidden_size)
        recipe.generator = size_of(self.generator.config, recipe.generator.max_positions)
        recipe.embedder, recipe.fuser = size_of(encoder.config, EMBEDDER_TOKENS + 1), size_of(body.config, 64)
        recipe.tokenizer.vocab_size = self.generator.config.vocab_size
        loaded = tokenizer.load(places)
        self.specials = specials_of(loaded)
        self.layout = Layout(recipe.layout, loaded, self.specials)
        self.stop_tokens = tuple(i for i in map(loaded.token_to_id, STOPS) if i is not None)
        before = self.layout.encode(f"Instruct: {names.instruction}\nQuery:") if names.instruction else []
        self.query = {"before": before, "append": [self.specials.eot]}
        self.embedder = QwenEmbedder(encoder, self.specials.eot, before)
        self.fuser = Fuser(recipe.fuser, recipe.embedder.hidden, body)
        self.projector = Projector(recipe.embedder.hidden, recipe.hef.projector_hidden, recipe.generator.hidden)
        self.load(places, "qwen-fuser", self.fuser)
        self.adapters = lora.attach(self.generator.model, names.rank, names.alpha) if names.regime == "lora" else None
        for model in (self.generator, self.fuser, self.projector):
            model.to(where).eval()
        self.load(places, "qwen", self.trainable())
        if merged:
            lora.merge(self.generator)
            for model in (self.generator, self.embedder, self.fuser, self.projector):
                model.requires_grad_(False)

    def trainable(self) -> nn.ModuleDict:
        """What the stage `qwen` trains, by the recipe's regime."""
        config = self.recipe.qwen
        parts: dict[str, nn.Module] = {"projector": self.projector}
        if config.regime == "lora":
            parts["adapters"] = self.adapters
        elif config.regime == "full":
            parts["generator"] = self.generator
        elif config.regime != "projector":
            raise SystemExit(f"qwen: regime is one of projector, lora, full, not {config.regime}")
        if config.end_to_end:
            parts["fuser"] = self.fuser
        return nn.ModuleDict(parts)


def chunk_vectors(models: QwenModels, places: Places, chunks: Chunks) -> torch.Tensor:
    """[n, d] of all chunks, memoised below the work folder."""
    cache = places.stage("vectors") / f"{chunks.name}-{models.recipe.qwen.embedder}-{len(chunks.flat)}.pt"
    if not cache.exists():
        (files,) = tokenised([chunks], models.layout, places)
        torch.save(models.embedder.embed([files.slice(f, *chunks.files[f].spans[c]) for f, c in chunks.flat]).half(), cache)
    return torch.load(cache, weights_only=True).float()


def train_fuser(models: QwenModels, places: Places, data: list[Source], where: torch.device) -> None:
    """Contrastive pre-training (fuser_train.py); the fuser ends with its averaged weights."""
    config = models.recipe.fuser_train
    models.fuser.requires_grad_(True)
    trainer = Trainer(models.fuser, config, places.stage("qwen-fuser"))
    rng = random.Random(config.seed + trainer.step)
    on_device = [dataclasses.replace(each, vectors=each.vectors.to(where)) for each in data if each.rows]

    def step() -> tuple[dict[str, float], int]:
        with autocast(where):
            value, first = contrastive_batch(models.fuser, rng, on_device, config.batch, config.temperature)
        value.backward()
        return {"loss": value.item(), "first": first.item()}, config.batch

    trainer.run(step)
    models.fuser.load_state_dict(trainer.average)
    models.fuser.requires_grad_(models.recipe.qwen.end_to_end)


def repos_of(models: QwenModels, places: Places, chosen: list[Chunks]) -> list[Repo]:
    mean = lambda children, counts: F.normalize(children.sum(1), dim=-1)  # noqa: E731  (the fuser's own vectors follow)
    files = tokenised(chosen, models.layout, places)
    repos = [Repo(c, nodes.build(c, chunk_vectors(models, places, c), mean), f) for c, f in zip(chosen, files)]
    end_to_end.refresh([repo.table for repo in repos], models.fuser)
    return repos


def loss(models: QwenModels, vectors: torch.Tensor | None, tensors: tuple[torch.Tensor, ...], where: torch.device):
    """(sum of weighted nats, sum of weights) of (ids, targets, weights) behind the pseudo-tokens of `vectors`."""
    ids, targets, weights = (part.to(where) for part in tensors)
    with autocast(where):
        embeds = models.generator.model.embed_tokens(ids)
        if vectors is not None:
            embeds = torch.cat([models.projector(vectors.to(where)).to(embeds.dtype), embeds], 1)
        hidden = generator.hidden_states(models.generator, embeds=embeds)[:, -ids.shape[1] :]
        return generator.loss(models.generator, hidden, targets, weights * (targets != IGNORE))


@torch.no_grad()
def measure(models: QwenModels, tables: list[nodes.NodeTable], held: list[Example], where: torch.device) -> dict[str, float]:
    """Loss on the text of the held-out middles (nats a token, without the end): with nodes, without, with another repository's."""
    sums, count = {"hef": 0.0, "none": 0.0, "wrong": 0.0}, 0.0
    for batch in by_length(held, length, MICRO_TOKENS):
        ids, targets, weights = hef.tensors(batch, 0.0)
        text = ids, targets, weights * (targets != models.layout.specials.eot)
        own = [(e.repo, e.nodes) for e in batch]
        other = [((r + 1) % len(tables), n % len(tables[(r + 1) % len(tables)].level)) for r, n in own]
        for name, rows in (("hef", own), ("none", None), ("wrong", other)):
            value, n = loss(models, end_to_end.cached(tables, rows) if rows else None, text, where)
            sums[name] += value.item()
        count += float(n)
    return {f"held_out_{name}": value / count for name, value in sums.items()}


def length(example: Example) -> int:
    return len(example.prompt.context) + len(example.prompt.body) + len(example.nodes)


def run(recipe: Recipe, places: Places, minutes: float | None) -> None:
    config, where = recipe.qwen, device()
    models = QwenModels(recipe, places, where, merged=False)
    chosen = pick(repositories(places, training_names(places)), config.chunks)
    train_fuser(models, places, [source(c, chunk_vectors(models, places, c)) for c in chosen], where)
    repos = repos_of(models, places, chosen)
    held_repos = repos_of(models, places, sorted(repositories(places, held_out_names(places)), key=lambda c: len(c.flat))[:5])
    tables, held_tables = [r.table for r in repos], [r.table for r in held_repos]
    parts = models.trainable().requires_grad_(True)
    trainer = Trainer(parts, config, places.stage("qwen"), minutes)
    if trainer.step == 0:
        table = models.generator.model.embed_tokens.weight.float().cpu()
        sample = min(4_000, 4 * sum(len(c.flat) for c in chosen))
        models.projector.cpu().start_linear(*hef.bag_map(table, models.layout, repos, sample))
        models.projector.to(where)
        trainer.restart_average()
    seed = config.seed + trainer.step
    held = []
    if held_repos:
        drawn = Drawing(held_repos, models.layout, models.embedder, dataclasses.replace(recipe.hef, oracle=0.0), 3)
        held = [drawn.next() for _ in range(config.held_out)]
    plain = lm.Examples(training_repositories(places), models.layout, recipe.lm, seed + 1000)
    bare = 0.0 if config.regime == "projector" else recipe.hef.bare  # examples without nodes have nothing to say about the projector
    settings = dataclasses.replace(recipe.hef, tokens_per_step=config.tokens_per_step, bare=bare)
    mixture = hef.Mixture(settings, Drawing(repos, models.layout, models.embedder, settings, seed), plain, recipe.layout.pseudo, seed)
    print(f"qwen: {sum(p.numel() for p in parts.parameters()) / 1e6:.2f} M trainable parameters, {len(repos)} repositories", flush=True)

    def vectors_of(batch: list[Example]) -> torch.Tensor:
        rows = [(e.repo, e.nodes) for e in batch]
        return end_to_end.stacked(tables, rows, models.fuser) if config.end_to_end else end_to_end.cached(tables, rows)

    def step() -> tuple[dict[str, float], int]:
        if config.end_to_end and trainer.step % config.refresh_every == config.refresh_every - 1:
            end_to_end.refresh(tables + held_tables, models.fuser)
        batches, without = mixture.step()
        work = [(b, hef.tensors(b, settings.before_weight)) for b in batches]
        if config.regime != "projector":  # nor have prompts without
            work += [(None, (ids, targets, torch.full(targets.shape, settings.before_weight))) for ids, targets in without]
        whole = sum((weights * (targets != IGNORE)).sum() for _, (_, targets, weights) in work)
        total = 0.0
        for batch, tensors in work:
            value, _ = loss(models, vectors_of(batch) if batch else None, tensors, where)
            (value / whole).backward()
            total += value.item()
        return {"loss": total / whole.item()}, sum(tensors[0].numel() for _, tensors in work)

    trainer.run(step, (lambda: measure(models, held_tables, held, where)) if held else None)
