"""The evaluation of the result of a run; every trained network is written immediately."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import is_on_hub
from condensery.data import Data, ImageData
from condensery.errors import ConfigError, nearest
from condensery.evaluation import (
    Evaluation,
    Observation,
    append_observation,
    evaluate,
    read_observations,
)
from condensery.evaluation.summary import same_whole
from condensery.parallel import THREADS, Pool
from condensery.registry import names
from condensery.runs.listener import Reporter
from condensery.selection import FEATURE_NETWORK, rule_of, select, steps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """Which networks are trained on a condensed set and on its baselines.

    Attributes:
        sizes: Images per class; ``None`` is ``chosen_sizes``.
        networks: Names of architectures.
        seeds: Networks per size and architecture.
        protocol: Name of the protocol; ``None`` is that of the method of the set.
        labels: ``"hard"`` or ``"soft"``, instead of the labels of the protocol, or ``None``.
        epochs: Number of epochs, instead of that of the protocol, or ``None``.
        steps: Optimiser steps instead of epochs, or ``None``.
        precision: ``"fp32"``, ``"bf16"`` (faster; the observations say so), or ``"auto"``, which
            takes bf16 on a CPU that multiplies it, and elsewhere fp32 that may be compiled.
        baselines: Sets to compare with: names of selection rules, or condensed files.
        whole: Whether networks are also trained on all real images; a number is that of their
            steps, ``True`` is the usual length.
        classes: Names of the classes of the set in the order of its labels, if it has only
            numbers.
    """

    sizes: tuple[int, ...] | None = None
    networks: tuple[str, ...] = ("convnet3",)
    seeds: int = 3
    protocol: str | None = None
    labels: str | None = None
    epochs: int | None = None
    steps: int | None = None
    precision: str = "auto"
    baselines: tuple[str, ...] = ("random",)
    whole: bool | int = False
    classes: tuple[str, ...] | None = None


EVALUATIONS: Mapping[str, EvaluationPlan] = {
    "smoke": EvaluationPlan(networks=("convnet3-w16",), seeds=1, steps=10),
    "quick": EvaluationPlan(
        networks=("convnet3-w32",), seeds=2, protocol="quick", baselines=("random", "k-means")
    ),
    "standard": EvaluationPlan(seeds=3, steps=1000),
    "paper": EvaluationPlan(seeds=3),  # the protocol's own length
}
"""The evaluation plan of each preset; docs/methods has their costs."""

GivenEvaluation: TypeAlias = EvaluationPlan | Callable[[EvaluationPlan], EvaluationPlan] | None
"""The type of ``evaluation=``: a plan, ``None`` for the usual one, or a function of it."""


def evaluation_of(given: GivenEvaluation, usual: EvaluationPlan) -> EvaluationPlan:
    """The plan for a value of ``evaluation=``."""
    if given is None or isinstance(given, EvaluationPlan):
        return given or usual
    return given(usual)


def chosen_sizes(largest: int, *, preset: str) -> tuple[int, ...]:
    """The sizes that a preset tests for a set of ``largest`` images per class.

    ``smoke`` tests the first, the second and the last size; ``quick`` 1, 2, 5, 10, 20 and so on;
    other presets all sizes up to 10.
    """
    if preset == "smoke":
        return tuple(sorted({1, min(2, largest), largest}))
    if largest <= 10 and preset != "quick":
        return tuple(range(1, largest + 1))
    rounded = [step * 10**power for power in range(len(str(largest))) for step in (1, 2, 5)]
    return (*(size for size in rounded if size < largest), largest)


def planned(
    condensed: CondensedSet, data: Data, evaluation: EvaluationPlan, *, device: str
) -> Evaluation:
    """The planned evaluation without training; raises the errors of ``evaluate``.

    Selections other than random are left out, because a choice may need a training.
    """
    baselines = _baselines(evaluation)
    for word in baselines:
        if isinstance(word, str):
            steps_of(word, data.train)
    sets = [each for each in baselines if each == "random" or not isinstance(each, str)]
    return _evaluation(condensed, data, evaluation, baselines=sets, device=device)


def train_planned(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    device: str,
    path: Path | None,
    reporter: Reporter,
    pool: Pool = THREADS,
) -> list[Observation]:
    """Train the networks without known results.

    Args:
        condensed: The set.
        data: Test images, and training images for baselines.
        evaluation: The evaluation plan.
        device: The device of the training.
        path: File of known observations, to which new ones are appended immediately; ``None``
            stores nothing.
        reporter: Gets a step for every network.
        pool: Where networks are trained; with a cluster, ``device`` is that of this process.

    Returns:
        All observations of the plan, in the order of training.
    """
    known = [] if path is None else read_observations(path)
    largest = condensed.sizes if evaluation.sizes is None else max(evaluation.sizes)
    baselines = _baselines(evaluation)
    for place, each in enumerate(baselines):
        if isinstance(each, str) and each != "random":
            chosen = select_with_progress(
                data.train, by=each, ipc=largest, device=device, reporter=reporter
            )
            # Others choose anew for every size, from features that are in the cache now.
            baselines[place] = chosen if rule_of(each).prefixes else each
    networks = _evaluation(
        condensed, data, evaluation, baselines=baselines, device=device, known=known, pool=pool
    )
    train_networks(networks, path, reporter)
    return list(networks.run())


def train_networks(
    networks: Evaluation,
    path: Path | None,
    reporter: Reporter,
    *,
    named: Callable[[Observation], Observation] = lambda observation: observation,
) -> None:
    """Train the networks of an evaluation without known results."""
    left, total = len(networks), len(networks.planned)
    if not left:
        return
    with reporter.task(
        "evaluate", total=total, done=total - left, unit="network", concurrent=networks.concurrent
    ) as task:
        for observation in map(named, networks):
            if path is not None:
                append_observation(path, observation)
            name = f"accuracy/{observation.set}/{observation.network}, {observation.protocol}"
            reporter.trackers.log(
                {f"{name}, seed {observation.seed}": observation.accuracy},
                axis="size",
                at=observation.size,
            )
            task.step(
                f"{observation.set}, size {observation.size}, {observation.network}, seed "
                f"{observation.seed}: {100 * observation.accuracy:.1f} %"
            )


def select_with_progress(
    data: ImageData,
    *,
    by: str,
    ipc: int,
    reporter: Reporter,
    seed: int = 0,
    network: str = FEATURE_NETWORK,
    train_steps: int | None = None,
    device: str = "cpu",
) -> CondensedSet:
    """``select`` with a report of its training steps; raises the errors of ``select``."""
    steps = steps_of(by, data, train_steps=train_steps)
    choose = partial(
        select,
        data,
        by=by,
        ipc=ipc,
        seed=seed,
        network=network,
        train_steps=train_steps,
        device=device,
    )
    if not steps:
        return choose()
    with reporter.task(f"select by {by}", total=steps) as task:
        return choose(on_step=lambda: task.step("training"))


def merged(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Records of a condensed file, in which new records replace those with the same setting.

    What all images give is kept, and added to the records of other sizes.
    """
    fresh = {_identity(record) for record in new}
    rest = [record for record in old if _identity(record) not in fresh]
    return same_whole(sorted([*rest, *new], key=_identity), known=(*old, *new))


