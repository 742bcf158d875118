"""Mosaics of small real images, ordered so that every prefix is near the mean of its class.

For images of 16 to 64 pixels a side, this is the initialisation of ``nested``, without any update.
"""

from __future__ import annotations

from functools import partial

from condensery.condensing.init import HerdedImages
from condensery.data import ImageData
from condensery.networks import build
from condensery.parameterizations import MultiFormation, finer_factor
from condensery.rng import stream
from condensery.selection.order import BuiltImages, RuleOptions


def mosaics(data: ImageData, options: RuleOptions) -> BuiltImages:
    """The initialisation ``herded`` of multi-formation, with untrained networks.

    Source:
        The choice is herding (Welling 2009), mosaics are the initialisation of IDC (Kim et al.
        2022); the combination is ours, see ``HerdedImages``.
    """
    factor = finer_factor(data.side, ipc=options.ipc)
    parameterization = MultiFormation(factor=factor)
    network = partial(
        build,
        options.network,
        channels=data.channels,
        classes=data.classes,
        side=data.side,
        seed=options.seed,
    )
    stored = HerdedImages().make(
        parameterization,
        data,
        counts=data.counts().cpu().clamp(max=options.ipc),
        rng=stream(options.seed, "selection", "mosaic"),
        network=lambda *path: network(path=("selection", *path)).to(options.device),
    )
    recipe = {"network": options.network, "factor": factor}
    return BuiltImages(stored=stored, parameterization=parameterization, recipe=recipe)
