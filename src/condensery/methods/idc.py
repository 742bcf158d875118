"""IDC: efficient synthetic-data parameterization (Kim et al., ICML 2022, arXiv 2205.14959).

| algorithm line | part |
|---|---|
| store N images, train on f x f crops of each | ``MultiFormation(factor=f)`` |
| new network in every outer iteration, trained on augmented real data | ``Redraw`` |
| 64 real images of each class | ``RandomPerClass(batch=64)`` |
| one augmentation for real and synthetic images | ``Siamese("color_crop_cutout")`` |
| distance of the convolution gradients of each class | ``GradientMatching`` |
| one SGD step for each class, with one momentum buffer | ``sgd_for_all_classes``, which is equal |

Presets: ``paper`` is the ``--reproduce`` setting of the released code for the data set, by name.
Other data use the setting of CIFAR-10 up to a side of 64 pixels, and above it that of ImageNet-10.
Differs: for ImageNet-100, every outer iteration pretrains a new network (released: a pool of ten).
``standard``, ``quick`` and ``smoke`` are shorter and ours. docs/methods/mdc.md has results of
``quick``; ``standard`` has not been measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from condensery.augment import Siamese
from condensery.condensing.objectives import GradientMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import Adam, sgd_for_all_classes
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.parameterizations import MultiFormation
from condensery.training import SGDTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """One column of the released settings.

    Attributes:
        metric: Distance of gradients.
        lr: Image learning rate per class, before it is scaled with N and the side.
        base: Side in pixels for which ``lr`` was chosen.
        images: Real images for the network update (``n_data``).
        network: Matching network.
        factor: Crops per side.
        iterations: Outer iterations.
        pretrain: Epochs on real data per outer iteration.
        training: The network update.
    """

    metric: Literal["mse", "l1"]
    lr: float
    base: int = 32
    images: int = 500
    network: str = "convnet3"
    factor: int = 2
    iterations: int = 2000
    pretrain: int = 0
    training: SGDTraining = field(default_factory=SGDTraining)


_FASHION = _Paper(metric="l1", lr=1e-4)
_CIFAR = _Paper(metric="mse", lr=5e-3, images=2000)
_IMAGENET = _Paper(
    metric="l1",
    lr=3e-3,
    base=224,
    network="resnetap10",
    factor=3,
    iterations=500,
    pretrain=10,
    training=SGDTraining(cutmix=1.0),
)
_PAPER: Mapping[str, _Paper] = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "svhn": _Paper(metric="mse", lr=5e-3),
    "mnist": _Paper(metric="l1", lr=1e-4, base=28, training=SGDTraining(cutmix=0.0)),
    "fashion-mnist": _FASHION,
    "fashion-mini": _FASHION,  # ours, a part of it
    "imagenet-10": _IMAGENET,
    "imagenet-100": replace(
        _IMAGENET,
        lr=1e-3,
        pretrain=5,
        training=SGDTraining(batch=128, lr=0.1, weight_decay=1e-4, cutmix=1.0),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A shorter run: ours, tuned by measurements (docs/methods/mdc.md).

    Attributes:
        iterations: Outer iterations.
        inner: Image updates per network.
        steps: Network steps between two image updates.
        batch: Real images per class.
        network: Matching network in place of ConvNet-3.
        lr: Learning rate of Adam on the images, in units of the pixel range.
    """

    iterations: int
    inner: int
    steps: int
    batch: int
    network: str
    lr: float


_SHORT: Mapping[str, _Short] = {
    "smoke": _Short(iterations=2, inner=3, steps=2, batch=16, network="convnet3-w16", lr=0.02),
    "quick": _Short(iterations=35, inner=10, steps=8, batch=32, network="convnet3-w64", lr=0.02),
    "standard": _Short(iterations=200, inner=20, steps=16, batch=64, network="convnet3", lr=0.01),
}


@method(
    "idc",
    paper="Kim et al., ICML 2022, arXiv 2205.14959",
    summary="one size: gradient matching on several small images per stored image",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of IDC for ``data``.

    Args:
        data: Real training images; name and side decide the published setting.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    row = _row(data)
    scale = ipc / 10 * (data.side[0] / row.base) ** 2
    strategy = "color_crop" if data.name == "mnist" and row.factor > 1 else "color_crop_cutout"
    published = Recipe(
        method="idc",
        preset=preset,
        ipc=ipc,
        iterations=row.iterations,
        network=row.network,
        parameterization=MultiFormation(factor=row.factor),
        augment=Siamese(strategy=strategy),
        sampler=RandomPerClass(batch=64),
        schedule=Redraw(
            inner=100,
            steps=-(-row.images // row.training.batch),
            pretrain=row.pretrain * -(-len(data) // row.training.batch),
            training=row.training,
        ),
        objective=GradientMatching(metric=row.metric),
        size_policy=OneSize(),
        update=sgd_for_all_classes(lr=row.lr * scale, momentum=0.5, classes=data.classes),
    )
    return published if preset == "paper" else _shortened(published, _SHORT[preset])


def _row(data: ImageData) -> _Paper:
    near = _CIFAR if max(data.side) <= 64 else _IMAGENET
    row = _PAPER.get(data.name, near)
    # A crop of fewer than 8 pixels a side shows nothing: tiny images are stored whole.
    return replace(row, factor=1) if min(data.side) < 8 * row.factor else row


def _shortened(published: Recipe, short: _Short) -> Recipe:
    schedule = published.schedule
    assert isinstance(schedule, Redraw)
    return replace(
        published,
        iterations=short.iterations,
        network=short.network if published.network == "convnet3" else published.network,
        sampler=RandomPerClass(batch=short.batch),
        schedule=replace(
            schedule, inner=short.inner, steps=short.steps, pretrain=min(schedule.pretrain, 40)
        ),
        objective=GradientMatching(metric="mse"),
        update=Adam(lr=short.lr, final_drop=7),
    )
