"""KIP: kernel inducing points (Nguyen, Chen, Lee, ICLR 2021, arXiv 2011.00050).

| algorithm line | part |
|---|---|
| a support set of real images | ``Pixels``, ``RandomImages`` |
| each step draws 5000 real targets, class-balanced | ``RandomPerClass(batch=5000 / classes)`` |
| half the mean squared error of predicting them by ridge regression | ``RidgeRegression`` |
| with the neural tangent kernel of one hidden layer | ``FullyConnected(depth=1)`` |
| no network is trained | ``NoNetwork`` |
| Adam on the images | ``Adam`` |
| optionally on the labels | ``labels=learned`` |
| regularised ZCA of colour images | ``whiten=zca-regularised`` |

Published: Adam with learning rate 0.04 on standardised pixels, without limits. An Adam step ``a``
on ``(x - mean) / std`` is a step ``a std`` on ``x`` in [0, 1]. The deviations of channels are
nearly equal, so their mean is used for all (and the epsilon of the root is divided by it). Differs:
images are clipped to [0, 1] between outer iterations; with a whitening, the step is still in pixels
(published: in whitened pixels).

Presets: ``paper`` whitens colour images and takes 1000 steps, with which the released notebook is
converged; ``standard`` does not whiten; ``quick`` takes 300 steps as the notebook; ``smoke`` takes
a few steps with few targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from condensery.augment import Identity
from condensery.condensing.objectives import RidgeRegression
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import NoNetwork
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import Adam
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.parameterizations import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """The length of a run.

    Attributes:
        iterations: Outer iterations.
        targets: Real images per step, over all classes.
        inner: Steps per outer iteration.
    """

    iterations: int
    targets: int = 5000
    inner: int = 10


_LENGTHS: Mapping[str, _Length] = {
    "smoke": _Length(iterations=3, targets=200, inner=2),
    "quick": _Length(iterations=30),
    "standard": _Length(iterations=100),
    "paper": _Length(iterations=100),
}


@method(
    "kip",
    paper="Nguyen et al., ICLR 2021, arXiv 2011.00050",
    summary="one size: kernel ridge regression from the set to real images, without a network",
    protocol="kip",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of KIP for ``data``.

    Args:
        data: Real training images; their deviation decides the learning rate.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    length, std = _LENGTHS[preset], fmean(data.std)
    return Recipe(
        method="kip",
        preset=preset,
        ipc=ipc,
        iterations=length.iterations,
        network="none",
        parameterization=Pixels(),
        augment=Identity(),
        sampler=RandomPerClass(batch=max(1, length.targets // data.classes)),
        schedule=NoNetwork(inner=length.inner),
        objective=RidgeRegression(),
        size_policy=OneSize(),
        update=Adam(lr=0.04 * std, momentum=0.9, decay=0.999, epsilon=1e-8 / std),
        whiten="zca-regularised" if preset == "paper" and data.channels == 3 else "none",
    )
