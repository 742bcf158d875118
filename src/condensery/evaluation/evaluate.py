"""How good a condensed set is: new networks are trained on every size and tested on real images.

Every network has a matched run: the same initialisation and the same recipe on as many random real
images, or on other baselines. One trained network is one observation; averages come last
(``summary``).

Knows nothing about how the set was condensed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from condensery import devices
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, ImageData
from condensery.data.classes import ClassList, match, moved
from condensery.data.known import KNOWN
from condensery.errors import ConfigError, DataError, DataWarning
from condensery.evaluation.expert_labels import same_labels
from condensery.evaluation.kernel import regression_of
from condensery.evaluation.normalisation import (
    check_whitening,
    normalised_as,
    normalised_train,
    train_as,
)
from condensery.evaluation.observation import WHOLE, Observation
from condensery.evaluation.protocol import EvaluatedSet, Protocol
from condensery.evaluation.protocols import protocol_for
from condensery.evaluation.summary import summary, table
from condensery.evaluation.teacher import TrainedTeacher
from condensery.evaluation.trial import Network, SetTrial, Trial, fresh, protocol_of
from condensery.evaluation.trials import Trials
from condensery.evaluation.whole import WholeTrial, whole_protocol
from condensery.parallel import THREADS, Pool, pool_of
from condensery.registry import names
from condensery.selection import random_selection, rule_of, select, steps_of
from condensery.training import check_precision, suited_precision


class Evaluation(Iterator[Observation]):
    """Networks to train and test: one after the other by iteration, or all with ``run()``.

    Each ``next`` trains and tests one network without a known result; ``len`` is the number of
    remaining networks. In compiled bf16, each thread already trains one of the next networks.

    Attributes:
        planned: All trials, including those with known results.
    """

    def __init__(
        self, planned: Sequence[Trial], *, known: Iterable[Observation], pool: Pool = THREADS
    ) -> None:
        self.planned = tuple(planned)
        self._found = {observation.key: observation for observation in known}
        self._trials = Trials(planned, known=self._found.keys(), pool=pool)

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def concurrent(self) -> int:
        """Number of networks that are trained at the same time."""
        return self._trials.concurrent

    def __next__(self) -> Observation:
        observation = next(self._trials)
        self._found[observation.key] = observation
        return observation

    @property
    def protocol(self) -> Protocol:
        """How the networks are trained."""
        return self.planned[0].protocol

    def run(self) -> tuple[Observation, ...]:
        """Train and test every network without a known result, which may take hours.

        Returns:
            The observations of all planned networks, in the order of training.
        """
        for _ in self:
            pass
        return tuple(self._found[trial.key] for trial in self.planned)

    def summary(self) -> list[dict[str, Any]]:
        """Means and deviations of ``run()``, as ``CondensedSet.with_observations`` stores them."""
        return summary(self.run())

    def table(self) -> str:
        """``summary()`` as a Markdown table by size, in percent."""
        return table(self.summary())


def evaluate(
    condensed: CondensedSet,
    data: Data,
    *,
    sizes: Sequence[int] | None = None,
    networks: Sequence[Network] = ("convnet3",),
    seeds: int = 3,
    protocol: str | Protocol | None = None,
    labels: str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    precision: str = "auto",
    baselines: Sequence[str | CondensedSet] = ("random",),
    whole: bool | int = False,
    known: Iterable[Observation] = (),
    classes: Sequence[str] | None = None,
    device: str | None = None,
    on: str | Pool | None = None,
) -> Evaluation:
    """Train and test networks on a condensed set and on baselines, such as random real images.

    Nothing is trained yet: ``evaluate(...).table()`` trains all networks, and ``for observation in
    evaluate(...)`` one after the other. All arguments are checked now. All sizes with the first
    seed come first, so that an interrupted evaluation has results for every size.

    Args:
        condensed: The set to test.
        data: Test images, and training images for baselines.
        sizes: Images per class, each in 1..``condensed.sizes``; ``None`` is every size.
        networks: Names of ``known_networks()``, ``timm:NAME``, ``torchvision:NAME``,
            ``package.module:factory``, or factories. ``NAME@0.001`` is trained with its own
            learning rate instead of that of the protocol.
        seeds: Networks per size and architecture, at least 1, with the seeds ``seed`` to
            ``seed + seeds - 1``. A larger number later keeps the first results.
        protocol: A name, ``"package.module:function"`` or a ``Protocol`` of your own; ``None`` is
            the protocol with which the method of the set was published.
        labels: ``"hard"`` or ``"soft"`` (the learned labels of the set), instead of the labels of
            the protocol.
        epochs: Length of a training, instead of the length of the protocol.
        steps: The same number of optimiser steps for every set and size, instead of epochs.
        seed: The first seed, which also decides the first choice of random images.
        precision: ``"fp32"`` is the reference, in which nothing is compiled; ``"bf16"`` is faster
            if the processor multiplies bfloat16. ``"auto"`` takes it on such a CPU, and float32
            elsewhere. These two are compiled if enough steps are trained, which changes results
            only by rounding. Every observation has the precision that was taken.
        baselines: Sets to compare with, tested by the same protocol: names of selection rules, or
            condensed sets. ``"random"`` makes a new choice for every seed. Other rules choose with
            ``seed``: once, or for every size if a smaller choice is no prefix of a larger one, as
            with k-means. Rules that compare features train a network now.
        whole: Whether the same networks are also trained on all real training images, last of all,
            with their true classes. A number is that of the optimiser steps; ``True`` is 20 passes
            over the images, but at least 5,000 steps (``whole_protocol``). A result is stored in
            the cache folder for all runs on the same data.
        known: Observations that need not be made again; those of other sets are ignored.
        classes: Names of the classes of the set in the order of its labels, for a set that has
            only numbers. Otherwise unused: classes of the set and of the data are matched by name
            in any order.
        device: Where networks are trained and tested, such as ``"cuda"`` or ``"auto"`` (a GPU if
            there is one); None is the device of the test images.
        on: Where networks are trained: ``None`` on threads of this process, ``"ray"`` or
            ``"ray:ADDRESS"`` on a cluster, or a pool (see ``condensery.parallel``).

    Raises:
        ConfigError: If sizes, seeds, network, protocol, labels, lengths or baselines cannot work.
        DataError: If the test images have another shape, other classes or another whitening than
            the set, or it is not certain which class of the data is which class of the set.
    """
    here = data.test.images.device.type
    pool = pool_of(on, device=device or here)
    if pool.device is not None:  # tasks move the images to their device
        device = "cpu"
    if device is not None:
        data = replace(data, test=data.test.to(devices.usable(device)))
    sizes = _checked_sizes(sizes, condensed)
    networks = [networks] if isinstance(networks, str) else list(dict.fromkeys(networks))
    baselines = [baselines] if isinstance(baselines, str | CondensedSet) else list(baselines)
    if not networks:
        raise ConfigError("networks is empty, but a set is tested by training at least 1 network.")
    if seeds < 1:
        raise ConfigError(f"seeds = {seeds}, but at least 1 network is needed per size.")
    compiles = precision != "fp32"
    precision = suited_precision(precision, pool.device or data.test.images.device)
    check_precision(precision)
    devices.check_precision(pool.device or data.test.images.device, precision)
    counted = {"condensed": counted_as(condensed, data, classes=classes)}
    recipe = protocol_for(
        protocol,
        evaluated_set(condensed, data=data.name),
        epochs=epochs,
        steps=steps,
        labels=labels,
    )
    if recipe.regression is not None:
        networks, precision = [recipe.regression.kernel.name], "fp32"  # as good as it gets
        compiles = False
    elif recipe.labels == "soft":
        _check_learned(condensed)
    for network in networks if recipe.regression is None else ():
        # a name that does not exist, or a factory that fails, shows now
        fresh(network, data.test, size=sizes[0], seed=seed)
        protocol_of(network, recipe)
    of_all: list[Trial] = []
    if whole is not False:
        of_all = _whole_trials(
            condensed,
            data,
            networks=networks,
            seeds=range(seed, seed + seeds),
            protocol=whole_protocol(
                recipe, images=len(data.train), steps=None if whole is True else whole
            ),
            precision=precision,
            compiles=compiles,
        )
    for each in baselines:
        if not isinstance(each, str):
            counted[_name_of(each)] = counted_as(each, data, classes=classes)
    data = replace(data, train=train_as(condensed, data))  # baselines are whitened, too
    others = _baselines(baselines, data, sizes=sizes, seed=seed, device=device or here)
    if recipe.labels == "soft" and "relabelled" in condensed.manifest:
        at = str(data.test.images.device)
        taught = partial(_taught_as, condensed, data=data, device=at)
    else:
        taught = _as_it_is
    others = {name: _each_once(taught, of_size) for name, of_size in others.items()}
    tests: dict[str, ImageData] = {}
    teacher = None
    if recipe.teacher is not None:
        teacher = TrainedTeacher(recipe.teacher, normalised_train(condensed, data))
        teacher.untrained()  # one that cannot be built shows now
    planned: list[Trial] = []
    for own in range(seed, seed + seeds):
        sets = {"condensed": dict.fromkeys(sizes, condensed), **others}
        if "random" in baselines:
            chosen = taught(random_selection(data.train, ipc=max(sizes), seed=own))
            sets["random"] = dict.fromkeys(sizes, chosen)
        for name, of_size in sets.items():
            if name not in tests:
                # Under a teacher a network learns the teacher's labels, which are the data's.
                own_order = data if teacher is not None else counted.get(name, data)
                tests[name] = normalised_as(of_size[sizes[0]], own_order)
        planned.extend(
            SetTrial(
                set=name,
                images=of_size[size],
                test=tests[name],
                size=size,
                network=network,
                seed=own,
                protocol=protocol_of(network, recipe),
                precision=precision,
                compiles=compiles,
                teacher=teacher,
            )
            for size in sizes
            for network in networks
            for name, of_size in sets.items()
        )
    return Evaluation([*planned, *of_all], known=known, pool=pool)


def _whole_trials(
    condensed: CondensedSet,
    data: Data,
    *,
    networks: Sequence[Network],
    seeds: Sequence[int],
    protocol: Protocol,
    precision: str,
    compiles: bool,
) -> list[Trial]:
    """The trainings on all images, whose classes are in the order of the data."""
    train, test = normalised_train(condensed, data), normalised_as(condensed, data)
    size = len(train) // train.classes
    return [
        WholeTrial(
            data=train,
            test=test,
            size=size,
            network=network,
            seed=seed,
            protocol=protocol_of(network, protocol),
            precision=precision,
            compiles=compiles,
        )
        for seed in seeds
        for network in networks
    ]


def _taught_as(
    condensed: CondensedSet, images: CondensedSet, *, data: Data, device: str
) -> CondensedSet:
    """A baseline with labels of the experts of the set, unless it has learned labels."""
    if images.soft_labels is not None:
        return images
    return same_labels(condensed, images, data, device=device)


def _each_once(
    make: Callable[[CondensedSet], CondensedSet], of_size: Mapping[int, CondensedSet]
) -> Mapping[int, CondensedSet]:
    """What is made of the set of every size; a set of several sizes is made once."""
    made = {key: make(each) for key, each in {id(x): x for x in of_size.values()}.items()}
    return {size: made[id(each)] for size, each in of_size.items()}


def _as_it_is(images: CondensedSet) -> CondensedSet:
    return images


def evaluated_set(condensed: CondensedSet, *, data: str) -> EvaluatedSet:
    """The facts for a protocol, from a set and the name of its data set."""
    return EvaluatedSet(
        data=data,
        examples_each=condensed.parameterization.examples_each,
        ipc=condensed.sizes,
        method=condensed.method,
        learned_lr=condensed.manifest["learned_lr"],
        regression=regression_of(condensed.manifest["recipe"]),
        classes=condensed.classes,
        side=min(condensed.shape[1:]),
        mean=condensed.mean,
        std=condensed.std,
    )


def _baselines(
    baselines: Sequence[str | CondensedSet],
    data: Data,
    *,
    sizes: Sequence[int],
    seed: int,
    device: str,
) -> Mapping[str, Mapping[int, CondensedSet]]:
    """The images of every size of the baselines, by name.

    Rules choose with the first seed, after all baselines are checked.
    """
    names = [_name_of(each) for each in baselines]
    for name in names:
        if names.count(name) > 1 or name in ("condensed", WHOLE):
            raise ConfigError(
                f"baselines holds two sets called {name!r}, and results are stored by name. Give "
                "each set once."
            )
    for each in baselines:
        if isinstance(each, str):
            steps_of(each, data.train)
        elif each.sizes < max(sizes):
            raise ConfigError(
                f"The baseline {each.name} holds {each.sizes} images per class, but size "
                f"{max(sizes)} is to be tested. Test sizes 1..{each.sizes}, or give a larger "
                "baseline."
            )
    choose = partial(select, data.train, seed=seed, device=device)
    found: dict[str, Mapping[int, CondensedSet]] = {}
    for name, each in zip(names, baselines, strict=True):
        if not isinstance(each, str):
            found[name] = dict.fromkeys(sizes, each)
        elif rule_of(each).prefixes:
            found[name] = dict.fromkeys(sizes, choose(by=each, ipc=max(sizes)))
        else:
            found[name] = {size: choose(by=each, ipc=size) for size in sizes}
    return found


def _name_of(each: str | CondensedSet) -> str:
    """The name of a baseline: its rule if it is a selection, or the name of the set."""
    if isinstance(each, str):
        return each
    return each.method if each.method in names("selection") else each.name


def _check_learned(condensed: CondensedSet) -> None:
    learned = condensed.soft_labels
    if learned is None:
        raise ConfigError(
            "labels = 'soft', but the condensed set has learned no labels. Use labels = 'hard' or "
            "a protocol with hard labels, or give it labels with condensery relabel (relabel)."
        )
    sums = learned.sum(dim=1)
    if float(learned.min()) < 0 or float((sums - 1).abs().max()) > 1e-3:
        raise ConfigError(
            "labels = 'soft', but the learned labels of the set are no class probabilities: they "
            f"go down to {float(learned.min()):.3g} and add up to {float(sums.min()):.3g}.."
            f"{float(sums.max()):.3g} for an image, and cross-entropy needs 0..1 and 1. Use "
            "labels = 'hard'."
        )


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


def counted_as(condensed: CondensedSet, data: Data, *, classes: Sequence[str] | None) -> Data:
    """The data with test labels in the order of the classes of the set.

    Raises:
        DataError: If images or classes of the two differ.
    """
    test = data.test
    ours = condensed.shape
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
    check_whitening(condensed, data)
    origin = condensed.manifest["data"]
    if origin["fingerprint"] == data.train.fingerprint:
        return data  # the very labels that the set was made with
    _check_values(origin, test)
    names = condensed.class_names
    listed = ClassList(title=f"the condensed set {condensed.name!r}", names=names)
    if classes is not None and listed.only_numbers:
        listed = replace(listed, names=tuple(classes))
    ours = replace(listed, numbering=_numbering(origin["name"]))
    theirs = ClassList(title=data.name, names=test.class_names, numbering=_numbering(data.name))
    order = match(ours, theirs)
    if (notice := moved(ours, theirs, order)) is not None:
        warnings.warn(notice, DataWarning, stacklevel=3)
    labels = torch.tensor(order)[test.labels]
    return replace(data, test=replace(test, labels=labels, class_names=names))


def _check_values(origin: Mapping[str, Any], test: ImageData) -> None:
    """Warn if the images of the set and the test images were read with different scales."""
    mine, other = origin.get("value_range"), test.value_range
    if (mine is None and other is None) or list(mine or ()) == list(other or ()):
        return
    used = [
        "the usual scale" if ends is None else f"--value-range {ends[0]:g},{ends[1]:g}"
        for ends in (mine, other)
    ]
    warnings.warn(
        f"The condensed set was made of images that were read with {used[0]}, and the test images "
        f"of {test.name} were read with {used[1]}. If both come from the same kind of file, their "
        "pixels differ in brightness: give the same --value-range (value_range=).",
        DataWarning,
        stacklevel=4,
    )


def _numbering(name: str) -> tuple[str, ...] | None:
    """The classes that numbers mean in a data set with this name, if that is certain."""
    return KNOWN[name].numbering() if name in KNOWN else None


def _words(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{channels} channel{'s' if channels > 1 else ''} of {height} x {width} pixels"
