"""Recipes: typed configuration of every step, read from one YAML file.

A recipe names sizes and hyper-parameters only; places on a machine come from the command line or the environment
(`--work`, `--mirror`, `--benchmarks`), so that a recipe is the same everywhere.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class CorpusConfig:
    """What is exported from the snapshots. Sizes in bytes of UTF-8."""

    extensions: tuple[str, ...] = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".py")
    min_bytes: int = 200
    max_bytes: int = 120_000
    max_line: int = 1_000
    max_mean_line: float = 120.0
    near_duplicate: float = 0.8
    test_share: float = 0.3  # of a repository's test files this share is kept, chosen by hash
    max_repo_bytes: int = 12_000_000


@dataclass
class TokenizerConfig:
    vocab_size: int = 8192
    sample_bytes: int = 40_000_000


@dataclass
class LayoutConfig:
    """Serving prompt, in tokens; `before` ids are counted in each maximum (models/README.md)."""

    pseudo: int = 32
    snippets: int = 512
    entities: int = 64
    suffix: int = 96
    prefix: int = 448
    order: str = "spm"  # or "psm", as most published models were trained: prefix, suffix, middle


@dataclass
class ModelConfig:
    """Size of one transformer; fields as in Hugging Face configs."""

    layers: int = 6
    hidden: int = 192
    heads: int = 3
    kv_heads: int = 1
    head_dim: int = 64
    ff: int = 576
    max_positions: int = 2048
    rope_theta: float = 10_000.0


@dataclass
class TrainConfig:
    """One training stage. `minutes` is the whole budget of the stage, resumes included."""

    minutes: float = 60.0
    tokens_per_step: int = 8_192
    batch: int = 32
    lr: float = 3e-3
    muon_lr: float = 0.02  # 0: AdamW for the matrices too
    weight_decay: float = 0.05
    warmup: int = 40
    warmup_share: float = 0.0  # the rate also rises over this share of the budget
    decay_share: float = 0.4  # last share of the budget over which the rate falls linearly to zero
    clip: float = 1.0
    seed: int = 1
    eval_every: int = 250
    save_every_s: float = 120.0


@dataclass
class LmConfig(TrainConfig):
    no_suffix: float = 0.15
    entities: float = 0.5
    snippets: float = 0.15
    context_loss: float = 0.0
    middle_weight: float = 1.0


@dataclass
class EmbedderTrainConfig(TrainConfig):
    batch: int = 256  # pairs a step
    negatives: int = 512  # further chunks of the same repositories
    lr: float = 1e-3
    muon_lr: float = 0.002
    eval_every: int = 200
    temperature: float = 0.05
    max_query: int = 128
    max_passage: int = 192


@dataclass
class FuserTrainConfig(TrainConfig):
    minutes: float = 4.0
    batch: int = 48
    lr: float = 1e-3
    muon_lr: float = 0.01
    chunks: int = 30_000  # chunks that are embedded for this stage
    queries: int = 80  # cursors of each repository that are embedded
    temperature: float = 0.07


@dataclass
class HefConfig(TrainConfig):
    chunks: int = 300_000  # repositories are taken, those of middle size first, up to this many chunks
    before_weight: float = 0.3  # weight of prefix tokens in the loss; the middle has weight one
    projector_hidden: int = 512
    no_nodes: float = 0.4  # share of the tokens in pre-training prompts without pseudo-tokens, so that `none` stays in distribution
    bare: float = 0.2  # share of the steps whose examples lose their nodes: else nodes say "the middle ends with a line" and little more
    rebuild: float = 0.15  # share of the tokens in chunks that are written out with their own node among others
    oracle: float = 0.4  # share of examples with a chunk that defines a name of the middle put among the nodes
    entities: float = 0.6  # share of examples with entity names
    short_prefix: float = 0.5  # share of examples whose prefix is cut short, so that pseudo-tokens matter
    end_to_end: bool = False  # the fuser learns too; starts from the averaged weights of stage "hef" where there are any
    stage: str = "hef"  # folder of the checkpoint
    refresh_every: int = 100  # end-to-end: steps between two renewals of the cached vectors
    contrast: float = 0.1  # end-to-end: weight of the fuser's contrastive loss, without which searches lose sight of inner nodes
    contrast_batch: int = 24
    uwl_examples: int = 400  # that the step `uwl` reports on
    uwl_threshold: float = 0.0  # keeps examples with sigmoid(UWL) of at least this (HEF: 0.55); 0 keeps all


@dataclass
class LlavaConfig(TrainConfig):
    """LlavaCode: only its projector is trained, against the frozen generator."""

    minutes: float = 10.0
    batch: int = 16  # examples a step
    lr: float = 1e-3
    muon_lr: float = 0.0  # all by AdamW
    weight_decay: float = 0.0
    warmup: int = 1
    warmup_share: float = 0.03
    decay_share: float = 0.97
    eval_every: int = 100
    chunks: int = 12_000  # of the repositories that examples are cut from
    examples: int = 4_000
    snippets: int = 10  # chunks of a prompt, by Jaccard similarity
    cross_entropy: float = 0.9
    reinforce: float = 0.1
    alignment: float = 0.1
    rollout_tokens: int = 50
    rollouts: int = 8  # examples of a step that are written out greedily
    ablation_minutes: float = 0.0  # time box of a second run without the alignment term, for the collapse figure


@dataclass
class SmallConfig:
    """Packed prompts and the pieces in which a GPU trains on them; the stage itself is `lm`."""

    shard_bytes: int = 60_000_000
    epochs: int = 2  # fresh cuts of every stretch of the corpus
    held_out_tokens: int = 200_000
    piece_minutes: float = 9.0
    micro_tokens_gpu: int = 65_536
    micro_tokens_cpu: int = 2_500
    compile: bool = False


@dataclass
class PTuningConfig:
    """One vector per chunk, tuned against the frozen generator (HEF: 250 to 500 steps)."""

    steps: int = 300
    lr: float = 0.02  # falls linearly to zero
    max_tokens: int = 256  # of a chunk that are written out
    micro_tokens: int = 4_000


@dataclass
class QwenConfig(TrainConfig):
    """A bundle from published weights: names of folders below --weights. Without a generator's name it is not one.

    What examples look like is said by `hef`.
    """

    generator: str = ""
    embedder: str = ""
    fuser: str = ""
    regime: str = "lora"  # what is trained of the generator: `projector` (nothing), `lora`, `full`
    end_to_end: bool = False  # trains the fuser as well
    refresh_every: int = 200  # end to end: steps between two renewals of the cached vectors
    rank: int = 16
    alpha: float = 32.0
    lr: float = 2e-5
    muon_lr: float = 0.0  # all by AdamW
    warmup: int = 500
    tokens_per_step: int = 16_000
    chunks: int = 30_000
    held_out: int = 200  # examples of held-out repositories
    instruction: str = "Given code before a cursor, retrieve code of the repository that the next lines use"


@dataclass
class ExportConfig:
    name: str = "hef-nano"
    description: str = ""
    licence: str = "MIT"
    regime: str = "end-to-end"  # which stage's projector and generator: "end-to-end" where it was trained, or "hef" (separate)
    generator_precision: str = "int8"
    embedder_precision: str = "int8"  # "tables" for one layer: fp16 keys and values by token, a fraction of the time
    fuser_precision: str = "fp32"


@dataclass
class Recipe:
    """A whole bundle, from corpus to export."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    generator: ModelConfig = field(default_factory=ModelConfig)
    embedder: ModelConfig = field(default_factory=lambda: ModelConfig(layers=3, kv_heads=3, ff=512))
    fuser: ModelConfig = field(default_factory=lambda: ModelConfig(layers=2, kv_heads=3, ff=512))
    arity: int = 8
    lm: LmConfig = field(default_factory=LmConfig)
    embedder_train: EmbedderTrainConfig = field(default_factory=EmbedderTrainConfig)
    fuser_train: FuserTrainConfig = field(default_factory=FuserTrainConfig)
    hef: HefConfig = field(default_factory=HefConfig)
    end_to_end: HefConfig = field(default_factory=lambda: HefConfig(
        end_to_end=True, stage="end-to-end", minutes=10.0, lr=1e-3, muon_lr=0.007, warmup=20, decay_share=0.9))
    llavacode: LlavaConfig = field(default_factory=LlavaConfig)
    p_tuning: PTuningConfig = field(default_factory=PTuningConfig)
    small: SmallConfig = field(default_factory=SmallConfig)
    qwen: QwenConfig = field(default_factory=QwenConfig)
    export: ExportConfig = field(default_factory=ExportConfig)


def _build(cls: type, data: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown keys {unknown}; known are {sorted(known)}")
    base = cls()
    for name, value in data.items():
        current = getattr(base, name)
        if dataclasses.is_dataclass(current):
            merged = {**dataclasses.asdict(current), **(value or {})}
            value = _build(type(current), merged, f"{where}.{name}")
        elif isinstance(current, tuple):
            value = tuple(value)
        elif isinstance(current, float):
            value = float(value)
        setattr(base, name, value)
    return base


def load_recipe(path: str | Path) -> Recipe:
    """Reads a recipe; an unknown key is a ValueError that names it."""
    return _build(Recipe, yaml.safe_load(Path(path).read_text()) or {}, Path(path).name)


@dataclass
class Places:
    """Folders of this run. Everything large lives below `work`."""

    work: Path
    mirror: Path | None = None
    benchmarks: Path | None = None
    repos: Path | None = None
    weights: Path | None = None
    parts: Path | None = None

    @property
    def corpus(self) -> Path:
        return self.work / "corpus"

    @property
    def tokenizer(self) -> Path:
        return self.work / "tokenizer.json"

    def stage(self, name: str) -> Path:
        folder = self.work / "stages" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
