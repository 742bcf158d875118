"""``condensery experts``: train networks on real images, whose ways several runs of mtt share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from condensery.cli.condense import add_changes, add_source
from condensery.cli.parser import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, recipe, machine."""
    add_source(parser)
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="folder of the experts; what it holds already is not trained again",
    )
    recipe = parser.add_argument_group("recipe (as of the runs that shall use them)")
    recipe.add_argument(
        "--ipc", metavar="N", type=at_least(1), default=10, help="of the longest run (default 10)"
    )
    add_changes(
        recipe, keys="change one key of the recipe, such as schedule.training.lr=0.01; repeatable"
    )
    recipe.add_argument(
        "--trajectories", metavar="N", type=at_least(1), help="experts, if not as the recipe says"
    )
    recipe.add_argument(
        "--epochs", metavar="N", type=at_least(1), help="of each, if not as the recipe needs"
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1")
    machine.add_argument("--threads", metavar="N", type=at_least(1), help="CPU threads of torch")


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing; say how runs use it."""
    from condensery import api
    from condensery.cli import work
    from condensery.cli.files import check_writable, existing_ancestor
    from condensery.cli.preflight import check_device, use_threads
    from condensery.cli.training import train
    from condensery.errors import ConfigError

    folder: Path = arguments.out
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder}: is a file, but experts are kept in a folder.")
    check_writable(existing_ancestor(folder), given=folder)
    use_threads(arguments.threads)
    check_device(arguments.device)
    data = work.source_of(arguments, arguments.data).load()
    order = api.train_experts(
        data,
        folder,
        ipc=arguments.ipc,
        preset=arguments.preset,
        network=arguments.network,
        settings=dict(arguments.set),
        experts=arguments.trajectories,
        epochs=arguments.epochs,
        device=arguments.device,
    )
    work.introduce(data)
    try:
        train(order)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Every epoch that was finished is kept: give the same command to go on."
        ) from None
    print(f"{order.experts} experts of {order.epochs} epochs: {folder}")
    print(f"Use them with --method mtt --set schedule.buffer={folder.absolute()}", file=sys.stderr)
    return 0
