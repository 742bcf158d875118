"""``condensery condense``: condense a data set into a run folder, evaluate it, and report."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from condensery.cli.evaluation import EVALUATIONS, add_lengths, chosen_sizes, evaluation_for
from condensery.cli.parser import (
    amount,
    at_least,
    duration,
    named,
    one_of,
    setting,
    several,
    value_range,
)
from condensery.cli.run_folder import RunFolder
from condensery.errors import ConfigError
from condensery.registry import names

__all__ = ["add_arguments", "add_changes", "add_data", "add_source", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, recipe, evaluation, machine."""
    add_source(parser)
    parser.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder to make for the run"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
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
        help=f"{', '.join(names('method'))} (default mdc)",
    )
    recipe.add_argument(
        "--ipc", metavar="N", type=at_least(1), help="images per class (default 10)"
    )
    add_changes(recipe, keys="change one key of the recipe, such as update.lr=0.01; repeatable")
    parser.set_defaults(preset=None)
    recipe.add_argument(
        "--sizes",
        type=named("sizes"),
        help=f"which sizes are matched: {', '.join(names('sizes'))}",
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
    add_lengths(testing, prefix="evaluate-")
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1")
    machine.add_argument("--threads", metavar="N", type=at_least(1), help="CPU threads of torch")
    machine.add_argument(
        "--memory",
        metavar="BYTES",
        type=amount,
        help="bound for feature maps while matching: 300M, 2G (the result stays the same)",
    )


def add_changes(recipe: argparse._ArgumentGroup, *, keys: str) -> None:
    """Which recipe, and what is changed in it; ``keys`` says what ``--set`` reaches."""
    from condensery.methods import PRESETS

    recipe.add_argument(
        "--preset",
        type=one_of(PRESETS),
        default="quick",
        help=f"{', '.join(PRESETS)} (default quick)",
    )
    recipe.add_argument("--network", help="matching network, by name or package.module:factory")
    recipe.add_argument(
        "--set", metavar="KEY=VALUE", type=setting, action="append", default=[], help=keys
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """The data, and how to read it."""
    from condensery.data.known import KNOWN

    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="+",
        help=f"{', '.join(('digits', *KNOWN))}; a folder of images, IDX or Parquet files, a .npz "
        "or .parquet file",
    )
    add_data(parser)


def add_data(
    parser: argparse.ArgumentParser, *, classes: str = "class folders to read, of a folder"
) -> None:
    """How to read the data; ``classes`` is the help of ``--classes``."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data-dir",
        metavar="DIR",
        default=os.environ.get("CONDENSERY_DATA_DIR") or ".",
        help="where data sets that are given by name lie "
        "(default: $CONDENSERY_DATA_DIR, or the current folder)",
    )
    data.add_argument(
        "--download",
        action="store_true",
        help="fetch a data set given by name into --data-dir if it is not there",
    )
    data.add_argument("--test", metavar="DATA", help="where the test split is, if elsewhere")
    data.add_argument("--classes", metavar="A,B", type=several, help=classes)
    data.add_argument(
        "--size", metavar="PIXELS", type=at_least(1), help="bring images to this height and width"
    )
    data.add_argument(
        "--value-range",
        metavar="LOW,HIGH",
        type=value_range,
        help="stored pixel values that become 0 and 255, such as 0,4095 for 12-bit data",
    )
    data.add_argument(
        "--image-memory",
        metavar="BYTES",
        type=amount,
        default=2_000_000_000,
        help="decoded images up to which they are held in memory (default 2G); larger sets are "
        "decoded into a file",
    )
    data.add_argument(
        "--cache-dir", metavar="DIR", help="for such files (default: .condensery beside the data)"
    )
    data.add_argument(
        "--skip-corrupt", action="store_true", help="go on without images that cannot be read"
    )
    data.add_argument("--name", help="name of the data set, if not that of its path")


def _check_recipe(arguments: argparse.Namespace) -> None:
    """Refuse a recipe file together with what it says itself."""
    if arguments.recipe is None:
        return
    for name, key in (("method", "method"), ("preset", "preset"), ("ipc", "ipc")):
        if getattr(arguments, name) is not None:
            raise ConfigError(
                f"--{name} {getattr(arguments, name)}: the recipe {arguments.recipe} says it "
                f"already. Leave --{name} out, or change the recipe (--set {key}=...)."
            )


def run(arguments: argparse.Namespace) -> int:
    """Check everything, then make the folder, then work."""
    _check_recipe(arguments)
    folder = RunFolder(arguments.out)
    folder.check_new(overwrite=arguments.overwrite)

    from condensery import api
    from condensery.cli import work
    from condensery.cli.evaluating import planned
    from condensery.cli.plan import Plan, facts_of_data
    from condensery.cli.preflight import check_device, check_engine, use_threads
    from condensery.cli.progress import note
    from condensery.data.skipped import remarks

    threads = use_threads(arguments.threads)
    check_device(arguments.device)
    source = work.source_of(arguments, arguments.data)
    data = source.load()
    condensation = api.condense(
        data,
        method=arguments.method or "mdc",
        ipc=arguments.ipc or 10,
        preset=arguments.preset or "quick",
        recipe=arguments.recipe,
        sizes=arguments.sizes,
        network=arguments.network,
        settings=dict(arguments.set),
        seed=arguments.seed,
        device=arguments.device,
        memory=arguments.memory,
    )
    recipe = condensation.recipe
    check_engine(recipe, data.train, seed=arguments.seed)
    preset = recipe.preset if recipe.preset in EVALUATIONS else "quick"
    evaluation = evaluation_for(arguments, EVALUATIONS[preset])
    if evaluation.sizes is None:
        sizes = chosen_sizes(recipe.ipc, preset=preset)
        evaluation = replace(evaluation, sizes=sizes)
    if arguments.no_evaluate:
        evaluation = None
    else:  # what is tried is the beginning: it has the shape of the result
        beginning = condensation.so_far(created="")
        planned(beginning, data, evaluation, device=arguments.device)
    plan = Plan(
        source=source,
        data={**facts_of_data(data), **remarks(data.skipped, data.notices)},
        recipe=recipe,
        seed=arguments.seed,
        device=arguments.device,
        threads=threads,
        time_budget=arguments.time_budget,
        patience=arguments.patience,
        evaluation=evaluation,
        created=work.now(),
    )
    with folder.begun(plan.to_json(), overwrite=arguments.overwrite, notice=note):
        work.introduce(data)
        print(f"engine: {recipe.engine} ({recipe.engine_reason})", file=sys.stderr)
        return work.work(folder, plan, data, run=condensation)
