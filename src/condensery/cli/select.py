"""``condensery select``: choose real images by a rule and write them as a condensed file."""

from __future__ import annotations

import argparse
from dataclasses import replace

from condensery.cli.options import add_file_out, add_machine, add_source, data_source, values
from condensery.cli.parser import at_least, named
from condensery.files import check_new_file
from condensery.registry import names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the data, the rule and the output."""
    from condensery.selection import FEATURE_NETWORK

    add_source(parser)
    parser.add_argument(
        "--by",
        type=named("selection"),
        required=True,
        help=f"the rule: {', '.join(names('selection'))}",
    )
    parser.add_argument(
        "--ipc", metavar="N", type=at_least(1), required=True, help="images per class"
    )
    add_file_out(parser)
    parser.add_argument("--seed", type=at_least(0), default=0, help="of every draw (default 0)")
    training = parser.add_argument_group(
        "training (of the network whose features are compared, or that forgets)"
    )
    training.add_argument(
        "--network",
        default=FEATURE_NETWORK,
        help=f"by name or package.module:factory (default {FEATURE_NETWORK})",
    )
    training.add_argument(
        "--train-steps",
        metavar="N",
        type=at_least(0),
        help="its steps; 0 leaves it random (default 400, rded 1000, forgetting 10 epochs)",
    )
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Choose images and save them."""
    check_new_file(arguments.out, overwrite=arguments.overwrite)

    from condensery.cli.progress import listener
    from condensery.devices import usable
    from condensery.runs import Reporter, machine
    from condensery.runs.evaluation import select_with_progress

    with machine.torch_threads(arguments.threads):
        arguments.device = usable(arguments.device)
        chosen = select_with_progress(
            data_source(arguments).load().train,
            **values(arguments, "by", "ipc", "seed", "network", "train_steps", "device"),
            reporter=Reporter(listener()),
        )
    chosen = replace(chosen, manifest={**chosen.manifest, "created": machine.now()})
    chosen.save(arguments.out)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {chosen.sizes} images per class, {len(chosen)} rows, {size:,} bytes")
    return 0
