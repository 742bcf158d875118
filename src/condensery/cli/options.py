"""Groups of options that several commands share, and their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensery.cli.parser import (
    amount,
    at_least,
    checked,
    named,
    one_of,
    setting,
    several,
    several_or_none,
    value_range,
    whole_numbers,
)
from condensery.registry import names

if TYPE_CHECKING:
    from condensery.parallel import Pool
    from condensery.runs import DataSource, EvaluationPlan


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the data, and how to read it."""
    from condensery.data.known import EMBEDDED, KNOWN

    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="+",
        help=f"{', '.join((*EMBEDDED, *KNOWN))}; a folder of images, IDX or Parquet files, a .npz "
        "or .parquet file",
    )
    add_data(parser)


def add_data(
    parser: argparse.ArgumentParser, *, classes: str = "class folders to read, of a folder"
) -> None:
    """Add how to read the data; ``classes`` is the help text of ``--classes``."""
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
        "--image-size",
        metavar="PIXELS",
        type=at_least(1),
        help="bring images to this height and width",
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
        "decoded into a file of the cache",
    )
    data.add_argument(
        "--skip-corrupt", action="store_true", help="go on without images that cannot be read"
    )
    data.add_argument("--name", help="name of the data set, if not that of its path")


def values(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The values of options by name, for a function of the library with the same names."""
    return {name: getattr(arguments, name) for name in names}


def data_source(arguments: argparse.Namespace) -> DataSource:
    """The data source of ``add_data``, with paths relative to the current folder."""
    from condensery.runs import DataSource

    own = [field.name for field in fields(DataSource) if field.name != "folder"]
    given = values(arguments, *own) | {"data": tuple(arguments.data)}
    return DataSource(**given, folder=str(Path.cwd()))


def add_recipe_changes(recipe: argparse._ArgumentGroup, *, keys: str) -> None:
    """Add the recipe and its changes; ``keys`` says what ``--set`` can change."""
    from condensery.methods import PRESETS

    recipe.add_argument(
        "--preset",
        type=one_of(PRESETS),
        default="quick",
        help=f"{', '.join(PRESETS)} (default quick)",
    )
    recipe.add_argument("--network", help="matching network, by name or package.module:factory")
    add_set(recipe, keys=keys)


def add_set(group: argparse._ActionsContainer, *, keys: str) -> None:
    """Add ``--set``; ``keys`` says what it can change."""
    group.add_argument(
        "--set", metavar="KEY=VALUE", type=setting, action="append", default=[], help=keys
    )


def add_file_out(parser: argparse.ArgumentParser) -> None:
    """Add the file that is written."""
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def add_machine(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the device and the threads; ``commands`` itself sets what ``--deterministic`` asks."""
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="cpu", help="cpu (default), auto, cuda, cuda:1")
    machine.add_argument(
        "--deterministic",
        action="store_true",
        help="on a GPU, compute the same bits each time, which is slower (a CPU always does)",
    )
    machine.add_argument("--threads", metavar="N", type=at_least(1), help="CPU threads of torch")
    return machine


def add_track(group: argparse._ActionsContainer) -> None:
    """Add the trackers."""
    from condensery.runs.tracking import tracker_name

    group.add_argument(
        "--track",
        metavar="NAME[:WHERE]",
        type=checked(tracker_name),
        action="append",
        help="also send numbers and pictures to tensorboard[:FOLDER], wandb[:PROJECT], "
        "mlflow[:EXPERIMENT] or trackio[:PROJECT]; repeatable",
    )


def add_pool(machine: argparse._ArgumentGroup) -> None:
    """Add where independent tasks run."""
    machine.add_argument(
        "--on",
        metavar="WHERE",
        help="ray: train on the Ray cluster of this machine, or a new one of this machine alone; "
        "ray:ADDRESS: on another cluster (default: threads)",
    )
    machine.add_argument(
        "--gpus-per-task",
        metavar="SHARE",
        type=float,
        help="with --on ray and --device cuda: share of a GPU of each task, such as 0.25 (default "
        "1); its memory is not divided",
    )


def pool(arguments: argparse.Namespace) -> Pool:
    """The pool of ``add_pool``, which is not connected yet."""
    from condensery.parallel import pool_of

    given = values(arguments, "device", "threads", "gpus_per_task")
    return pool_of(arguments.on, **given)


