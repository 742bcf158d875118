"""The rule that makes a test split if a source has none."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from condensery.errors import DataError
from condensery.rng import stream


def hold_out(
    labels: Int[Tensor, "image"], *, title: str
) -> tuple[Int[Tensor, "train"], Int[Tensor, "test"]]:
    """Choose a fifth of every class for testing.

    From a class with ``n >= 2`` images, ``max(1, n // 5)`` go to the test split; the image of a
    class with one image stays in the train split. The choice is drawn for each class, in ascending
    order, from ``stream(0, "holdout")``: it depends only on the labels, and not on a seed.

    Returns:
        Positions of the train and of the test images, both ascending.

    Raises:
        DataError: If no class has two images.
    """
    rng = stream(0, "holdout")
    test = torch.zeros(len(labels), dtype=torch.bool)
    counts: list[int] = labels.unique(return_counts=True)[1].tolist()
    for own in labels.argsort(stable=True).split(counts):  # positions of one class, ascending
        if len(own) >= 2:
            test[own[torch.randperm(len(own), generator=rng)[: max(1, len(own) // 5)]]] = True
    if not test.any():
        raise DataError(
            f"{title}: there is no test split, and none can be held out, because no class has "
            "two images. Give test images with test=..., or more images."
        )
    return (~test).nonzero()[:, 0], test.nonzero()[:, 0]
