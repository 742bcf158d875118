"""MTT: matching training trajectories (Cazenavette et al., CVPR 2022, arXiv 2203.11932).

| algorithm line | part |
|---|---|
| experts trained on real data, parameters after every epoch | ``condensery.experts`` |
| start theta*_s of a random expert, target theta*_(s+M) | ``Experts.contexts`` |
| n student steps on augmented batches of S with learning rate alpha | ``TrajectoryMatching`` |
| squared distance to the target, divided by that of the start | ``TrajectoryMatching`` |
| S from real images, SGD with momentum 0.5 on S | ``RandomImages``, ``SGD`` |
| learning rate alpha, SGD with momentum 0.5 | ``LearnedLR`` |
| ZCA whitening where the table says so | ``Recipe.whiten`` |

Presets: ``paper`` is the released setting of data set and size, by name; other sizes use the
largest published size below them. Other data use, up to a side of 48 pixels, the settings that
users of the released code report for CIFAR-10 without whitening, up to 96 pixels the setting of
Tiny ImageNet, and above it that of the ImageNet subsets. ``standard``, ``quick`` and ``smoke`` are
shorter and ours (docs/methods/mtt.md).

Published image steps are steps in the space of the network; ours are steps on pixels in [0, 1]. A
step ``lr`` on normalised images is ``lr * std^2`` on pixels. For whitened images
``x -> W (x - mean)`` there is no single number: a direction of variance ``s`` needs
``lr * (s + eps)``. Ours is ``lr * eps``, which is right for all directions except the few with
large variance (coarse light and dark areas), which move less. Stored images are clipped to [0, 1]
after every update (released: never).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.augment import Identity, PerExample
from condensery.condensing.objectives import TrajectoryMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Experts
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import SGD, Adam, LearnedLR
from condensery.data import ImageData
from condensery.data.whitening import EPS
from condensery.experts import EXPERT_TRAINING
from condensery.methods.base import method
from condensery.methods.dc import pixel_lr
from condensery.methods.dsa import strategy
from condensery.parameterizations import Pixels
from condensery.training import SGDTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """One row of the released settings.

    Attributes:
        steps: Student steps n.
        span: Expert epochs M.
        max_start_epoch: Starts are before this epoch (T+).
        lr: Image learning rate, in the space of the network.
        step_lr: Learning rate of the update of the student's learning rate.
        first: Initial learning rate of the student.
        batch: Images in a student step; 0: all.
        zca: Whether images are whitened.
    """

    steps: int
    span: int = 2
    max_start_epoch: int
    lr: float
    step_lr: float
    first: float = 0.01
    batch: int = 0
    zca: bool = False


_TINY: Mapping[int, _Paper] = {
    1: _Paper(steps=10, max_start_epoch=10, lr=1e4, step_lr=1e-4),
    10: _Paper(steps=20, max_start_epoch=40, lr=1e4, step_lr=1e-4, batch=200),
    50: _Paper(steps=20, max_start_epoch=40, lr=1e4, step_lr=1e-4, batch=300),
}
_IMAGENET: Mapping[int, _Paper] = {
    1: _Paper(steps=20, max_start_epoch=10, lr=1e5, step_lr=1e-6),
    10: _Paper(steps=20, max_start_epoch=10, lr=1e5, step_lr=1e-6, batch=20),
}
_CIFAR_50 = _Paper(steps=30, max_start_epoch=40, lr=1e3, step_lr=1e-5, first=0.001)
_OTHER: Mapping[int, _Paper] = {
    1: _Paper(steps=50, max_start_epoch=5, lr=1e3, step_lr=1e-7),
    10: _Paper(steps=30, max_start_epoch=15, lr=1e3, step_lr=1e-5),
    50: _CIFAR_50,
}
_PAPER: Mapping[str, Mapping[int, _Paper]] = {
    "cifar10": {
        1: _Paper(steps=50, max_start_epoch=2, lr=1e2, step_lr=1e-7, zca=True),
        10: _Paper(steps=30, max_start_epoch=20, lr=1e2, step_lr=1e-5, first=0.001, zca=True),
        50: _CIFAR_50,
    },
    "cifar100": {
        1: _Paper(steps=20, span=3, max_start_epoch=20, lr=1e3, step_lr=1e-5, zca=True),
        10: _Paper(steps=20, max_start_epoch=20, lr=1e3, step_lr=1e-5),
        50: _Paper(steps=80, max_start_epoch=40, lr=1e3, step_lr=1e-5, batch=125, zca=True),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A shorter run: ours.

    Attributes:
        iterations: Image updates.
        network: Matching network.
        trajectories: Number of experts.
        max_start_epoch: Starts are before this epoch.
        span: Expert epochs to the target.
        epoch: Network steps in an epoch of an expert; 0: a pass over the data.
        real: Images in a step of an expert.
        expert_lr: Learning rate of the experts.
        steps: Student steps.
        batch: Images in a student step; 0: all.
        first: Initial learning rate of the student.
        lr: Learning rate of Adam on the images, in units of the pixel range.
        step_lr: Learning rate of Adam on the learning rate of the student.
    """

    iterations: int
    network: str
    trajectories: int
    max_start_epoch: int
    span: int
    epoch: int
    real: int
    expert_lr: float
    steps: int
    batch: int
    first: float
    lr: float
    step_lr: float


