"""``condensery take``: take a smaller set from a file, by size, bytes, time or accuracy."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import add_file_out
from condensery.cli.parser import amount, at_least, duration, fraction, named
from condensery.errors import ConfigError
from condensery.files import check_new_file
from condensery.registry import names

_ABOUT_TRAINING = ("network", "protocol", "epochs", "steps", "device", "threads")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the size and the output."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--ipc", metavar="N", type=at_least(1), help="images per class")
    how.add_argument(
        "--bytes", metavar="B", type=amount, help="the largest size whose file fits, such as 50k"
    )
    how.add_argument(
        "--seconds",
        metavar="TIME",
        type=duration,
        help="the largest size that trains in this time on this machine, such as 90s or 10m: "
        "some steps are taken and timed",
    )
    how.add_argument(
        "--accuracy",
        metavar="SHARE",
        type=fraction,
        help="the smallest tested size that reaches this share of the accuracy at full size, "
        "such as 0.95; by the table that evaluate wrote into the file",
    )
    add_file_out(parser)
    training = parser.add_argument_group("the training that --seconds and --accuracy speak of")
    training.add_argument(
        "--network", help="by name or package.module:factory (--seconds: default convnet3)"
    )
    training.add_argument(
        "--protocol",
        type=named("protocol"),
        help=f"{', '.join(names('protocol'))} (--seconds: default that of the set's method)",
    )
    length = training.add_mutually_exclusive_group()
    length.add_argument("--epochs", metavar="N", type=at_least(1), help="its length")
    length.add_argument("--steps", metavar="N", type=at_least(1), help="its length, in steps")
    training.add_argument("--device", help="of --seconds: cpu (default), auto, cuda, cuda:1")
    training.add_argument(
        "--threads", metavar="N", type=at_least(1), help="of --seconds: CPU threads of torch"
    )


def run(arguments: argparse.Namespace) -> int:
    """Choose a size, save the smaller set, and print the reason."""
    _check(arguments)
    check_new_file(arguments.out, overwrite=arguments.overwrite)
    from condensery.condensed.artifact import CondensedSet
    from condensery.runs.cutting import cut

    condensed = CondensedSet.load(arguments.file)
    how = ("ipc", "bytes", "seconds", "accuracy", *_ABOUT_TRAINING)
    choices = {name: getattr(arguments, name) for name in how}
    small, why = cut(condensed, **{k: v for k, v in choices.items() if v is not None})
    small.save(arguments.out)
    size = arguments.out.stat().st_size
    if why:
        print(why)
    noun = "image" if small.sizes == 1 else "images"
    print(f"{arguments.out}: {small.sizes} {noun} per class, {len(small)} rows, {size:,} bytes")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse, before reading, options of a training if no training decides the size."""
    given = [name for name in _ABOUT_TRAINING if getattr(arguments, name) is not None]
    machine = [name for name in given if name in ("device", "threads")]
    wrong = machine if arguments.accuracy is not None else given
    if arguments.seconds is None and wrong:
        those = "--seconds" if machine else "--seconds or --accuracy"
        raise ConfigError(
            f"--{wrong[0]} says how a network is trained, but no size is chosen by a training "
            f"here. Leave it out, or choose by {those}."
        )