def add_evaluation(parser: argparse._ActionsContainer, *, prefix: str) -> None:
    """Add the options of an evaluation; ``prefix`` is ``"evaluate-"`` or empty."""
    from condensery.evaluation import LABELS
    from condensery.training import PRECISIONS

    length = parser.add_mutually_exclusive_group()
    number, protocols, rules = at_least(1), ", ".join(names("protocol")), names("selection")
    kinds: list[tuple[str, str, Callable[[str], object], str]] = [
        ("sizes", "1,2,5", whole_numbers, "sizes to test"),
        (
            "networks",
            "A,B",
            several,
            "to train, such as convnet3, timm:resnet18 or package.module:factory; with its own "
            "learning rate: timm:resnet18@0.01",
        ),
        ("seeds", "N", number, "networks to train per size"),
        (
            "protocol",
            "NAME",
            named("protocol"),
            f"training recipe: {protocols} (default: that of the set's method)",
        ),
        (
            "labels",
            "KIND",
            one_of(LABELS),
            "hard: classes; soft: the labels that the set has learned (default: the protocol's)",
        ),
        ("epochs", "N", number, "length of a training (dc: 300, most others: 1000)"),
        ("steps", "N", number, "length of a training, the same number of steps for every size"),
        (
            "precision",
            "P",
            one_of(("auto", *PRECISIONS)),
            f"of training and testing: {', '.join(PRECISIONS)} (default: bf16 on a CPU that "
            "multiplies it, fp32 elsewhere)",
        ),
        (
            "baselines",
            "A,B",
            several_or_none,
            f"sets to compare with: {', '.join(rules)}, condensed files, or none (default random)",
        ),
    ]
    for name, metavar, kind, text in kinds:
        (length if name in ("epochs", "steps") else parser).add_argument(
            f"--{prefix}{name}", metavar=metavar, type=kind, dest=f"test_{name}", help=text
        )

    parser.add_argument(
        f"--{prefix}whole",
        metavar="STEPS",
        type=number,
        nargs="?",
        const=True,
        dest="test_whole",
        help="train on all real images, too, and show what share of their accuracy every size has "
        "(default length: 20 passes, at least 5,000 steps); kept in the cache for other runs",
    )


def evaluation_for(arguments: argparse.Namespace, default: EvaluationPlan) -> EvaluationPlan:
    """The default plan, changed by the given options."""
    from condensery.runs import EvaluationPlan

    own = [field.name for field in fields(EvaluationPlan) if field.name != "classes"]
    given = {name: getattr(arguments, f"test_{name}") for name in own}
    changed = {name: value for name, value in given.items() if value is not None}
    if {"epochs", "steps"} & changed.keys():  # the other length of the default does not count
        changed = {"epochs": None, "steps": None, **changed}
    return replace(default, **changed)


def add_row_evaluation(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Add the options of evaluation for all rows; ``default`` names what decides otherwise."""
    testing = parser.add_argument_group(f"evaluation (by default as the {default} says)")
    add_evaluation(testing, prefix="evaluate-")
    for action in testing._group_actions:
        if action.dest in ("test_baselines", "test_whole"):  # --methods says it; not possible
            action.help = argparse.SUPPRESS
        if action.dest == "test_sizes":
            action.help = f"sizes of the table (default: as the {default} says)"
        if action.dest == "test_protocol":
            action.help = (
                f"training recipe of all rows: {', '.join(names('protocol'))} (default idc, and "
                "imagenet for images of more than 64 pixels a side)"
            )


def add_seeds(what: argparse._ArgumentGroup) -> None:
    """Add the number of condensations and the first seed."""
    what.add_argument(
        "--condensations",
        metavar="N",
        type=at_least(1),
        default=1,
        help="condense everything from N seeds; ± is then over these (default 1)",
    )
    what.add_argument("--seed", type=at_least(0), default=0, help="the first seed (default 0)")


def rows(text: str) -> tuple[str, ...]:
    """Words separated by commas, each a row of a comparison."""
    from condensery.runs.comparison.rows import compared_row

    return tuple(checked(partial(compared_row, base="idc"))(word).name for word in several(text))
