"""Step `tokenizer`: byte-level BPE with a split pattern that runs unchanged in Rust and in JavaScript (`u` flag).

A newline starts a token together with the indentation after it, and no token has a newline anywhere but at its start, so
"stop at the end of the line" is "stop before a token that starts with a newline". Words are split at camelCase and snake_case
boundaries, so that the parts of a name have the same ids wherever they stand (Qwen and GPT-4 split at spaces and punctuation only).
"""
from __future__ import annotations

import shutil
from typing import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from .config import Places, TokenizerConfig
from .corpus_filter import hash64
from .corpus_index import files

SPECIALS = (
    "<|pad|>", "<|unk|>", "<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|entities|>", "<|snippet|>",
    *(f"<|reserved_{i}|>" for i in range(8)),
)
PAD, UNK, EOT, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, ENTITIES, SNIPPET = range(8)

SPLIT = (
    r"[\r\n]+[ \t]*"
    r"|[ ._]?(?:\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{L}+)"
    r"|\p{N}{1,3}"
    r"| ?[^ \t\r\n\p{L}\p{N}]+"
    r"|[ \t]+(?![^ \t\r\n])"
    r"|[ \t]+"
)


def new_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sample(places: Places, size: int) -> Iterator[str]:
    """Texts of the corpus in hash order until `size` bytes are reached."""
    total = 0
    for row in sorted(files(places), key=lambda row: hash64(row.repo + row.path)):
        yield row.read(places)
        total += row.bytes
        if total >= size:
            return


def run(config: TokenizerConfig, places: Places) -> None:
    tokenizer = new_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size, special_tokens=list(SPECIALS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(sample(places, config.sample_bytes), trainer)
    assert [tokenizer.token_to_id(token) for token in SPECIALS] == list(range(len(SPECIALS)))
    tokenizer.save(str(places.tokenizer))
    print(f"tokenizer: {tokenizer.get_vocab_size()} tokens at {places.tokenizer}")


def copy(places: Places, name: str) -> None:
    """Takes the tokenizer that lies with published weights."""
    if not places.weights:
        raise SystemExit("tokenizer: give --weights, the folder that holds the folders of published weights")
    shutil.copy(places.weights / name / "tokenizer.json", places.tokenizer)


def load(places: Places) -> Tokenizer:
    return Tokenizer.from_file(str(places.tokenizer))


def newline_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids of the tokens that start a new line."""
    return {i for token, i in tokenizer.get_vocab().items() if token.startswith(("Ċ", "č")) and i >= len(SPECIALS)}
