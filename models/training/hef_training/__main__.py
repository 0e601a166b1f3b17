"""Command line: `python -m hef_training <step> --recipe recipes/nano.yaml [--work DIR] …`."""
from __future__ import annotations

import argparse
import os
from pathlib import Path

from .config import Places, load_recipe

STEPS = ("corpus", "tokenizer", "grow", "take-up", "lm", "pack", "small", "chunks", "embedder", "fuser", "uwl", "hef", "end-to-end", "llavacode", "qwen",
         "export", "p-tuning", "goldens", "evaluate", "status", "random-bundle", "assemble")
PACKAGE = Path(__file__).resolve().parent.parent


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hef_training", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--recipe", type=Path, default=PACKAGE / "recipes" / "nano.yaml")
    parser.add_argument("--work", type=Path, default=Path(os.environ.get("HEF_TRAINING_WORK", PACKAGE / "work")),
                        help="folder of everything large (default: models/training/work, ignored by git)")
    parser.add_argument("--mirror", type=Path, help="corpus: folder of bare git snapshots, <owner>+<name>[/repo]")
    parser.add_argument("--repos", type=Path, help="corpus: TSV of repositories")
    parser.add_argument("--benchmarks", type=Path, help="folder of held-out repositories, never trained on")
    parser.add_argument("--weights", type=Path, help="qwen recipes: folder that holds the folders of published weights")
    parser.add_argument("--parts", type=Path, help="small: folder of the checkpoint's parts, read where there are some, written at the end")
    parser.add_argument("--folder", type=Path, help="p-tuning: repository whose chunks get vectors of their own")
    parser.add_argument("--vectors", type=Path, help="p-tuning: file to write, for hef-language-server import-vectors")
    parser.add_argument("--smaller", type=Path, help="grow: work folder whose generator the recipe's larger one begins from")
    parser.add_argument("--bundle", type=Path, help="take-up: bundle whose models training goes on from (default: models/hef-nano)")
    parser.add_argument("--minutes", type=float, help="time box of a training step (default: the recipe's)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=1, help="lm and hef: processes that share the threads and exchange gradients")
    parser.add_argument("--server", type=Path, help="chunks and p-tuning: path of hef-language-server.js")
    parser.add_argument("--out", type=Path, help="export, assemble, random-bundle: bundle folder (default: models/<name>; for a random one below --work)")
    parser.add_argument("--precision", choices=("fp32", "int8", "int8-dynamic", "int4"),
                        help="random-bundle, assemble: the generator's (default: the recipe's; of assemble int8)")
    parser.add_argument("--generator", type=Path, help="assemble: folder of published Qwen2 weights, Qwen2.5-Coder for instance")
    parser.add_argument("--embedder", type=Path, help="assemble: folder of Qwen3-Embedding weights (default: the shipped bundle's embedder)")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.step == "assemble":
        assemble(args)
        return
    recipe = load_recipe(args.recipe)
    places = Places(args.work.resolve(), args.mirror, args.benchmarks, args.repos, args.weights, args.parts)
    places.work.mkdir(parents=True, exist_ok=True)
    if args.step == "corpus":
        from . import corpus
        corpus.run(recipe.corpus, places)
    elif args.step == "tokenizer":
        from . import tokenizer
        if recipe.qwen.generator:
            tokenizer.copy(places, recipe.qwen.generator)
        else:
            tokenizer.run(recipe.tokenizer, places)
    else:
        from . import steps
        steps.run(args, recipe, places)


def assemble(args: argparse.Namespace) -> None:
    from . import assemble
    if not args.generator:
        raise SystemExit("assemble: give --generator, a folder of published Qwen2 weights")
    precision = args.precision or "int8"
    if precision not in assemble.PRECISIONS:
        raise SystemExit(f"assemble: --precision is one of {', '.join(assemble.PRECISIONS)}, not {precision}")
    models = PACKAGE.parent
    out = args.out or models / args.generator.resolve().name.lower()
    assemble.run(args.generator, args.embedder, models / "hef-nano", out, precision)


if __name__ == "__main__":
    main()
