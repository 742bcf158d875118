"""FRePo: neural feature regression with pooling (Zhou, Nezhadarya, Ba, NeurIPS 2022, 2206.00719).

| algorithm line | part |
|---|---|
| S from real images with centred one-hot labels | ``Pixels``, ``RandomImages`` |
| a network from the pool, which takes a step on S after it was used | ``Pool`` |
| a batch of 1024 real images without augmentation | ``RandomPerClass(batch=1024 / classes)`` |
| half the squared error of predicting it by ridge regression on features | ``FeatureRegression`` |
| one step on images and labels | ``Adam``, ``labels=learned``, ``OnSimplex`` |
| ZCA of colour images | ``whiten=zca-regularised`` |

Presets: ``paper`` has the published pool, batch and 500,000 steps; ``standard``, ``quick`` and
``smoke`` are shorter and ours (docs/methods/frepo.md). Differs: Adam with a step in pixels
(published: LAMB with learning rate 3e-4, falling along a cosine to a tenth); images are clipped to
[0, 1] between outer iterations (published: no limits in the normalised space); labels stay
probabilities, which every protocol needs; all blocks of the network have the same width (published:
the width doubles from block to block).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """The length of a run.

    Attributes:
        iterations: Outer iterations, each with a new pool.
        inner: Image updates with a pool.
        networks: Networks in a pool.
        oldest: Steps of a network before it is replaced.
        network: Name of the network.
        targets: Real images in an update, over all classes.
        lr: Learning rate of Adam on the images, in units of the pixel range.
        label_lr: Learning rate of Adam on the labels.
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
    """The recipe of FRePo for ``data``.

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
