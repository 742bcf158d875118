"""DM: dataset condensation with distribution matching (Zhao & Bilen, WACV 2023, arXiv 2110.04181).

| algorithm line | part |
|---|---|
| S from real images | ``RandomImages``, ``Pixels`` |
| a new random network in every iteration, never trained | ``Redraw(inner=1, steps=0)`` |
| 256 real images of each class | ``RandomPerClass(batch=256)`` |
| one operation for real and synthetic images | ``Siamese(mode="dsa")`` |
| squared distance of the mean features of each class | ``DistributionMatching`` |
| one SGD step on the sum over classes | ``SGD`` |

``paper`` is the released setting; its learning rate is for normalised images (see ``dc``). The
other presets are shorter and ours (docs/methods/dm.md). Stored images are clipped to [0, 1] before
every iteration (released: no limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.augment import Siamese
from condensery.condensing.objectives import DistributionMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import SGD, Adam
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.methods.dc import pixel_lr
from condensery.methods.dsa import strategy
from condensery.parameterizations import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A shorter run: ours.

    Attributes:
        iterations: Outer iterations, one image update each.
        batch: Real images per class.
        network: Matching network.
        lr: Learning rate of Adam on the images, in units of the pixel range.
    """

    iterations: int
    batch: int
    network: str
    lr: float


_SHORT: Mapping[str, _Short] = {
    "smoke": _Short(iterations=6, batch=16, network="convnet3-w16", lr=0.02),
    "quick": _Short(iterations=600, batch=64, network="convnet3-w64", lr=0.02),
    "standard": _Short(iterations=4000, batch=128, network="convnet3", lr=0.01),
}


@method(
    "dm",
    paper="Zhao, Bilen, WACV 2023, arXiv 2110.04181",
    summary="one size: mean features under networks that are never trained; the fastest",
    protocol="dsa",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of DM for ``data``.

    Args:
        data: Real training images; the name decides the learning rate, and whether images are
            flipped.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    published = Recipe(
        method="dm",
        preset=preset,
        ipc=ipc,
        iterations=20_000,
        network="convnet3",
        parameterization=Pixels(),
        augment=Siamese(strategy=strategy(data), mode="dsa"),
        sampler=RandomPerClass(batch=256),
        schedule=Redraw(inner=1, steps=0),
        objective=DistributionMatching(),
        size_policy=OneSize(),
        update=SGD(lr=pixel_lr(_lr(data, ipc), data), momentum=0.5),
    )
    if preset == "paper":
        return published
    short = _SHORT[preset]
    return replace(
        published,
        iterations=short.iterations,
        network=short.network,
        sampler=RandomPerClass(batch=short.batch),
        update=Adam(lr=short.lr, final_drop=7),
    )


def _lr(data: ImageData, ipc: int) -> float:
    """The released learning rate for normalised images: 1 below 100 images per class, else 10.

    On CIFAR-100 it is always 1. An image has the weight 1/N in the mean feature, so the learning
    rate must grow with N.
    """
    return 1.0 if ipc < 100 or data.name == "cifar100" else 10.0
