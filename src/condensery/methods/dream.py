"""DREAM: representative matching (Liu et al., ICCV 2023, arXiv 2302.14416).

| algorithm line | part |
|---|---|
| everything else | the parts of ``idc`` |
| S from the images nearest to N f^2 cluster centres of each class | ``KMeansImages`` |
| every 10 image updates: cluster each class, match its 128 representatives | ``KMeansPerClass`` |

The presets are those of ``idc``. ``paper`` clusters all images of every class, which takes most of
the time on a CPU; shorter presets cluster a random pool (docs/methods/dream.md).
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.init import KMeansImages
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import KMeansPerClass, RandomPerClass
from condensery.data import ImageData
from condensery.methods import idc
from condensery.methods.base import method

_POOL = {"smoke": 64, "quick": 256, "standard": 1024}
"""Number of images of a class that a shorter run clusters."""


@method(
    "dream",
    paper="Liu et al., ICCV 2023, arXiv 2302.14416",
    summary="idc matched to real images that stand for the clusters of their class",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of DREAM for ``data``: that of IDC with representative images.

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
