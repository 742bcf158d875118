"""The way back from whitened images to pixels, with the whitening fitted again to the data.

MTT's whitening has an inverse. KIP's has none: it first divides every image by its own norm, so
brightness and contrast of an image are lost; every image gets those of the average one. Whitened
again, it is the same image as before, but for the length that KIP's images have strayed from 1.
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
    """A whitening that was fitted again, to be undone.

    Attributes:
        zca: How to obtain it, as a condensed file says it.
        mean: What images are standardised with before they are whitened, one a channel.
        std: As ``mean``.
        centre: Subtracted before the matrix, ``[entry]``, or ``None``.
        matrix: ``[entry, entry]``, float64.
        length: Of every image before the matrix; 1 where the whitening leaves lengths alone.
    """

    zca: Mapping[str, object]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    centre: Tensor | None
    matrix: Tensor
    length: float

    def undo(self, images: Tensor) -> Tensor:
        """Whitened images -> images whose data set is in [0, 1]; float32."""
        rows = images.flatten(1).double()
        standard = torch.linalg.solve(self.matrix, rows.T).T * self.length  # it is symmetric
        if self.centre is not None:
            standard = standard + self.centre
        mean, std = (standard.new_tensor(x)[:, None, None] for x in (self.mean, self.std))
        return (standard.reshape(images.shape) * std + mean).to(torch.float32)


def unwhitening(data: ImageData, *, kind: str) -> Unwhitening:
    """The whitening of a kind, fitted to ``data``, to be undone.

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
    """Average length of the standardised training images, each minus its own mean."""
    total = 0.0
    for block in data.images.split(_BLOCK):
        flat = data.normalise(block.cpu().double() / 255).flatten(1)
        total += float((flat - flat.mean(dim=1, keepdim=True)).norm(dim=1).sum())
    return total / len(data)
