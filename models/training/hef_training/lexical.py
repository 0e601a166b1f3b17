"""Lexical baselines of retrieval: Jaccard (LlavaCode's retriever) and BM25, over identifiers."""
from __future__ import annotations

import math
from collections import Counter

from .context import IDENTIFIER


class Lexical:
    """Scores of every document for a query; higher is better."""

    def __init__(self, documents: list[str]) -> None:
        self.bags = [Counter(IDENTIFIER.findall(text)) for text in documents]
        self.sets = [set(bag) for bag in self.bags]
        self.lengths = [sum(bag.values()) for bag in self.bags]
        self.mean = sum(self.lengths) / max(1, len(self.lengths))
        frequency: Counter = Counter()
        for words in self.sets:
            frequency.update(words)
        n = len(documents)
        self.idf = {word: math.log(1 + (n - f + 0.5) / (f + 0.5)) for word, f in frequency.items()}

    def jaccard(self, query: str) -> list[float]:
        words = set(IDENTIFIER.findall(query))
        return [len(words & other) / (len(words | other) or 1) for other in self.sets]

    def bm25(self, query: str, k1: float = 1.2, b: float = 0.75) -> list[float]:
        words = set(IDENTIFIER.findall(query))
        out = []
        for bag, mine, length in zip(self.bags, self.sets, self.lengths):
            norm = k1 * (1 - b + b * length / self.mean)
            out.append(sum(self.idf[w] * bag[w] * (k1 + 1) / (bag[w] + norm) for w in words & mine))
        return out


def recall(scores: list[float], wanted: int, allowed: list[bool], k: int) -> bool:
    """Whether `wanted` is among the k best of the allowed documents."""
    best = scores[wanted]
    return sum(1 for score, ok in zip(scores, allowed) if ok and score > best) < k
