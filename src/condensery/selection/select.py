"""``select(data, by=..., ipc=...)``: real images chosen by a rule, as a condensed set.

All arguments are checked before a network is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, ImageData
from condensery.devices import computing, usable
from condensery.errors import ConfigError
from condensery.registry import find, register
from condensery.rng import stream
from condensery.selection.first import first_orders
from condensery.selection.forgetting import check_forgetting, forgetting_orders
from condensery.selection.herding import herding
from condensery.selection.k_center import k_center
from condensery.selection.k_means import k_means
from condensery.selection.mosaic import mosaics
from condensery.selection.order import (
    BuiltImages,
    Orders,
    RuleOptions,
    as_condensed,
    as_set,
    check_ipc,
)
from condensery.selection.random import random_orders
from condensery.selection.rded import TEACHER_STEPS, rded
from condensery.selection.training import TRAINING, ClassFeatures, drawn

__all__ = ["FEATURE_NETWORK", "SelectionRule", "random_selection", "rule_of", "select", "steps_of"]

FEATURE_NETWORK = "convnet3-w64"
"""The default network: its choices are as good as those of width 128."""

FEATURE_STEPS = 400
"""Default number of training steps of a network whose features are compared."""

FORGETTING_EPOCHS = 10
"""Default number of epochs in which forgetting is counted."""


def _check_steps(data: ImageData, steps: int) -> None:
    del data
    if steps < 0:
        raise ConfigError(f"train_steps = {steps}, but a network is trained 0 steps or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRule:
    """How images are chosen; a rule has either ``orders`` or ``made``.

    Attributes:
        orders: From the training images to an order of every class.
        made: From the training images to built images, such as mosaics.
        steps: Default number of training steps; ``None`` for a rule without training.
        summary: A summary in one line.
        check: Refuses a number of steps that cannot work, before any training.
        prefixes: Whether the images of a smaller number are the first of those of a larger one. If
            not, a comparison chooses anew for every size; cut, the rule would be a weaker one.
    """

    orders: Callable[[ImageData, RuleOptions], Orders] | None = None
    made: Callable[[ImageData, RuleOptions], BuiltImages] | None = None
    steps: Callable[[ImageData], int] | None = None
    check: Callable[[ImageData, int], None] = _check_steps
    summary: str = ""
    prefixes: bool = True


Choose = Callable[[Tensor, int, torch.Generator], Tensor]
"""From the features ``[image, feature]`` of a class, a number and a random stream to positions."""


def _by_features(choose: Choose) -> Callable[[ImageData, RuleOptions], Orders]:
    """A rule that compares, for each class, features of a network trained on the data."""

    def orders(data: ImageData, options: RuleOptions) -> Orders:
        features = ClassFeatures(data, options)
        found: list[Tensor] = []
        for class_ in range(data.classes):
            own = data.of_class(class_)
            if len(own):
                seen = features(class_)
                rng = stream(options.seed, "selection", "choice", class_)
                own = own[choose(seen, min(options.ipc, len(own)), rng)]
            found.append(own)
        return found

    return orders


def _feature_steps(data: ImageData) -> int:
    del data
    return FEATURE_STEPS


def _forgetting_steps(data: ImageData) -> int:
    return FORGETTING_EPOCHS * -(-len(data) // TRAINING.batch)


register("selection", "random")(
    SelectionRule(orders=random_orders, summary="uniformly at random, without replacement")
)
register("selection", "first")(
    SelectionRule(orders=first_orders, summary="the first images in the order of the data set")
)
register("selection", "herding")(
    SelectionRule(
        orders=_by_features(lambda features, count, rng: herding(features, count=count)),
        steps=_feature_steps,
        summary="images whose mean feature follows the mean of the class",
    )
)
register("selection", "k-center")(
    SelectionRule(
        orders=_by_features(lambda features, count, rng: k_center(features, count=count)),
        steps=_feature_steps,
        summary="images that leave no feature of the class far away",
    )
)
register("selection", "k-means")(
    SelectionRule(
        orders=_by_features(lambda features, count, rng: k_means(features, count=count, rng=rng)),
        steps=_feature_steps,
        summary="the images nearest to the centres of clusters of features",
        prefixes=False,
    )
)
register("selection", "forgetting")(
    SelectionRule(
        orders=forgetting_orders,
        steps=_forgetting_steps,
        check=check_forgetting,
        summary="images that a network forgets most often while it is trained",
    )
)


register("selection", "mosaic")(
    SelectionRule(
        made=mosaics, summary="herded mosaics of four or nine real images, the start of nested"
    )
)
register("selection", "rded")(
    SelectionRule(
        made=rded,
        steps=lambda _: TEACHER_STEPS,
        summary="crops that a trained network finds most like their class",
    )
)


def select(
    data: Data | ImageData,
    *,
    by: str,
    ipc: int,
    seed: int = 0,
    network: str = FEATURE_NETWORK,
    train_steps: int | None = None,
    device: str = "cpu",
    on_step: Callable[[], None] | None = None,
) -> CondensedSet:
    """Choose ``ipc`` real images of every class by a rule.

    The set of size ``k`` has the first ``k`` images of an order. With herding, k-center and
    forgetting, a larger ``ipc`` extends the order; with k-means the order changes.

    Args:
        data: What ``load_data`` returned (its training part is used), or training images.
        by: A name: random, first, herding, k-center, k-means, forgetting, mosaic, rded.
        ipc: Images per class, in 1..the largest class. A smaller class gives all its images.
        seed: Seed of all draws.
        network: The network of the rule: a name, or ``"package.module:factory"``. Not used by
            random and first.
        train_steps: Training steps of the network, as in IDC (batch 64, constant learning rate
            0.01); with 0 the features of an untrained network are compared. The default is 400,
            for rded 1000, and for forgetting 10 epochs.
        device: The device of the training, such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
        on_step: Called after every training step; there are none if the features are in the cache
            (docs/runs.md).

    Returns:
        A condensed set whose ``method`` is ``by``; its recipe has the other choices. The same
        arguments on the same machine give the same set.

    Raises:
        ConfigError: If rule, size, network or number of steps cannot work; before any training.
    """
    train, device = data.train if isinstance(data, Data) else data, usable(device)
    rule, steps = rule_of(by), steps_of(by, train, train_steps=train_steps)
    check_ipc(train, ipc)
    options = RuleOptions(
        ipc=ipc,
        seed=seed,
        network=network,
        steps=steps,
        device=device,
        on_step=on_step or _nothing,
    )
    recipe: dict[str, object] = {}
    if rule.steps is not None:
        drawn(train, options)  # a network that cannot work shows now
        recipe = {"network": network, "train_steps": steps}
    with computing(device, "fp32"):
        if rule.made is not None:
            made = rule.made(train, options)
            made = replace(made, recipe={**recipe, **made.recipe})
            return as_set(train, made, ipc=ipc, method=by, seed=seed)
        assert rule.orders is not None
        orders = rule.orders(train, options)
    return as_condensed(train, orders, ipc=ipc, method=by, recipe=recipe, seed=seed)


def steps_of(by: str, data: ImageData, *, train_steps: int | None = None) -> int:
    """The number of training steps of ``select``.

    Raises:
        ConfigError: If the rule is unknown, or cannot work with this number of steps.
    """
    rule = rule_of(by)
    if rule.steps is None:
        return 0
    steps = rule.steps(data) if train_steps is None else train_steps
    rule.check(data, steps)
    return steps


def rule_of(name: str) -> SelectionRule:
    """The rule with a name, or the rule ``"package.module:name"``.

    Raises:
        ConfigError: If there is no such rule.
    """
    rule = find("selection", name)
    if not isinstance(rule, SelectionRule):
        raise ConfigError(
            f"selection = {name!r} is {rule!r}, but it must be a SelectionRule of "
            "condensery.selection."
        )
    return rule


def random_selection(data: ImageData, *, ipc: int, seed: int) -> CondensedSet:
    """``ipc`` real images per class, uniformly without replacement: ``select(by="random")``.

    Args:
        data: The training split.
        ipc: Images per class, in 1..the largest class. A smaller class gives all its images.
        seed: Seed of the choice. A larger ``ipc`` with the same seed extends the choice.

    Raises:
        ConfigError: If ``ipc`` is out of range.
    """
    return select(data, by="random", ipc=ipc, seed=seed)


def _nothing() -> None:
    pass
