"""NCFM: neural characteristic function matching (Wang et al., CVPR 2025, arXiv 2502.20653).

| algorithm line | part |
|---|---|
| distance of characteristic functions at random frequencies | ``CharacteristicFunction`` |
| 1024 real images of each class | ``RandomPerClass(batch=1024)`` |
| twenty experts | ``Interpolated(trajectories=20)`` |
| one AdamW step for each class | ``Adam(lr=0.001)``, one step for all classes |
| everything else | the parts of ``dance`` |

There is no sampling network that learns frequencies at which both sides differ, because no released
configuration uses it. Presets: ``paper`` is the released setting; the others are shorter and ours
(docs/methods/ncfm.md).
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.objectives import Calibrated, CharacteristicFunction
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Interpolated
from condensery.condensing.updates import Adam, sgd_for_all_classes
from condensery.data import ImageData
from condensery.methods import dance
from condensery.methods.base import method
from condensery.training import SGDTraining


@method(
    "ncfm",
    paper="Wang et al., CVPR 2025, arXiv 2502.20653",
    summary="one size: characteristic functions of features, and a class term",
    protocol="ncfm",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of NCFM for ``data``: that of DANCE with another distance.

    Args:
        data: Real training images; name and side decide the published setting.
        ipc: Images per class N, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    base = dance.recipe(data, ipc=ipc, preset="paper")
    assert isinstance(base.schedule, Interpolated)
    training = SGDTraining(batch=128)
    odd = data.name == "cifar100" and ipc == 10  # the one released setting with SGD
    published = replace(
        base,
        method="ncfm",
        preset=preset,
        iterations=20_000,
        network="convnet4" if 48 < max(data.side) <= 64 else base.network,
        sampler=RandomPerClass(batch=1024),
        schedule=replace(base.schedule, trajectories=20, training=training),
        objective=Calibrated(features=CharacteristicFunction(frequencies=4096), alternate=True),
        update=sgd_for_all_classes(lr=0.01, momentum=0.5, classes=data.classes)
        if odd
        else Adam(lr=0.001, decay=0.999),
    )
    if preset == "paper":
        return published
    features = CharacteristicFunction(frequencies=64 if preset == "smoke" else 1024)
    short = dance.shortened(published, dance.SHORT[preset])
    return replace(short, objective=Calibrated(features=features, alternate=True))
