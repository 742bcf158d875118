"""DANCE: dual-view distribution alignment (Zhang et al., IJCAI 2024, arXiv 2406.01063).

| algorithm line | part |
|---|---|
| experts trained on real data, their first and last parameters | ``OnExperts`` |
| a random point between both ends of a random expert | ``Interpolated`` |
| S from real images, f x f of them in each stored one | ``FirstImages``, ``MultiFormation`` |
| 128 real images of each class | ``RandomPerClass(batch=128)`` |
| inner-class view: squared distance of mean features | ``DistributionMatching`` |
| inter-class view: cross-entropy of S under the expert | ``Calibrated(under="expert")`` |
| one pass over the classes for each view | ``inner=2``, ``Calibrated(alternate=True)`` |
| one SGD step for each class, with one momentum buffer | ``sgd_for_all_classes``, which is equal |

Presets: ``paper`` is the released setting; data with a side above 64 pixels use the setting of the
ImageNet subsets. The other presets are shorter and ours (docs/methods/dance.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.augment import Siamese
from condensery.condensing.init import FirstImages
from condensery.condensing.objectives import Calibrated
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Interpolated, Staged
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import Adam, sgd_for_all_classes
from condensery.data import ImageData
from condensery.methods.base import method
from condensery.parameterizations import MultiFormation
from condensery.training import SGDTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A shorter run with experts: ours.

    Attributes:
        iterations: Outer iterations.
        network: Matching network in place of ConvNet-3.
        experts: Number of experts.
        epochs: Epochs of an expert.
        steps: Network steps in an epoch.
        expert: Real images in a step of an expert.
        expert_lr: Learning rate of the experts.
        real: Real images per class in an image update.
        lr: Learning rate of Adam on the images, in units of the pixel range.
    """

    iterations: int
    network: str
    experts: int
    epochs: int
    steps: int
    expert: int = 128
    expert_lr: float = 0.02
    real: int = 64
    lr: float = 0.02


SHORT: Mapping[str, Short] = {
    "smoke": Short(
        iterations=3, network="convnet3-w16", experts=1, epochs=2, steps=3, expert=32, real=16
    ),
    "quick": Short(iterations=250, network="convnet3-w64", experts=3, epochs=4, steps=150),
    "standard": Short(
        iterations=3000, network="convnet3", experts=5, epochs=10, steps=400, lr=0.01
    ),
}  # fmt: skip


@method(
    "dance",
    paper="Zhang et al., IJCAI 2024, arXiv 2406.01063",
    summary="one size: mean features between untrained and trained networks, and a class term",
    protocol="dance",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of DANCE for ``data``.

    Args:
        data: Real training images; their side decides the published setting.
        ipc: Images per class N, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    large = is_large(data)
    tiny = min(data.side) < 16  # a crop of fewer than 8 pixels a side shows nothing
    lr = (0.1 if large else 0.01) * ipc
    training = SGDTraining(batch=128 if large else 64)
    published = Recipe(
        method="dance",
        preset=preset,
        ipc=ipc,
        iterations=10_000,
        network="convnet5" if large else "convnet3",
        parameterization=MultiFormation(factor=1 if tiny else 2),
        augment=Siamese(strategy="color_crop_cutout"),
        sampler=RandomPerClass(batch=128),
        schedule=Interpolated(epochs=80 if large else 60, inner=2, training=training),
        objective=Calibrated(alternate=True),
        size_policy=OneSize(),
        update=sgd_for_all_classes(lr=lr, momentum=0.5, classes=data.classes),
        init=FirstImages(),
    )
    return published if preset == "paper" else shortened(published, SHORT[preset])


def is_large(data: ImageData) -> bool:
    """Whether ``data`` uses the published settings of the ImageNet subsets."""
    return max(data.side) > 64


def shortened(published: Recipe, short: Short) -> Recipe:
    """A shorter version of a published recipe with ``Interpolated`` or ``Staged`` experts."""
    schedule = published.schedule
    assert isinstance(schedule, Interpolated | Staged)
    small = published.network == "convnet3"
    return replace(
        published,
        iterations=short.iterations,
        network=short.network if small else published.network,
        sampler=RandomPerClass(batch=short.real),
        schedule=replace(
            schedule,
            trajectories=short.experts,
            epochs=short.epochs,
            steps=short.steps,
            training=SGDTraining(batch=short.expert, lr=short.expert_lr),
        ),
        update=Adam(lr=short.lr, final_drop=7),
    )