_SHORT: Mapping[str, _Short] = {
    "smoke": _Short(
        iterations=3, network="convnet3-w16", trajectories=1, max_start_epoch=2, span=1, epoch=5,
        real=32, expert_lr=0.05, steps=2, batch=0, first=0.1, lr=0.02, step_lr=0.001,
    ),
    "quick": _Short(
        iterations=150, network="convnet3-w32", trajectories=6, max_start_epoch=5, span=1, epoch=40,
        real=64, expert_lr=0.05, steps=10, batch=50, first=0.1, lr=0.02, step_lr=0.001,
    ),
    "standard": _Short(
        iterations=1000, network="convnet3-w64", trajectories=10, max_start_epoch=8, span=1,
        epoch=100, real=128, expert_lr=0.05, steps=20, batch=100, first=0.1, lr=0.01, step_lr=0.001,
    ),
}  # fmt: skip


@method(
    "mtt",
    paper="Cazenavette et al., CVPR 2022, arXiv 2203.11932",
    summary="one size: train on the set, arrive where training on real images arrived",
    protocol="mtt",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of MTT for ``data``.

    Args:
        data: Real training images; name and side decide the published setting.
        ipc: Images per class N, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    rows = _rows(data)
    row = rows[max((size for size in rows if size <= ipc), default=min(rows))]
    augment = PerExample(strategy=strategy(data), mode="dsa")
    schedule = Experts(trajectories=100, span=row.span, max_start_epoch=row.max_start_epoch)
    published = Recipe(
        method="mtt",
        preset=preset,
        ipc=ipc,
        iterations=5000,
        network=f"convnet{3 if max(data.side) <= 48 else 4 if max(data.side) <= 96 else 5}",
        parameterization=Pixels(),
        augment=Identity(),
        sampler=RandomPerClass(batch=64),  # for the probe of the most learnable subset alone
        schedule=replace(schedule, training=replace(EXPERT_TRAINING, augment=augment)),
        objective=TrajectoryMatching(steps=row.steps, batch=row.batch, augment=augment),
        size_policy=OneSize(),
        update=SGD(lr=row.lr * EPS if row.zca else pixel_lr(row.lr, data), momentum=0.5),
        learned_lr=LearnedLR(initial=row.first, update=SGD(lr=row.step_lr, momentum=0.5)),
        whiten="zca" if row.zca else "none",
    )
    return published if preset == "paper" else _shortened(published, _SHORT[preset])


def _rows(data: ImageData) -> Mapping[int, _Paper]:
    near = _OTHER if max(data.side) <= 48 else _TINY if max(data.side) <= 96 else _IMAGENET
    return _PAPER.get(data.name, near)


def _shortened(published: Recipe, short: _Short) -> Recipe:
    schedule, objective = published.schedule, published.objective
    assert isinstance(schedule, Experts)
    assert isinstance(schedule.training, SGDTraining)
    assert isinstance(objective, TrajectoryMatching)
    return replace(
        published,
        iterations=short.iterations,
        network=short.network,
        schedule=replace(
            schedule,
            trajectories=short.trajectories,
            max_start_epoch=short.max_start_epoch,
            span=short.span,
            steps=short.epoch,
            training=replace(schedule.training, batch=short.real, lr=short.expert_lr),
        ),
        objective=replace(objective, steps=short.steps, batch=short.batch),
        update=Adam(lr=short.lr, final_drop=7),
        learned_lr=LearnedLR(initial=short.first, update=Adam(lr=short.step_lr)),
        whiten="none",
    )
