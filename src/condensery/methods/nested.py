"""Nested: all sizes in one objective, from a herded start. Ours.

| step | part |
|---|---|
| start where every prefix has nearly the mean feature of its class | ``HerdedImages`` |
| a few briefly trained experts; networks on the line from before to after | ``Interpolated`` |
| at every image update the mean features of all sizes 1..N, each with weight 1 | ``AllSizes`` |
| and the mean cross-entropy of every size n, times 10 / sqrt(n), in one pass | ``Calibrated`` |
| stored mosaics, of nine images for images of 30 pixels a side and more | ``MultiFormation`` |

Mean features under interpolated experts and the class term are DANCE's (``dance``). Ours is to
match every size at once, to classify by the network of the features, the start, and nine images on
a stored one (IDC: four) in sets of at most ten images per class. Any objective works (``--set
objective=gradient``). docs/methods/nested.md says what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.augment import PerExample, Siamese
from condensery.condensing.init import HerdedImages
from condensery.condensing.objectives import Calibrated, DistributionMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Interpolated
from condensery.condensing.sizes import AllSizes
from condensery.condensing.updates import Adam
from condensery.data import ImageData
from condensery.methods import dsa, idc
from condensery.methods.base import method
from condensery.parameterizations import MultiFormation, finer_factor
from condensery.training import SGDTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """How much a run may cost.

    Attributes:
        iterations: Outer iterations, of ``networks`` networks each.
        network: Matching network of images up to 64 pixels a side.
        experts: How many.
        epochs: Of an expert.
        steps: Network steps of an epoch; 0 is a pass over the data.
        networks: Of an outer iteration; each gives one image update.
        real: Real images per class.
        lr: Of Adam on the images, in units of the pixel range.
        blocks: Of the ConvNet, whose mean features are matched.
    """

    iterations: int
    network: str
    experts: int
    epochs: int = 1
    steps: int = 0
    networks: int = 16
    real: int = 64
    lr: float = 0.02
    blocks: int = 1


_LENGTHS: Mapping[str, _Length] = {
    "smoke": _Length(
        iterations=2, network="convnet3-w16", experts=1, steps=3, networks=1, real=16
    ),
    "quick": _Length(iterations=28, network="convnet3", experts=4, steps=1200),
    "standard": _Length(
        iterations=56, network="convnet3", experts=4, epochs=4, steps=500, blocks=2
    ),
    "paper": _Length(iterations=640, network="convnet3", experts=10, epochs=60, lr=0.01, blocks=2),
}  # fmt: skip


@method(
    "nested",
    paper="ours",
    summary="multisize: all sizes at once, from a start of which every prefix fits",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe for ``data``.

    Args:
        data: Real training images.
        ipc: Images per class N, at least 1; every size up to N is made.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``, which no paper has: the
            longest, with experts trained as long as DANCE's.
    """
    base, length = idc.recipe(data, ipc=ipc, preset="paper"), _LENGTHS[preset]
    small = base.network == "convnet3"  # photographs have another network, without blocks
    mosaic = base.parameterization
    assert isinstance(mosaic, MultiFormation)
    if mosaic.factor == 2:
        mosaic = replace(mosaic, factor=finer_factor(data.side, ipc=ipc))
    words = dsa.strategy(data)
    training = SGDTraining(batch=128, lr=0.02, augment=PerExample(strategy=words, mode="dsa"))
    return replace(
        base,
        method="nested",
        preset=preset,
        iterations=length.iterations,
        network=length.network if small else base.network,
        parameterization=mosaic,
        augment=Siamese(strategy=words),
        sampler=RandomPerClass(batch=length.real),
        schedule=Interpolated(
            trajectories=length.experts,
            epochs=length.epochs,
            steps=length.steps,
            training=training,
            decay="constant",
            networks=length.networks,
        ),
        objective=Calibrated(
            features=DistributionMatching(blocks=length.blocks if small else 1),
            under="network",
            weight=10.0,
            exponent=0.5,
        ),
        size_policy=AllSizes(),
        update=Adam(lr=length.lr, final_drop=4),
        init=HerdedImages(),
    )
