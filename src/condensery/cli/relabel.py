"""``condensery relabel``: soft labels of early-stopped experts for the images of a file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from condensery.cli.options import add_data, add_file_out, add_machine, data_source, values
from condensery.cli.parser import at_least, number
from condensery.files import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the experts and the output."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", required=True, help="the data it was condensed from"
    )
    add_file_out(parser)
    experts = parser.add_argument_group("experts (trained on the real images, kept in the cache)")
    experts.add_argument(
        "--network", default="convnet3", help="by name or package.module:factory (default convnet3)"
    )
    experts.add_argument(
        "--epoch",
        metavar="E",
        type=at_least(1),
        default=10,
        help="epochs of their training; few images want early experts (default 10)",
    )
    experts.add_argument(
        "--experts", metavar="N", type=at_least(1), default=1, help="mean logits of N (default 1)"
    )
    experts.add_argument(
        "--temperature", metavar="T", type=number, default=1.0, help="of the softmax (default 1)"
    )
    experts.add_argument(
        "--lr", metavar="LR", type=number, default=0.01, help="of their training (default 0.01)"
    )
    experts.add_argument("--seed", type=at_least(0), default=0, help="of the experts (default 0)")
    add_data(parser)
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Label the images, save them, and print a summary."""
    check_new_file(arguments.out, overwrite=arguments.overwrite)

    from condensery.cli.progress import listener
    from condensery.condensed.artifact import CondensedSet
    from condensery.devices import usable
    from condensery.evaluation import ExpertLabels
    from condensery.runs import Reporter, machine
    from condensery.runs.relabelling import relabel_with_progress

    labels = ExpertLabels(
        **values(arguments, "network", "epoch", "experts", "temperature", "lr", "seed")
    )
    condensed = CondensedSet.load(arguments.file)
    with machine.torch_threads(arguments.threads):
        device = usable(arguments.device)
        found = relabel_with_progress(
            condensed,
            data_source(arguments).load(),
            labels=labels,
            device=device,
            reporter=Reporter(listener()),
        )
    found = replace(found, manifest={**found.manifest, "created": machine.now()})
    found.save(arguments.out)
    accuracy = 100 * found.manifest["relabelled"]["accuracy"]
    print(
        f"{arguments.out}: {found.sizes} images per class with labels of {labels.network} after "
        f"{labels.epoch} epochs, which classifies {accuracy:.1f} % of the test images"
    )
    return 0