def _identity(record: Mapping[str, Any]) -> tuple[object, ...]:
    length = (record.get("epochs") or 0, record.get("steps") or 0)
    precision = record.get("precision") or "fp32"
    named = (str(record.get("protocol")), *length, precision)
    return (*named, ",".join(record.get("networks") or ()), record["size"])


def _evaluation(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    baselines: Sequence[str | CondensedSet],
    device: str,
    known: Sequence[Observation] = (),
    pool: Pool = THREADS,
) -> Evaluation:
    choices: dict[str, Any] = asdict(evaluation) | {"baselines": baselines, "known": known}
    return evaluate(condensed, data, device=device, on=pool, **choices)


def _baselines(evaluation: EvaluationPlan) -> list[str | CondensedSet]:
    """The baselines: names of rules, and loaded files.

    Raises:
        ConfigError: If a word is neither a rule nor a file.
    """
    sets: list[str | CondensedSet] = []
    for word in evaluation.baselines:
        if word in names("selection"):
            sets.append(word)
        elif is_on_hub(word) or Path(word).exists():
            sets.append(CondensedSet.load(word))
        else:
            raise ConfigError(
                f"--baselines {word}: is no file and no rule of selection; rules are "
                f"{', '.join(names('selection'))}.{nearest(word, names('selection'))}"
            )
    return sets
