"""``condensery experts``: train networks on real images for several runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import (
    add_machine,
    add_pool,
    add_recipe_changes,
    add_source,
    data_source,
    pool,
    values,
)
from condensery.cli.parser import at_least
from condensery.launch import process_count, process_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of data, recipe and machine."""
    add_source(parser)
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="folder of the experts (default: the cache, where runs look by themselves); what is "
        "there already is not trained again",
    )
    recipe = parser.add_argument_group("recipe (as of the runs that shall use them)")
    recipe.add_argument(
        "--ipc", metavar="N", type=at_least(1), default=10, help="of the longest run (default 10)"
    )
    add_recipe_changes(
        recipe, keys="change one key of the recipe, such as schedule.training.lr=0.01; repeatable"
    )
    recipe.add_argument(
        "--trajectories", metavar="N", type=at_least(1), help="experts, if not as the recipe says"
    )
    recipe.add_argument(
        "--epochs", metavar="N", type=at_least(1), help="of each, if not as the recipe needs"
    )
    add_pool(add_machine(parser))


def run(arguments: argparse.Namespace) -> int:
    """Train the missing experts, and say how runs use them."""
    from condensery.api import train_experts
    from condensery.cli.progress import listener
    from condensery.errors import ConfigError
    from condensery.files import check_writable, existing_ancestor
    from condensery.parallel import Processes
    from condensery.runs import Reporter, machine
    from condensery.runs.data_source import describe
    from condensery.runs.experts import train_missing

    folder: Path | None = arguments.out
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--out {folder}: is a file, but experts are stored in a folder.")
        check_writable(existing_ancestor(folder), given=folder)
    index, count = process_index(), process_count()
    reporter = Reporter(listener() if index == 0 else lambda _: None)
    device: str = arguments.device
    if count > 1:
        device = Processes(index=index, count=count).device(device)
    with machine.torch_threads(arguments.threads):
        on = pool(arguments)
        device = machine.device_here(device, on)
        data = data_source(arguments).load()
        experts = train_experts(
            data,
            folder,
            **values(arguments, "ipc", "preset", "network", "epochs"),
            device=device,
            on=on,
            settings=dict(arguments.set),
            experts=arguments.trajectories,
        )
        reporter.notice(describe(data))
        try:
            train_missing(experts, reporter, index=index, count=count)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "Every epoch that was finished is on file: give the same command to go on."
            ) from None
    if index:  # process 0 says it
        return 0
    print(f"{experts.experts} experts of {experts.epochs} epochs: {experts.buffer.folder}")
    if folder is not None:
        reporter.notice(f"Use them with --method mtt --set schedule.buffer={folder.absolute()}")
    return 0
