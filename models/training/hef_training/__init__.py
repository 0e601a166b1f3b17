"""Training of HEF model bundles: corpus, tokenizer, models, export.

Guarantees: every step is deterministic for a given seed and corpus (up to time boxes), resumable, and writes only below the
work folder and the bundle folder it is told. Deliberately absent: any download; snapshots and weights are given as paths.
"""
