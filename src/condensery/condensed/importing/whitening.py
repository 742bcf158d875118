"""The inverse of whitenings, which are fitted again to the data.

The whitening of MTT has an inverse. That of KIP has none: it first divides every image by its norm,
so that brightness and contrast of an image are lost; every image gets the average values. If it is
whitened again, the image is equal to the one before, except for its length, which is then 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from condensery.data import ImageData, whitened
from condensery.data.statistics import measure
from condensery.data.whitening import LARGEST, ZCA
from condensery.errors import DataError

_BLOCK = 1024  # images held as float64 at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unwhitening:
    """The inverse of a whitening that was fitted again.

    Attributes:
        zca: How to compute the whitening, as in a condensed file.
        mean: Mean of each channel in the standardisation before the whitening.
        std: Standard deviation of each channel in the standardisation before the whitening.
        centre: Subtracted before the matrix, ``[entry]``, or ``None``.
        matrix: ``[entry, entry]``, float64.
        length: Length of every image before the matrix; 1 if the whitening keeps lengths.
    """

    zca: Mapping[str, object]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    centre: Tensor | None
    matrix: Tensor
    length: float

    def undo(self, images: Tensor) -> Tensor:
        """From whitened images to images in [0, 1]; float32."""
        rows = images.flatten(1).double()
        standard = torch.linalg.solve(self.matrix, rows.T).T * self.length  # it is symmetric
        if self.centre is not None:
            standard = standard + self.centre
        mean, std = (standard.new_tensor(x)[:, None, None] for x in (self.mean, self.std))
        return (standard.reshape(images.shape) * std + mean).to(torch.float32)


def unwhitening(data: ImageData, *, kind: str) -> Unwhitening:
    """The inverse of a kind of whitening that is fitted to ``data``.

    Raises:
        DataError: If images are too large to fit a whitening to.

    Source:
        The whitenings of ``condensery.data.whitening``. For KIP, channels are standardised with the
        measured values of the training images, as in KIP, and not with published constants.
    """
    entries = data.images[0].numel()
    if entries > LARGEST:
        raise DataError(
            f"{data.name}: images of {entries} pixel values: a whitening takes the square of that "
            f"many numbers, and more than {LARGEST} values are not undone here. MTT, DATM and PAD "
            "write the same images un-whitened (images_zca_*.pt): import those with --mean 0 "
            "--std 1."
        )
    measured = measure(data.images)
    own = replace(data, mean=measured.mean, std=measured.std)
    base = whitened(own, kind)
    fitted = base.whitening
    assert isinstance(fitted, ZCA)
    return Unwhitening(
        zca=fitted.to_json(),
        mean=base.mean,
        std=base.std,
        centre=None if fitted.centre is None else fitted.centre.cpu(),
        matrix=fitted.matrix.cpu(),
        length=_average_norm(own) if fitted.centre is None else 1.0,
    )


def _average_norm(data: ImageData) -> float:
    """Average norm of the standardised training images, each minus its own mean."""
    total = 0.0
    for block in data.images.split(_BLOCK):
        flat = data.normalise(block.cpu().double() / 255).flatten(1)
        total += float((flat - flat.mean(dim=1, keepdim=True)).norm(dim=1).sum())
    return total / len(data)
