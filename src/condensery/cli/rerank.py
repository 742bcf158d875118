"""``condensery rerank``: another order of the images of a condensed file, the best ones first."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from condensery.cli.options import add_data, add_machine, data_source
from condensery.cli.parser import at_least, one_of
from condensery.files import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the rule, its training and the output."""
    from condensery.reranking import RULES

    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--by", type=one_of(RULES), default="lbpe", help=f"{', '.join(RULES)} (default lbpe)"
    )
    parser.add_argument(
        "--hard", action="store_true", help="what is hardest to learn comes first, not last"
    )
    training = parser.add_argument_group("training (on the set itself)")
    training.add_argument(
        "--network", default="convnet3", help="by name or package.module:factory (default convnet3)"
    )
    training.add_argument(
        "--networks", metavar="N", type=at_least(1), default=1, help="average scores over N (1)"
    )
    training.add_argument(
        "--epochs", metavar="E", type=at_least(1), default=100, help="its length (default 100)"
    )
    training.add_argument(
        "--best",
        metavar="K",
        type=at_least(1),
        default=10,
        help="lbpe: epochs that count, those with the most right answers (default 10)",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="of every draw (default 0)")
    parser.add_argument(
        "--data",
        metavar="DATA",
        nargs="+",
        help="the data it was condensed from: for herding, and for whitened images",
    )
    add_data(parser)
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Rerank the images, save them, and print a summary."""
    check_new_file(arguments.out, overwrite=arguments.overwrite)

    from condensery.cli.progress import listener
    from condensery.condensed.artifact import CondensedSet
    from condensery.devices import usable
    from condensery.runs import Reporter, machine
    from condensery.runs.reranking import rerank_with_progress

    condensed = CondensedSet.load(arguments.file)
    with machine.torch_threads(arguments.threads):
        arguments.device = usable(arguments.device)
        ordered = rerank_with_progress(
            condensed,
            data_source(arguments).load() if arguments.data else None,
            by=arguments.by,
            first="hard" if arguments.hard else "easy",
            epochs=arguments.epochs,
            best=arguments.best,
            networks=arguments.networks,
            network=arguments.network,
            seed=arguments.seed,
            device=arguments.device,
            reporter=Reporter(listener()),
        )
    ordered = replace(ordered, manifest={**ordered.manifest, "created": machine.now()})
    ordered.save(arguments.out)
    print(f"{arguments.out}: {ordered.sizes} images per class, ordered by {arguments.by}")
    return 0
