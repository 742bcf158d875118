"""FRePo: neural feature regression with pooling (Zhou, Nezhadarya, Ba, NeurIPS 2022, 2206.00719).

| algorithm line | part |
|---|---|
| S from real images with centred one-hot labels | ``Pixels``, ``RandomImages`` |
| a network from the pool, and a step of it on S once it was used | ``Pool`` |
| a batch of 1024 real images, nothing augmented | ``RandomPerClass(batch=1024 / classes)`` |
| half the squared error of predicting it by ridge regression on features | ``FeatureRegression`` |
| one step on images and labels | ``Adam``, ``labels=learned``, ``OnSimplex`` |
| ZCA of colour images | ``whiten=zca-regularised`` |

Presets: ``paper`` takes the published pool, batch and 500,000 steps; ``standard``, ``quick`` and
``smoke`` are shorter and ours (docs/methods/frepo.md). Published: LAMB with learning rate 3e-4
falling along a cosine to a tenth of it, images without bounds in the normalised space, networks
whose width doubles from block to block. Differs: Adam, whose step is one of pixels; images are
brought back into [0, 1] between outer iterations, and labels stay probabilities, which every
protocol needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from condensery.augment import Identity
from condensery.condensing.objectives import FeatureRegression
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Pool
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import Adam, LearnedLabels, OnSimplex
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.parameterizations import Pixels

__all__ = ["recipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """Of a run.

    Attributes:
        iterations: Outer iterations: pools.
        inner: Image updates of a pool.
        networks: In a pool.
        oldest: Steps that a network takes.
        network: What they are.
        targets: Real images per update, over all classes.
        lr: Of Adam on the images, in units of the pixel range.
        label_lr: Of Adam on the labels.
    """

    iterations: int
    inner: int
    networks: int
    oldest: int
    network: str
    targets: int
    lr: float
    label_lr: float


_LENGTHS: Mapping[str, _Length] = {
    "smoke": _Length(
        iterations=2, inner=3, networks=2, oldest=2, network="convnet3-w16", targets=100,
        lr=0.01, label_lr=0.005,
    ),
    "quick": _Length(
        iterations=6, inner=50, networks=4, oldest=25, network="convnet3-w32", targets=500,
        lr=0.01, label_lr=0.005,
    ),
    "standard": _Length(
        iterations=20, inner=200, networks=8, oldest=50, network="convnet3-w64", targets=1000,
        lr=0.005, label_lr=0.002,
    ),
    "paper": _Length(
        iterations=500, inner=1000, networks=10, oldest=100, network="convnet3", targets=1024,
        lr=0.001, label_lr=0.001,
    ),
}  # fmt: skip


@method(
    "frepo",
    paper="Zhou, Nezhadarya, Ba, NeurIPS 2022, arXiv 2206.00719",
    summary="one size: ridge regression on features of networks grown on the set, and labels",
    protocol="frepo",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """FRePo's recipe for ``data``.

    Args:
        data: Real training images.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    length = _LENGTHS[preset]
    return Recipe(
        method="frepo",
        preset=preset,
        ipc=ipc,
        iterations=length.iterations,
        network=length.network,
        parameterization=Pixels(),
        augment=Identity(),
        sampler=RandomPerClass(batch=max(1, length.targets // data.classes)),
        schedule=Pool(networks=length.networks, oldest=length.oldest, inner=length.inner),
        objective=FeatureRegression(),
        size_policy=OneSize(),
        update=Adam(lr=length.lr, final_drop=7),
        labels=LearnedLabels(update=OnSimplex(update=Adam(lr=length.label_lr, final_drop=7))),
        whiten="zca-regularised" if preset == "paper" and data.channels == 3 else "none",
    )
