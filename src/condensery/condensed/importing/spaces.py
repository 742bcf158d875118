"""The normalisation of a released set, and its inverse, which gives pixels in [0, 1].

A file does not say how its images were normalised: this depends on the code that wrote it and on
the name of the data set. If it is not certain, it is not guessed. Knows nothing about files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensed.importing.formats import SetLocation
from condensery.condensed.importing.whitening import Unwhitening, unwhitening
from condensery.data import ImageData
from condensery.data.known import known_by_name
from condensery.data.statistics import Statistics, measure
from condensery.errors import ConfigError, DataError

_SMALL = ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100")
_OF_DATM = ("cifar10", "cifar100", "tiny-imagenet", "imagenette")
_RELEASED = {
    **dict.fromkeys(("dc", "dsa", "dm"), _SMALL),
    "mtt": (*_SMALL, "imagenette"),
    **dict.fromkeys(("datm", "pad"), _OF_DATM),
}
"""Data sets with fixed constants in the code of a method."""

_WHITENED = ("cifar10", "cifar100", "tiny-imagenet")
"""Data sets that all configurations of DATM and PAD whiten."""

# DC, DSA and DM have constants of their own for CIFAR-100; MTT uses those of CIFAR-10 again, as
# our readers do.
_CIFAR100_OF_DC = Statistics(mean=(0.5071, 0.4866, 0.4409), std=(0.2673, 0.2564, 0.2762))

_AS_BYTES = (
    "They look like pixels of 0 to 255: if they are, give --mean 0 --std 0.00392156862745098 "
    "(mean=[0], std=[1 / 255])."
)

_SLACK = 1e-6  # of float32, in going to a normalised space and back
_STRAY = 1.0  # further than this outside [0, 1] no image of IDC's kind strays between two clamps
_SHARE = 0.25  # more pixels than this outside [0, 1]: surely another space


def _unchanged(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSpace:
    """The space of normalised images, and its inverse.

    Attributes:
        undo: From images in this space to images in [0, 1].
        record: The normalisation in words and numbers, for the file.
        whitening: The whitening that was undone and must be applied again in a training.
        notices: Sentences about how the values were read.
    """

    undo: Callable[[Tensor], Tensor] = _unchanged
    record: Mapping[str, object]
    whitening: Unwhitening | None = None
    notices: tuple[str, ...] = ()


def space_of(images: Tensor, where: SetLocation, data: ImageData) -> ImageSpace:
    """Decide in which space ``images`` are.

    Args:
        images: Images of the file, float or bytes, ``[row, channel, height, width]``.
        where: The format, and the choices of mean, deviation and whitening (for KIP, the name of
            the file says whether it is whitened).
        data: The training images of the data set.

    Raises:
        ConfigError: If the choices contradict each other.
        DataError: If the space is not certain; the message says which argument is needed.
    """
    method, layout, file, given = where.format, where.layout, where.file.name, where.choices
    if images.dtype == torch.uint8:
        return _bytes(images, where)
    if given.mean is not None or given.std is not None:
        if given.zca:
            raise ConfigError(
                "mean and std undo a normalisation, zca undoes a whitening, and a set has one of "
                "them. Give either."
            )
        return _normalised(_given(given.mean, given.std, channels=data.channels), "given")
    low, high = (float(end) for end in images.aminmax())
    runs = f"{file}: its values run from {low:.3g} to {high:.3g}"
    as_bytes = low >= 0 and 50 < high <= 255
    if layout.stores == "pixels":
        outside = float(((images < 0) | (images > 1)).double().mean())
        if low >= -_STRAY and high <= 1 + _STRAY and outside <= _SHARE:
            return ImageSpace(record={"kind": "none"})
        raise DataError(
            f"{runs}, {100 * outside:.0f} % of them outside [0, 1], but format {method} stores "
            "pixels in [0, 1] that stray little. "
            + (
                _AS_BYTES
                if as_bytes
                else "If they are normalised, give mean and std (--mean ... --std ...); if they "
                "are to be clamped nevertheless, give mean 0 and std 1 (--mean 0 --std 1)."
            )
        )
    if low >= 0 and high <= 1:
        raise DataError(
            f"{runs}, within [0, 1] already, but format {method} stores normalised images. If "
            "these are pixels, say so with mean 0 and std 1 (--mean 0 --std 1); else give the "
            "mean and std that they were normalised with."
        )
    if as_bytes:
        raise DataError(f"{runs}, but format {method} stores normalised images. {_AS_BYTES}")
    known = known_by_name(data.name, classes=data.classes, channels=data.channels)
    usual = method in ("datm", "pad") and known is not None and known.name in _WHITENED
    if "zca" in layout.takes and _is_whitened(method, file, given.zca, usual=usual):
        whitening = unwhitening(data, kind="zca-regularised" if method == "kip" else "zca")
        record = dict(whitening.zca)
        if whitening.centre is None:
            record["contrast"] = "of the average training image: the whitening forgets it"
        notices: tuple[str, ...] = ()
        if given.zca is None and usual:
            notices = (
                f"{file}: does not say whether its images are ZCA-whitened. All configurations of "
                f"{method.upper()} for {data.name} whiten them, so they were read as whitened; "
                "give --no-zca (zca=False) if this run did not, which wrong pictures show.",
            )
        return ImageSpace(undo=whitening.undo, record=record, whitening=whitening, notices=notices)
    if layout.stores == "standardised":
        return _normalised(measure(data.images), "measured on the training images")
    if known is None or known.statistics is None or known.name not in _RELEASED[method]:
        raise DataError(
            f"{runs}, and nothing says how they were normalised: {method} has no constants for a "
            f"data set called {data.name!r}. Give mean and std (--mean ... --std ...), one number "
            "a channel; or the data set's name (--name cifar10), if it is one of "
            + ", ".join(_RELEASED[method])
            + "."
        )
    of_dc = known.name == "cifar100" and method in ("dc", "dsa", "dm")
    return _normalised(
        _CIFAR100_OF_DC if of_dc else known.statistics, f"constants of {method} for {known.name}"
    )


def _is_whitened(method: str, file: str, zca: bool | None, *, usual: bool) -> bool:
    if zca is not None:
        return zca
    if method == "kip" and "_nozca" in file:
        return False
    if method == "kip" and "_zca" in file:
        return True
    if method in ("mtt", "datm", "pad") and "images_zca" in file:
        raise DataError(
            f"{file}: {method.upper()} writes under this name images whose whitening it has "
            "undone. Say so with mean 0 and std 1 (--mean 0 --std 1)."
        )
    if usual:
        return True
    raise DataError(
        f"{file}: {method} stores images either normalised or ZCA-whitened, and the file does not "
        "say which. Pass zca=True (--zca) if it was made with ZCA, zca=False (--no-zca) if not. "
        "A wrong answer gives wrong pictures without an error."
    )


def _bytes(images: Tensor, where: SetLocation) -> ImageSpace:
    """The space of bytes: 255 is 1. No code normalises or whitens images into bytes."""
    file, given = where.file.name, where.choices
    pixels = (given.mean is None or set(given.mean) == {0}) and (
        given.std is None or set(given.std) == {1}
    )
    if not pixels or given.zca:
        what = "zca" if given.zca else "mean and std"
        raise ConfigError(
            f"{file}: holds bytes of 0 to 255, which are pixels: nothing is there to be undone by "
            f"{what}. Leave {'--zca (zca=)' if given.zca else '--mean and --std (mean=, std=)'} "
            "out."
        )
    notices: tuple[str, ...] = ()
    if where.layout.stores != "bytes":
        if int(images.max()) <= 1:
            raise DataError(
                f"{file}: holds bytes, all of them 0 or 1, so floats in [0, 1] were probably cut "
                "to whole numbers, which lost the pictures. Save the floats, or "
                "(images * 255).round() as bytes."
            )
        notices = (
            f"{file}: holds bytes where files of format {where.format} hold floats. Bytes are "
            "pixels of 0 to 255, so they were read as such, and no normalisation was undone.",
        )
    return ImageSpace(
        undo=lambda held: held.float() / 255, record={"kind": "none"}, notices=notices
    )


def _normalised(statistics: Statistics, source: str) -> ImageSpace:
    ends = {"mean": list(statistics.mean), "std": list(statistics.std)}

    def undo(images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(values)[:, None, None] for values in ends.values())
        return images * std + mean

    return ImageSpace(undo=undo, record={"kind": "normalised", **ends, "source": source})


def _given(
    mean: Sequence[float] | None, std: Sequence[float] | None, *, channels: int
) -> Statistics:
    if mean is None or std is None:
        raise ConfigError(
            f"mean = {mean} and std = {std}: one without the other undoes nothing. Give both."
        )
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels) or not all(math.isfinite(x) for x in values):
            raise ConfigError(
                f"{name} = {list(values)}, but the images have {channels} channel(s). Give one "
                "finite number for all, or one a channel."
            )
    if min(std) <= 0:
        raise ConfigError(f"std = {list(std)}, but a standard deviation is above 0.")
    spread = [[float(x) for x in values] * (channels // len(values)) for values in (mean, std)]
    return Statistics(mean=tuple(spread[0]), std=tuple(spread[1]))


def strayed(images: Tensor) -> tuple[float, float]:
    """Share of pixels outside [0, 1], and their largest distance from it (0 if there are none)."""
    excess = (images - images.clamp(0, 1)).abs()
    outside = excess > _SLACK
    return float(outside.double().mean()), float(excess.max()) if bool(outside.any()) else 0.0
