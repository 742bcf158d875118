"""Which crop stands where does not matter: both orders of crops are one optimisation, relabelled.

Where the factor divides the side, crops are independent slots. Putting the examples of every rank
into the slots that the other order gives to this rank turns a run into the same run.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from condensery import condense, load_data
from condensery.api import Condensation
from condensery.condensing.loop import initial_state
from condensery.types import Examples

FACTOR, IPC = 2, 3


def moved(stored: Examples) -> Examples:
    """Crop j of image i goes where crop-major order counts ``i * crops + j``."""
    crops, half = FACTOR**2, stored.images.shape[2] // FACTOR
    images = torch.empty_like(stored.images)

    def slot(images: torch.Tensor, row: int, crop: int) -> torch.Tensor:
        down, right = divmod(crop, FACTOR)
        top, left = down * half, right * half
        return images[row, :, top : top + half, left : left + half]

    for c in stored.class_.unique():
        own = (stored.class_ == c).nonzero()[:, 0].tolist()  # by rank
        for place in range(len(own) * crops):
            image, crop = divmod(place, crops)
            other_crop, other_image = divmod(place, len(own))
            slot(images, own[other_image], other_crop).copy_(slot(stored.images, own[image], crop))
    return stored.with_images(images)


def test_image_order_and_crop_order_are_the_same_run_relabelled():
    data = load_data("digits")
    settings = {
        "parameterization.factor": str(FACTOR),
        "iterations": "3",
        "schedule.inner": "2",
        "schedule.steps": "1",
        "sampler.batch": "8",
    }
    nested = condense(
        data, ipc=IPC, preset="paper", network="convnet2-w8", size_policy="all", settings=settings
    )
    parts = replace(nested.recipe.parameterization, order="crop")
    recipe = replace(nested.recipe, parameterization=parts)
    begin = initial_state(recipe, data.train, seed=0)
    begin = replace(begin, stored=moved(nested.state.stored))
    crops = Condensation(recipe, data.train, seed=0, state=begin)
    assert not torch.allclose(nested.state.stored.images, crops.state.stored.images)
    before = nested.state.stored
    for _ in nested:
        pass
    for _ in crops:
        pass
    assert (nested.state.stored.images - before.images).abs().max() > 1e-3
    found = crops.state.stored.images
    assert torch.allclose(moved(nested.state.stored).images, found, atol=1e-5)
