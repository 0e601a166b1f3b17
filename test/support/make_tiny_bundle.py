"""Writes test/fixtures/tiny-bundle: a whole bundle of random weights, small enough to be copied and damaged by tests, and beside
it tiny-tokenizer-golden.json: the ids that the reference tokenizer gives for texts that are hard to tokenise.

    PYTHONPATH=models/training python test/support/make_tiny_bundle.py

The training package's own exporter writes it, so its graphs have the operators and signatures of a real bundle.
"""
import json
import shutil
import tempfile
from pathlib import Path

import onnx
import torch
from hef_training import export, goldens, tokenizer
from hef_training.config import ExportConfig, HefConfig, LayoutConfig, ModelConfig, Places, Recipe, TokenizerConfig
from tokenizers import Tokenizer, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bundle"
SIZE = dict(layers=2, hidden=32, heads=4, kv_heads=2, head_dim=16, ff=64, max_positions=640)
TEXTS = [*goldens.TEXTS, goldens.SUFFIX, "export const value = (name: string): number => name.length + 1;\n", "def total(self, items):\n    return sum(items)\n"]
# Initial weights are so small that all logits are nearly equal; larger ones make greedy choices clear.
SCALE = 4.0
HARD_TEXTS = [
    *TEXTS,
    "",
    "\ufeffimport x\r\n\r\n\tif (a) {\r\n\t\t  return \u00a0y;\r\n\t}\r\n",
    "<|fim_middle|>const stop = '<|endoftext|>'; // <|pad|><|fim_prefix|",
    "XMLHTTPRequest camelCaseName snake_case_name SCREAMING_CASE __dunder__ ÄÖÜber straße ΑΒΓαβγ Ǆǅǆ",
    "0 12 123 1234 1234567 0xFF 1_000_000 ٣٤٥ ½ ²",
    "e\u0301 \U0001f469\u200d\U0001f4bb \u2028\u2029\u0085 \x00\x01\x7f",
    "x=[[[{}]]]!==>>>=?.??=...&&||@@##$$%%^^~~``\\\\",
    "    " * 40 + "\n" + "\t" * 33 + "\n\n\n   \n \t \n",
    "a" * 300 + "=" * 300 + "日" * 50,
]


def golden(folder: Path) -> list[dict]:
    """Texts with their ids; special tokens are taken out, since none may come from a text."""
    document = json.loads((folder / "tokenizer.json").read_text())
    reference = Tokenizer.from_str(json.dumps({**document, "added_tokens": []}))
    return [{"text": text, "ids": reference.encode(text, add_special_tokens=False).ids} for text in HARD_TEXTS]


RECIPE = Recipe(
    tokenizer=TokenizerConfig(vocab_size=384),
    layout=LayoutConfig(pseudo=8, snippets=32, entities=16, suffix=32, prefix=256),
    generator=ModelConfig(**SIZE),
    embedder=ModelConfig(**{**SIZE, "layers": 1}),
    fuser=ModelConfig(**{**SIZE, "layers": 1}),
    hef=HefConfig(projector_hidden=32),
    # An fp32 generator gives the same logits however a prompt is cut and on every device; 8-bit ones round.
    export=ExportConfig(name="tiny", description="Random weights for tests.", generator_precision="fp32"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder))
        tokens = tokenizer.new_tokenizer()
        trainer = trainers.BpeTrainer(
            vocab_size=RECIPE.tokenizer.vocab_size, special_tokens=list(tokenizer.SPECIALS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        )
        tokens.train_from_iterator(TEXTS * 3, trainer)
        tokens.save(str(places.tokenizer))
        models = export.Models(RECIPE, places)
        with torch.no_grad():
            for model in (models.generator, models.embedder):
                for parameter in model.parameters():
                    if parameter.dim() == 2:
                        parameter.mul_(SCALE)
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir(parents=True)
        for name, model in export.graphs(models).items():
            onnx.save(model, str(OUT / name))
        shutil.copy(places.tokenizer, OUT / "tokenizer.json")
        (OUT / "goldens.json").write_text(json.dumps(goldens.make(models, places, OUT)) + "\n")
        files = {path.name: export.digest(path) for path in sorted(OUT.iterdir())}
        document = export.manifest(models, files, trained={"untrained": True}, confidence={})
        (OUT / "manifest.json").write_text(json.dumps(document, indent=2) + "\n")
        (OUT.parent / "tiny-tokenizer-golden.json").write_text(json.dumps(golden(OUT), indent=1) + "\n")


main()
