"""ZCA whitening: uncorrelated pixels in a basis that is close to the original one.

There are two kinds, from two papers. Both are fitted to all training images and then applied to
training, test and synthetic images. Stored images are never whitened: a whitening is the last step
of ``ImageData.normalise``. Knows nothing about methods or files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from condensery.data.image_data import ImageData
from condensery.errors import ConfigError, DataError, nearest

WHITENINGS = ("none", "zca", "zca-regularised")
"""The names of whitenings in recipes."""

EPS = 0.1
"""Epsilon of both papers: absolute in ``zca``, relative to the mean eigenvalue otherwise."""

LARGEST = 4096
"""Largest number of entries of an image for a decomposition (32 x 32 in colour: 3072)."""

_BLOCK = 1024  # images at a time: the largest number for which sums of ``_integers`` are exact
_PANEL = 512  # columns at a time: a product with itself is symmetric, half of it is enough
_TINY = 1e-12  # keeps the norm of an image of one colour differentiable
_REMEMBERED = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZCA:
    """A fitted whitening of channel-standardised images.

    Attributes:
        kind: ``"zca"`` or ``"zca-regularised"``.
        eps: See ``EPS``.
        fitted_to: Fingerprint of the training data.
        centre: Subtracted from every image, ``[entry]``, float64; ``None`` if instead the own mean
            of every image is subtracted, and the image is divided by its norm.
        matrix: ``[entry, entry]``, float64, symmetric.
    """

    kind: str
    eps: float
    fitted_to: str
    centre: Float[Tensor, "entry"] | None
    matrix: Float[Tensor, "entry entry"]
    _cast: dict[tuple[torch.dtype, torch.device], Tensor] = field(default_factory=dict, repr=False)

    def __call__(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example channel height width"]:
        """Whiten standardised images; keeps dtype, device and graph."""
        flat = images.flatten(1)
        rows = _own_units(flat) if self.centre is None else flat - self.centre.to(flat)
        key = (flat.dtype, flat.device)
        if key not in self._cast:
            self._cast[key] = self.matrix.to(flat)
        return (rows @ self._cast[key]).view_as(images)

    def to_json(self) -> dict[str, Any]:
        """How to compute it again, for a condensed file."""
        return {"kind": self.kind, "eps": self.eps, "fitted_to": self.fitted_to}


def whitened(data: ImageData, kind: str, *, fitted_on: ImageData | None = None) -> ImageData:
    """The same data with a whitening of a kind, or without one for ``"none"``.

    ``"zca"``: images in [0, 1] minus the mean image, times ``U diag(s + eps)^(-1/2) U'`` of their
    unbiased covariance. There is no standardisation before it, so the result has mean 0 and
    deviation 1.

    ``"zca-regularised"``: images standardised per channel, each minus its own mean and divided by
    its own Euclidean norm, times ``U diag(s)^(-1/2) U'`` of ``X'X / n + eps tr(X'X / n) / d I``.

    Args:
        data: The data to whiten; its images are not changed.
        kind: One of ``WHITENINGS``.
        fitted_on: The training split, if ``data`` is another one. It must have the mean and
            deviation of ``data``.

    Returns:
        ``data`` with another ``normalise``. The last few whitenings are stored by fingerprint, so
        that a second call takes no time.

    Raises:
        ConfigError: If the kind is unknown.
        DataError: If images have more than ``LARGEST`` entries, or there is only one image.

    Source:
        ``zca``: Cazenavette et al. 2022 (MTT), kornia's whitening with eps 0.1.
        ``zca-regularised``: Nguyen et al. 2021 (KIP), the released preprocessing.
        Differs: float64, and an eigenvalue decomposition in place of a singular one.
    """
    if kind not in WHITENINGS:
        raise ConfigError(
            f"whiten = {kind!r} is unknown; known are {', '.join(WHITENINGS)}."
            f"{nearest(kind, WHITENINGS)}"
        )
    if (data.whitening.kind if data.whitening else "none") == kind and fitted_on is None:
        return data
    if kind == "none":
        return replace(data, whitening=None)
    plain = (0.0,) * data.channels, (1.0,) * data.channels
    mean, std = plain if kind == "zca" else (data.mean, data.std)
    base = replace(data if fitted_on is None else fitted_on, mean=mean, std=std, whitening=None)
    fitted = _fitted(base, kind)
    return replace(data, mean=mean, std=std, whitening=fitted)


_known: dict[tuple[str, str, tuple[float, ...], tuple[float, ...]], ZCA] = {}


def _fitted(data: ImageData, kind: str) -> ZCA:
    """The whitening of a training split, from memory if it was fitted before."""
    key = (kind, data.fingerprint, data.mean, data.std)
    if key not in _known:
        _known[key] = _fit(data, kind)
        for oldest in list(_known)[:-_REMEMBERED]:
            del _known[oldest]
    return _known[key]


def _fit(data: ImageData, kind: str) -> ZCA:
    count, entries = len(data), data.images[0].numel()
    if entries > LARGEST or count < 2:
        raise DataError(
            f"{data.name}: {count} images of {entries} pixel values cannot be whitened: it takes "
            f"2 images or more, of at most {LARGEST} values (the covariance has their square). "
            "Use --set whiten=none, or smaller images (--image-size)."
        )
    if kind == "zca":
        sums = torch.zeros(entries, dtype=torch.float64, device=data.images.device)
        for block in data.images.split(_BLOCK):
            sums += _integers(block).sum(dim=0)
        mean = sums / count
        second = _second_moment(data, _integers) / count - mean.outer(mean)
        covariance = second * (count / (count - 1) / 255**2)
        centre, ridge = (mean + 128) / 255, EPS
    else:

        def units(block: Tensor) -> Tensor:
            return _own_units(data.normalise(block.double() / 255).flatten(1))

        covariance = _second_moment(data, units) / count
        centre, ridge = None, EPS * float(covariance.trace()) / entries
    values, vectors = torch.linalg.eigh(covariance)
    root = (values.clamp(min=0) + ridge).rsqrt()
    matrix = (vectors * root) @ vectors.T
    return ZCA(
        kind=kind,
        eps=EPS,
        fitted_to=data.fingerprint,
        centre=centre,
        matrix=(matrix + matrix.T) / 2,
    )


def _integers(block: UInt8[Tensor, "image channel height width"]) -> Tensor:
    """Bytes minus 128; a float32 sum of up to 1024 products is at most 2^24 and therefore exact."""
    return block.flatten(1).float() - 128


def _own_units(rows: Tensor) -> Tensor:
    """Each row minus its mean, divided by its norm."""
    centred = rows - rows.mean(dim=1, keepdim=True)
    return centred / (centred.square().sum(dim=1, keepdim=True) + _TINY).sqrt()


def _second_moment(data: ImageData, rows_of: Callable[[Tensor], Tensor]) -> Tensor:
    """``X'X`` over all images, float64; blocks are multiplied in the dtype of their rows."""
    entries = data.images[0].numel()
    total = torch.zeros(entries, entries, dtype=torch.float64, device=data.images.device)
    for block in data.images.split(_BLOCK):
        rows = rows_of(block)
        for start in range(0, entries, _PANEL):
            panel = slice(start, start + _PANEL)
            total[panel, start:] += rows[:, panel].T @ rows[:, start:]
    return total.triu() + total.triu(1).T
