"""How a run's result is evaluated when the user does not say: one explicit row a preset.

Knows nothing about training; ``docs/methods`` says what each row costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from condensery.cli.parser import at_least, named, one_of, several, whole_numbers
from condensery.registry import names

__all__ = ["EVALUATIONS", "EvaluationPlan", "add_lengths", "chosen_sizes", "evaluation_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """Which networks are trained on a condensed set, and on random real images beside it.

    Attributes:
        sizes: Images per class; ``None`` is ``chosen_sizes``.
        networks: Names of architectures.
        seeds: Networks per size and architecture.
        protocol: Name of the training recipe; ``None`` is the one of the set's method.
        labels: ``"hard"`` or ``"soft"`` instead of the protocol's own, or ``None``.
        epochs: Instead of the protocol's own number, or ``None``.
        steps: Optimiser steps instead of epochs, or ``None``.
        precision: ``"fp32"``, or ``"bf16"`` (faster; the observations say so).
        beside: What else is trained on: names of selection rules, or condensed files.
        classes: Names of the set's classes in the order of its labels, where it only has numbers.
    """

    sizes: tuple[int, ...] | None = None
    networks: tuple[str, ...] = ("convnet3",)
    seeds: int = 3
    protocol: str | None = None
    labels: str | None = None
    epochs: int | None = None
    steps: int | None = None
    precision: str = "fp32"
    beside: tuple[str, ...] = ("random",)
    classes: tuple[str, ...] | None = None


EVALUATIONS: Mapping[str, EvaluationPlan] = {
    "smoke": EvaluationPlan(networks=("convnet3-w16",), seeds=1, steps=10),
    "quick": EvaluationPlan(networks=("convnet3-w64",), seeds=3, steps=200),
    "standard": EvaluationPlan(seeds=3, steps=1000),
    "paper": EvaluationPlan(seeds=3),  # the protocol's own length
}
"""Smoke tests the first, the second and the last size; the others all sizes up to 10."""


def chosen_sizes(largest: int, *, preset: str) -> tuple[int, ...]:
    """The sizes that a preset tests of a set of ``largest`` images per class."""
    if preset == "smoke":
        return tuple(sorted({1, min(2, largest), largest}))
    if largest <= 10:
        return tuple(range(1, largest + 1))
    rounded = [step * 10**power for power in range(len(str(largest))) for step in (1, 2, 5)]
    return (*(size for size in rounded if size < largest), largest)


def add_lengths(parser: argparse._ActionsContainer, *, prefix: str) -> None:
    """The options that say how to evaluate; ``prefix`` is ``"evaluate-"`` or empty."""
    from condensery.evaluation import LABELS
    from condensery.training import PRECISIONS

    text = f"--{prefix}"
    parser.add_argument(
        f"{text}sizes", metavar="1,2,5", type=whole_numbers, dest="test_sizes", help="sizes to test"
    )
    parser.add_argument(
        f"{text}networks",
        metavar="A,B",
        type=several,
        dest="test_networks",
        help="networks to train, such as convnet3,resnet10 or package.module:factory",
    )
    parser.add_argument(
        f"{text}seeds",
        metavar="N",
        type=at_least(1),
        dest="test_seeds",
        help="networks to train per size",
    )
    parser.add_argument(
        f"{text}protocol",
        type=named("protocol"),
        metavar="NAME",
        dest="test_protocol",
        help=f"training recipe: {', '.join(names('protocol'))} (default: that of the set's method)",
    )
    parser.add_argument(
        f"{text}labels",
        type=one_of(LABELS),
        metavar="KIND",
        dest="test_labels",
        help="hard: classes; soft: the labels that the set has learned (default: the protocol's)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        f"{text}epochs",
        metavar="N",
        type=at_least(1),
        dest="test_epochs",
        help="length of a training (dc: 300, most others: 1000)",
    )
    length.add_argument(
        f"{text}steps",
        metavar="N",
        type=at_least(1),
        dest="test_steps",
        help="length of a training, the same number of steps for every size",
    )
    parser.add_argument(
        f"{text}precision",
        type=one_of(PRECISIONS),
        metavar="P",
        dest="test_precision",
        help=f"of training and testing: {', '.join(PRECISIONS)} (default fp32)",
    )
    parser.add_argument(
        f"{text}beside",
        metavar="A,B",
        type=several,
        dest="test_beside",
        help=f"what else to train on: {', '.join(names('selection'))}, condensed files (default "
        "random)",
    )


def evaluation_for(arguments: argparse.Namespace, default: EvaluationPlan) -> EvaluationPlan:
    """The default, changed by the options that were given."""
    length = (default.epochs, default.steps)
    if arguments.test_epochs is not None or arguments.test_steps is not None:
        length = (arguments.test_epochs, arguments.test_steps)
    return EvaluationPlan(
        sizes=arguments.test_sizes or default.sizes,
        networks=arguments.test_networks or default.networks,
        seeds=arguments.test_seeds or default.seeds,
        protocol=arguments.test_protocol or default.protocol,
        labels=arguments.test_labels or default.labels,
        epochs=length[0],
        steps=length[1],
        precision=arguments.test_precision or default.precision,
        beside=arguments.test_beside or default.beside,
        classes=default.classes,
    )
