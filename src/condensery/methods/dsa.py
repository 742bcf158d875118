"""DSA: differentiable siamese augmentation (Zhao & Bilen, ICML 2021, arXiv 2102.08259).

| algorithm line | part |
|---|---|
| loops, network, objective, image step | the parts of ``dc`` |
| S from real images | ``RandomImages`` |
| one operation for real and synthetic images | ``Siamese(mode="dsa")`` |
| networks trained on S, each image with its own parameters | its ``PerExample(mode="dsa")`` |

``augment.mode=idc`` is the stronger augmentation of IDC: colour, flip and cutout always, and one of
the other operations.
"""

from __future__ import annotations

from dataclasses import replace

from condensery.augment import PerExample, Siamese
from condensery.condensing.init import RandomImages
from condensery.condensing.recipe import Recipe
from condensery.condensing.schedules import TrainOnSynthetic
from condensery.data import ImageData
from condensery.data.known import may_be_mirrored
from condensery.methods import dc
from condensery.methods.base import method
from condensery.training import SGDTraining


@method(
    "dsa",
    paper="Zhao, Bilen, ICML 2021, arXiv 2102.08259",
    summary="dc with one augmentation shared by real and synthetic images",
    protocol="dsa",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of DSA for ``data``.

    Args:
        data: Real training images; the name decides whether images are flipped.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    base = dc.recipe(data, ipc=ipc, preset=preset)
    assert isinstance(base.schedule, TrainOnSynthetic)
    augment = PerExample(strategy=strategy(data), mode="dsa")
    assert isinstance(base.schedule.training, SGDTraining)
    training = replace(base.schedule.training, augment=augment)
    return replace(
        base,
        method="dsa",
        augment=Siamese(strategy=strategy(data), mode="dsa"),
        schedule=replace(base.schedule, training=training),
        init=RandomImages(),
    )


def strategy(data: ImageData) -> str:
    """The published operations; images of digits are not mirrored.

    Differs: other digits are not mirrored either (released: only MNIST and SVHN are not).
    """
    flip = "flip_" if may_be_mirrored(data.name) else ""
    return f"color_crop_cutout_{flip}scale_rotate"
