"""ZCA whitening as MTT fits it to the training images, and its inverse.

With the mean ``m`` and the covariance ``U diag(s) U'`` of the flattened training images in
[0, 1], whitening is ``(x - m) U diag(s + eps)^(-1/2) U'``; its inverse is
``z U diag(s + eps)^(1/2) U' + m``.

Source:
    Cazenavette et al. 2022 (MTT), whose released code has this whitening of kornia with
    ``eps = 0.1``: unbiased covariance, no normalisation before. Differs: computed in float64,
    with a symmetric eigenvalue decomposition (released: float32, singular values).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from condensery.errors import DataError

__all__ = ["Whitening", "whitening"]

EPS = 0.1
"""Of MTT."""

LARGEST = 4096
"""Entries of an image, above which the covariance is not decomposed (32 x 32 in colour: 3072)."""

_BLOCK = 1024  # images held as float64 at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whitening:
    """A fitted whitening.

    Attributes:
        mean: ``[entry]``, float64.
        vectors: ``U``, one eigenvector a column, ``[entry, entry]``.
        values: ``s``, ``[entry]``, at least 0.
        eps: Added to every eigenvalue.
    """

    mean: Float[Tensor, "entry"]
    vectors: Float[Tensor, "entry entry"]
    values: Float[Tensor, "entry"]
    eps: float

    def undo(self, images: Tensor) -> Tensor:
        """Whitened images -> images whose data set is in [0, 1]; float32."""
        flat = images.flatten(1).double()
        scaled = (flat @ self.vectors) * (self.values + self.eps).sqrt()
        return (scaled @ self.vectors.T + self.mean).to(torch.float32).view_as(images)


def whitening(
    images: UInt8[Tensor, "image channel height width"], *, eps: float = EPS
) -> Whitening:
    """Fit a whitening to all images of a data set.

    Args:
        images: At least two.
        eps: Above 0.

    Raises:
        DataError: If an image has more than ``LARGEST`` entries.
    """
    entries = images[0].numel()
    if entries > LARGEST:
        raise DataError(
            f"images of {entries} pixel values: the covariance of a ZCA whitening has the square "
            f"of that many entries, and more than {LARGEST} are not undone here. MTT writes the "
            "same images un-whitened beside (images_zca_*.pt): import those with --mean 0 --std 1."
        )
    blocks = images.split(_BLOCK)
    total = torch.zeros(entries, dtype=torch.float64)
    for block in blocks:
        total += _flat(block).sum(0)
    mean = total / len(images)
    covariance = torch.zeros(entries, entries, dtype=torch.float64)
    for block in blocks:
        centred = _flat(block) - mean
        covariance += centred.T @ centred
    values, vectors = torch.linalg.eigh(covariance / (len(images) - 1))
    return Whitening(mean=mean, vectors=vectors, values=values.clamp(min=0), eps=eps)


def _flat(images: Tensor) -> Tensor:
    return images.cpu().flatten(1).double() / 255
