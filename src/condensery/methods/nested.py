"""Nested: all sizes in one objective, from a herded start. Ours.

| step | part |
|---|---|
| start where every prefix has nearly the mean feature of its class | ``HerdedImages`` |
| at every image update the losses of all sizes 1..N, each with weight 1 | ``AllSizes`` |
| everything else | the parts of ``idc``, squared errors as in ``mdc`` |

Any objective works: ``--set objective=distribution``. docs/methods/nested.md says what is known.
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.init import HerdedImages
from condensery.condensing.objectives import GradientMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.sizes import AllSizes
from condensery.data import ImageData
from condensery.methods import idc
from condensery.methods.base import method

__all__ = ["recipe"]


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
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    return replace(
        idc.recipe(data, ipc=ipc, preset=preset),
        method="nested",
        objective=GradientMatching(metric="mse"),
        size_policy=AllSizes(),
        init=HerdedImages(),
    )
