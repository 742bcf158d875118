"""DC: condensation with gradient matching (Zhao, Mopuri, Bilen, ICLR 2021, arXiv 2006.05929).

| Algorithm 1 | part |
|---|---|
| S from noise, labels balanced | ``Noise(like="data")``, ``Pixels`` |
| new network theta_0, T image updates | ``TrainOnSynthetic(inner=T)`` |
| epochs of theta on S between them | ``TrainOnSynthetic(epochs=...)`` |
| 256 real images of each class, all synthetic ones | ``RandomPerClass(batch=256)`` |
| distance of all weight gradients of each class | ``GradientMatching(metric="cosine")`` |
| one SGD step on the sum over classes | ``SGD`` |

Presets: ``paper`` is the released setting. Its learning rate 0.1 is for normalised images. Ours is
0.1 times the square of the mean standard deviation, which moves pixels in [0, 1] equally far. Two
differences remain: stored images are clipped to [0, 1] before every outer iteration, and noise is
clipped to [0, 1]. The other presets are shorter and ours (docs/methods/dc.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.augment import Identity
from condensery.condensing.init import Noise
from condensery.condensing.objectives import GradientMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import TrainOnSynthetic
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import SGD, Adam
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.parameterizations import Pixels

_LOOPS: Mapping[int, tuple[int, int]] = {
    1: (1, 1),
    10: (10, 50),
    20: (20, 25),
    30: (30, 20),
    40: (40, 15),
    50: (50, 10),
}
"""Released ``{images per class: (image updates per network, network epochs between them)}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A shorter run: ours.

    Attributes:
        iterations: Outer iterations.
        inner: Image updates per network.
        epochs: Network epochs between two image updates.
        batch: Real images per class.
        network: Matching network.
        lr: Learning rate of Adam on the images, in units of the pixel range.
    """

    iterations: int
    inner: int
    epochs: int
    batch: int
    network: str
    lr: float


_SHORT: Mapping[str, _Short] = {
    "smoke": _Short(iterations=2, inner=3, epochs=1, batch=16, network="convnet3-w16", lr=0.02),
    "quick": _Short(iterations=20, inner=10, epochs=5, batch=32, network="convnet3-w64", lr=0.02),
    "standard": _Short(iterations=200, inner=10, epochs=20, batch=128, network="convnet3", lr=0.01),
}


@method(
    "dc",
    paper="Zhao, Mopuri, Bilen, ICLR 2021, arXiv 2006.05929",
    summary="one size: gradient matching under networks trained on the set itself",
    protocol="dc",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of DC for ``data``.

    Args:
        data: Real training images.
        ipc: Images per class N, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    inner, epochs = _loops(ipc)
    published = Recipe(
        method="dc",
        preset=preset,
        ipc=ipc,
        iterations=1000,
        network="convnet3",
        parameterization=Pixels(),
        augment=Identity(),
        sampler=RandomPerClass(batch=256),
        schedule=TrainOnSynthetic(inner=inner, epochs=epochs),
        objective=GradientMatching(metric="cosine", parameters="all"),
        size_policy=OneSize(),
        update=SGD(lr=pixel_lr(0.1, data), momentum=0.5),
        init=Noise(like="data"),
    )
    return published if preset == "paper" else _shortened(published, _SHORT[preset])


def pixel_lr(lr: float, data: ImageData) -> float:
    """The learning rate on [0, 1] pixels that is equal to ``lr`` on normalised images.

    A step ``lr`` on ``x_norm = (x - mean) / std`` is a step ``lr * std^2`` on ``x``. All channels
    use the mean of their standard deviations.
    """
    return lr * (sum(data.std) / len(data.std)) ** 2


def _loops(ipc: int) -> tuple[int, int]:
    """Image updates per network and epochs between them.

    For the sizes of ``_LOOPS`` they are released. For other sizes they are ours: N updates, and
    about 500 epochs in total, at most 50 between two updates. Sizes above 50 use the numbers of 50,
    which is one of the recommendations of the authors.
    """
    if ipc > 50:
        return _LOOPS[50]
    return _LOOPS.get(ipc, (ipc, min(50, round(500 / ipc))))


def _shortened(published: Recipe, short: _Short) -> Recipe:
    schedule = published.schedule
    assert isinstance(schedule, TrainOnSynthetic)
    return replace(
        published,
        iterations=short.iterations,
        network=short.network,
        sampler=RandomPerClass(batch=short.batch),
        schedule=replace(schedule, inner=short.inner, epochs=short.epochs),
        update=Adam(lr=short.lr, final_drop=7),
    )
