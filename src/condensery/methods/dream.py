"""DREAM: representative matching (Liu et al., ICCV 2023, arXiv 2302.14416).

| algorithm line | part |
|---|---|
| everything not named here | the parts of ``idc`` |
| S from the images nearest to N f^2 cluster centres of each class | ``KMeansImages`` |
| every 10 image updates: cluster each class, match its 128 representatives | ``KMeansPerClass`` |

Presets are those of ``idc``. ``paper`` clusters all images of every class, which on a CPU costs
more than all the rest; the shorter ones cluster a random pool (docs/methods/dream.md).
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.init import KMeansImages
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import KMeansPerClass, RandomPerClass
from condensery.data import ImageData
from condensery.methods import idc
from condensery.methods.base import method

__all__ = ["recipe"]


_POOL = {"smoke": 64, "quick": 256, "standard": 1024}
"""Images of a class that a shorter run clusters."""


@method(
    "dream",
    paper="Liu et al., ICCV 2023, arXiv 2302.14416",
    summary="idc matched to real images that stand for the clusters of their class",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """DREAM's recipe for ``data``: IDC's with representative images.

    Args:
        data: Real training images.
        ipc: Images per class, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    base = idc.recipe(data, ipc=ipc, preset=preset)
    assert isinstance(base.sampler, RandomPerClass)
    if preset == "paper":
        sampler, init = KMeansPerClass(batch=128, every=10), KMeansImages()
    else:
        pool = _POOL[preset]
        sampler = KMeansPerClass(batch=base.sampler.batch, every=10, pool=pool)
        init = KMeansImages(pool=pool)
    return replace(base, method="dream", sampler=sampler, init=init)
