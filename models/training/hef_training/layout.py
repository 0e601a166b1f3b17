"""The serving prompt as token ids: one place that both training and goldens use (models/README.md, "Prompt layout")."""
from __future__ import annotations

from dataclasses import dataclass, field

from tokenizers import Tokenizer

from .config import LayoutConfig
from .tokenizer import ENTITIES, EOT, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, SNIPPET

CHARS_PER_TOKEN = 8  # upper bound used to cut texts before tokenising them


@dataclass
class Prompt:
    """Token ids of one example: `context` carries no loss, `body` (prefix, middle and the end) does."""

    context: list[int] = field(default_factory=list)
    body: list[int] = field(default_factory=list)
    loss_from: int = 1  # first index of `body` that is a target


@dataclass(frozen=True)
class Specials:
    """Ids of the marks; the default ones are those of this package's own tokenizer."""

    eot: int = EOT
    fim_prefix: int = FIM_PREFIX
    fim_suffix: int = FIM_SUFFIX
    fim_middle: int = FIM_MIDDLE
    entities: int = ENTITIES
    snippet: int = SNIPPET


class Layout:
    """Builds segments within their maxima; every segment may be missing."""

    def __init__(self, config: LayoutConfig, tokenizer: Tokenizer, specials: Specials = Specials()) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.specials = specials

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def snippets(self, texts: list[str]) -> list[int]:
        return [self.specials.snippet, *self.encode("\n".join(texts))][: self.config.snippets]

    def entities(self, names: list[str]) -> list[int]:
        return [self.specials.entities, *self.encode(" ".join(names))][: self.config.entities]

    @property
    def psm(self) -> bool:
        if self.config.order not in ("spm", "psm"):
            raise SystemExit(f"layout: order is spm or psm, not {self.config.order}")
        return self.config.order == "psm"

    def suffix(self, text: str | None) -> list[int]:
        """`None` and "" both give the marks alone: the file ends here, or nothing is known of what follows."""
        ids = self.encode(text[: CHARS_PER_TOKEN * self.config.suffix]) if text else []
        marks = [self.specials.fim_suffix] if self.psm else [self.specials.fim_prefix, self.specials.fim_suffix]
        return [*marks, *ids][: self.config.suffix]

    def prefix(self, text: str, extra: int = 0) -> list[int]:
        """The last tokens of `text` after the mark; `extra` widens the maximum (for the middle in training)."""
        room = self.config.prefix - 1 + extra
        mark = self.specials.fim_prefix if self.psm else self.specials.fim_middle
        return [mark, *self.encode(text[-CHARS_PER_TOKEN * room:])[-room:]]

    def prompt(self, before: str, suffix: str | None, entities: list[str] | None = None, snippets: list[str] | None = None,
               extra: int = 0, end: bool = True, written: int = 0) -> Prompt:
        """[snippets] [entities] [suffix] [prefix+middle] and EOT if `end`; of order `psm` [snippets] [entities] [prefix] [suffix]
        [middle], the last `written` characters of `before` being the middle (`spm` makes no difference between them)."""
        context = self.snippets(snippets) if snippets else []
        context += self.entities(entities) if entities else []
        if self.psm:
            cut = len(before) - written
            context += self.prefix(before[:cut]) + self.suffix(suffix)
            body = [self.specials.fim_middle, *self.encode(before[cut:])]
        else:
            context += self.suffix(suffix)
            body = self.prefix(before, extra)
        return Prompt(context, body + [self.specials.eot] if end else body)
