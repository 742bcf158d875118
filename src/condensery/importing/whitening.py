"""The way back from whitened images to pixels, with the whitening fitted again to the data.

MTT's whitening has an inverse. KIP's has none: it first divides every image by its own norm, so
brightness and contrast of an image are lost; every image gets those of the average one. Whitened
again, it is the same image as before, but for the length that KIP's images have strayed from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from condensery.data import ImageData, Whitening, whitened
from condensery.data.statistics import measure
from condensery.data.whitening import LARGEST
from condensery.errors import DataError

__all__ = ["unwhitening"]

_BLOCK = 1024  # images held as float64 at a time


def unwhitening(
    data: ImageData, *, kind: str
) -> tuple[Callable[[Tensor], Tensor], Mapping[str, object]]:
    """How to undo a whitening that was fitted to ``data``.

    Args:
        data: The training images.
        kind: ``"zca"`` (MTT) or ``"zca-regularised"`` (KIP), see ``condensery.data.whitened``.

    Returns:
        A function of whitened images, whose result has the training images in [0, 1]; and what
        is to be recorded.

    Raises:
        DataError: If images are too large to fit a whitening to.

    Source:
        The whitenings of ``condensery.data.whitening``. For KIP's, channels are standardised by
        what the training images measure, as KIP does, not by published constants.
    """
    entries = data.images[0].numel()
    if entries > LARGEST:
        raise DataError(
            f"{data.name}: images of {entries} pixel values: a whitening takes the square of that "
            f"many numbers, and more than {LARGEST} values are not undone here. MTT writes the "
            "same images un-whitened (images_zca_*.pt): import those with --mean 0 --std 1."
        )
    measured = measure(data.images)
    own = replace(data, mean=measured.mean, std=measured.std)
    base = whitened(own, kind)
    fitted = base.whitening
    assert fitted is not None  # of both kinds
    mean, std = (torch.tensor(x, dtype=torch.float64)[:, None, None] for x in (base.mean, base.std))
    record = dict(fitted.to_json())
    if fitted.centre is None:
        length = _average_norm(own)
        record["contrast"] = "of the average training image: the whitening forgets it"
    else:
        length = 1.0

    def undo(images: Tensor) -> Tensor:
        standard = _solved(fitted, images) * length
        if fitted.centre is not None:
            standard = standard + fitted.centre.cpu()
        return (standard.view(images.shape) * std + mean).to(torch.float32)

    return undo, record


def _solved(fitted: Whitening, images: Tensor) -> Tensor:
    """What the matrix was multiplied with, ``[row, entry]``; the matrix is symmetric."""
    rows = images.flatten(1).double()
    return torch.linalg.solve(fitted.matrix.cpu(), rows.T).T


def _average_norm(data: ImageData) -> float:
    """Average length of the standardised training images, each minus its own mean."""
    total = 0.0
    for block in data.images.split(_BLOCK):
        flat = data.normalise(block.cpu().double() / 255).flatten(1)
        total += float((flat - flat.mean(dim=1, keepdim=True)).norm(dim=1).sum())
    return total / len(data)
