"""``condensery condense``: condense a data set into a run folder, evaluate it, and report."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from condensery.cli.options import (
    add_evaluation,
    add_machine,
    add_recipe_changes,
    add_source,
    add_track,
    data_source,
    evaluation_for,
    values,
)
from condensery.cli.parser import amount, at_least, duration, named
from condensery.errors import ConfigError
from condensery.launch import process_index
from condensery.registry import names
from condensery.runs.folder import RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of data, recipe, evaluation and machine."""
    from condensery.methods import USUAL_METHOD

    add_source(parser)
    parser.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder to make for the run"
    )
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    there.add_argument(
        "--resume", action="store_true", help="go on if the folder holds this very run already"
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--recipe",
        metavar="FILE",
        type=Path,
        help="a complete recipe, .json or .toml (condensery recipe writes one), in place of "
        "--method, --preset and --ipc",
    )
    recipe.add_argument(
        "--method",
        type=named("method"),
        help=f"{', '.join(names('method'))} (default {USUAL_METHOD})",
    )
    recipe.add_argument(
        "--ipc", metavar="N", type=at_least(1), help="images per class (default 10)"
    )
    add_recipe_changes(
        recipe, keys="change one key of the recipe, such as update.lr=0.01; repeatable"
    )
    parser.set_defaults(preset=None)
    recipe.add_argument(
        "--size-policy",
        type=named("size_policy"),
        help=f"which sizes are matched: {', '.join(names('size_policy'))}",
    )
    recipe.add_argument("--seed", type=at_least(0), default=0, help="of every draw (default 0)")
    recipe.add_argument(
        "--time-budget",
        metavar="TIME",
        type=duration,
        help="stop condensing after 90s, 10m, 1h and use what was reached",
    )
    recipe.add_argument(
        "--patience",
        metavar="K",
        type=at_least(1),
        help="stop condensing when the sizes have not become better for K measures, of 20 a run",
    )
    testing = parser.add_argument_group("evaluation (by default as the preset says)")
    testing.add_argument("--no-evaluate", action="store_true", help="condense only")
    add_evaluation(testing, prefix="evaluate-")
    add_track(parser)
    add_machine(parser).add_argument(
        "--memory",
        metavar="BYTES",
        type=amount,
        help="bound for feature maps while matching: 300M, 2G (the result stays the same)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Condense, and print the result."""
    _check_recipe(arguments)
    if process_index() == 0 and not arguments.resume:  # before torch is imported
        RunFolder(arguments.out).check_new(overwrite=arguments.overwrite)

    from condensery.cli.progress import listener
    from condensery.methods import USUAL_METHOD
    from condensery.runs import run as condense

    done = condense(
        data_source(arguments),
        arguments.out,
        method=arguments.method or USUAL_METHOD,
        ipc=arguments.ipc or 10,
        preset=arguments.preset or "quick",
        **values(arguments, "recipe", "size_policy", "network", "seed", "device", "threads"),
        **values(arguments, "memory", "time_budget", "patience", "overwrite"),
        settings=dict(arguments.set),
        evaluation=False if arguments.no_evaluate else partial(evaluation_for, arguments),
        go_on=arguments.resume,
        progress=listener(),
        track=arguments.track,
    )
    print(done.summary())
    return 0


def _check_recipe(arguments: argparse.Namespace) -> None:
    """Refuse a recipe file together with options that the file contains."""
    if arguments.recipe is None:
        return
    for name in ("method", "preset", "ipc"):
        if getattr(arguments, name) is not None:
            raise ConfigError(
                f"--{name} {getattr(arguments, name)}: the recipe {arguments.recipe} says it "
                f"already. Leave --{name} out, or change the recipe (--set {name}=...)."
            )
