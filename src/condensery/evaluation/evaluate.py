"""How good a condensed set is: fresh networks trained on every size, tested on real images.

Beside every network stands its twin: the same start, the same recipe, trained on as many random
real images. One trained network is one observation; averages come last (``summary``).

Knows nothing about how the set was condensed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condensery.artifact import CondensedSet
from condensery.data import Data, ImageData
from condensery.errors import ConfigError, DataError
from condensery.evaluation.observation import Observation
from condensery.evaluation.protocol import Protocol, Subject
from condensery.evaluation.protocols import protocol_for
from condensery.evaluation.selection import random_selection
from condensery.evaluation.summary import summary, table
from condensery.evaluation.trial import Network, Trial, fresh
from condensery.evaluation.trials import Trials
from condensery.training import check_precision

__all__ = ["Evaluation", "evaluate", "observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was observed, one record per trained network."""

    observations: tuple[Observation, ...]

    def summary(self) -> list[dict[str, Any]]:
        """Means and deviations, as ``CondensedSet.with_observations`` keeps them."""
        return summary(self.observations)

    def table(self) -> str:
        """A Markdown table by size, in percent."""
        return table(self.summary())


def evaluate(
    condensed: CondensedSet,
    data: Data,
    *,
    sizes: Sequence[int] | None = None,
    networks: Sequence[Network] = ("convnet3",),
    seeds: int = 3,
    protocol: str | Protocol = "idc",
    epochs: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    precision: str = "fp32",
    known: Iterable[Observation] = (),
) -> Evaluation:
    """Train and test networks on a condensed set, and on random real images beside it.

    Takes and raises what ``observe`` does.

    Returns:
        All that was asked for, known or trained now, in the order of training.
    """
    known = tuple(known)
    trials = observe(
        condensed,
        data,
        sizes=sizes,
        networks=networks,
        seeds=seeds,
        protocol=protocol,
        epochs=epochs,
        steps=steps,
        seed=seed,
        precision=precision,
        known=known,
    )
    found = {observation.key: observation for observation in (*known, *trials)}
    return Evaluation(observations=tuple(found[trial.key] for trial in trials.planned))


def observe(
    condensed: CondensedSet,
    data: Data,
    *,
    sizes: Sequence[int] | None = None,
    networks: Sequence[Network] = ("convnet3",),
    seeds: int = 3,
    protocol: str | Protocol = "idc",
    epochs: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    precision: str = "fp32",
    known: Iterable[Observation] = (),
) -> Trials:
    """Train and test one network after the other; all that is given is checked before the first.

    First come all sizes with the first seed, so an interrupted evaluation has seen every size.

    Args:
        condensed: The set to test.
        data: Test images, and training images to choose random ones from.
        sizes: Images per class, each in 1..``condensed.sizes``; ``None`` is every size.
        networks: Names of ``known_networks()``, ``package.module:factory``, or factories.
        seeds: Networks per size and architecture, at least 1: seeds ``seed`` to
            ``seed + seeds - 1``. Asking for more later keeps the first ones.
        protocol: A name of ``PROTOCOLS`` or a protocol of your own.
        epochs: Length of a training, instead of the protocol's.
        steps: The same number of optimiser steps for every set and size, instead of epochs.
        seed: The first seed. The choice of random images varies with the seed, too.
        precision: ``"fp32"`` is the reference; ``"bf16"`` is faster where the processor
            multiplies bfloat16, and compiled where enough networks are asked for.
        known: Observations that need not be made again; those of other sets are ignored.

    Returns:
        An iterator of the observations not yet known, in order; ``len`` tells how many.

    Raises:
        ConfigError: If sizes, seeds, network, protocol or lengths cannot work.
        DataError: If the test images differ from the set's in shape, classes or whitening.
    """
    sizes = _checked_sizes(sizes, condensed)
    networks = [networks] if isinstance(networks, str) else list(dict.fromkeys(networks))
    if not networks:
        raise ConfigError("networks is empty, but a set is tested by training at least 1 network.")
    if seeds < 1:
        raise ConfigError(f"seeds = {seeds}, but at least 1 network is needed per size.")
    check_precision(precision)
    _check_data(condensed, data.test)
    factor = condensed.manifest["decode"].get("factor", 1)
    subject = Subject(data=data.name, factor=factor, ipc=condensed.sizes)
    recipe = protocol_for(protocol, subject, epochs=epochs, steps=steps)
    for network in networks:  # a name that does not exist, or a factory that fails, shows now
        fresh(network, data.test, size=sizes[0], seed=seed)
    test = _normalised_as(data.test, condensed)
    planned: list[Trial] = []
    for own in range(seed, seed + seeds):
        random = random_selection(data.train, ipc=max(sizes), seed=own)
        sets = {
            "condensed": (condensed, test),
            "random": (random, _normalised_as(data.test, random)),
        }
        planned.extend(
            Trial(
                set=name,
                images=images,
                test=test_images,
                size=size,
                network=network,
                seed=own,
                protocol=recipe,
                precision=precision,
            )
            for size in sizes
            for network in networks
            for name, (images, test_images) in sets.items()
        )
    return Trials(planned, known={observation.key for observation in known})


def _checked_sizes(sizes: Sequence[int] | None, condensed: CondensedSet) -> list[int]:
    largest = condensed.sizes
    if sizes is None:
        return list(range(1, largest + 1))
    if not sizes or any(isinstance(k, bool) or not 1 <= k <= largest for k in sizes):
        raise ConfigError(
            f"sizes = {list(sizes)} but the set stores {largest} images per class. "
            f"Every size must be in 1..{largest}, and at least one is needed."
        )
    return sorted(set(sizes))


def _check_data(condensed: CondensedSet, test: ImageData) -> None:
    if condensed.manifest["zca"] is not None:
        raise DataError(
            "The condensed set was made for ZCA-whitened images, and the test images are not "
            "whitened: accuracies would mean nothing. Evaluate sets condensed without ZCA."
        )
    ours = tuple(condensed.images.shape[1:])
    theirs = (test.channels, *test.side)
    if ours != theirs:
        raise DataError(
            f"The condensed set holds images of {_words(ours)}, the test images of {test.name} "
            f"are {_words(theirs)}. Evaluate on the data that the set was condensed from."
        )
    if condensed.classes != test.classes:
        raise DataError(
            f"The condensed set has {condensed.classes} classes, {test.name} has {test.classes}. "
            "Evaluate on the data that the set was condensed from."
        )
    # Two readers may call the classes differently; the same names in another order are a mistake.
    if condensed.class_names != test.class_names and set(condensed.class_names) == set(
        test.class_names
    ):
        pairs = zip(condensed.class_names, test.class_names, strict=True)
        label, (mine, other) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
        raise DataError(
            f"Label {label} is {mine!r} in the condensed set and {other!r} in {test.name}: "
            "the classes come in another order. Evaluate on data with the order of the set."
        )


def _words(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{channels} channel{'s' if channels > 1 else ''} of {height} x {width} pixels"


def _normalised_as(test: ImageData, condensed: CondensedSet) -> ImageData:
    """The test images with the mean and deviation that the set was made for."""
    return replace(test, mean=tuple(condensed.mean), std=tuple(condensed.std))
