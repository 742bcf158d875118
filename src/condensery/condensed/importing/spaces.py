"""In which space the numbers of a released set are, and the way back to pixels in [0, 1].

A file does not say how its images were normalised: the code that wrote it does, by the name of
the data set. Where neither says it, nothing is guessed. Knows nothing about files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensed.importing.formats import Format
from condensery.condensed.importing.whitening import Unwhitening, unwhitening
from condensery.data import ImageData
from condensery.data.known import known_by_name
from condensery.data.statistics import Statistics, measure
from condensery.errors import ConfigError, DataError

__all__ = ["Space", "space_of", "strayed"]

_SMALL = ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100")
_RELEASED = {
    "dc": _SMALL,
    "dsa": _SMALL,
    "dm": _SMALL,
    "mtt": (*_SMALL, "imagenette"),
}
"""Data sets whose constants are fixed in the code of a method."""

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """Where images are, and how to leave it.

    Attributes:
        undo: Images in this space -> images whose data set is in [0, 1].
        record: The same in words and numbers, for the file.
        whitening: That was undone, and is to be done again by whoever trains on the images.
        notices: Whole sentences about how the values were read.
    """

    undo: Callable[[Tensor], Tensor]
    record: Mapping[str, object]
    whitening: Unwhitening | None = None
    notices: tuple[str, ...] = ()


def space_of(
    images: Tensor,
    *,
    method: str,
    layout: Format,
    file: str,
    data: ImageData,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    zca: bool | None,
) -> Space:
    """Decide in which space ``images`` are.

    Args:
        images: As stored, float or bytes, ``[row, channel, height, width]``.
        method: Whose code wrote them.
        layout: Of ``method``.
        file: Its name (KIP says there whether it is whitened).
        data: The training images that they stand for.
        mean: Given by the user: one number, or one a channel.
        std: As ``mean``, above 0.
        zca: Whether they are whitened, if the user says so.

    Raises:
        ConfigError: If what is given contradicts itself.
        DataError: If what is given leaves it open; the message says what to pass.
    """
    if images.dtype == torch.uint8:
        return _bytes(images, method, layout, file, mean=mean, std=std, zca=zca)
    if mean is not None or std is not None:
        if zca:
            raise ConfigError(
                "mean and std undo a normalisation, zca undoes a whitening, and a set has one of "
                "them. Give either."
            )
        return _normalised(_given(mean, std, channels=data.channels), "given")
    if layout.stores == "pixels":
        return _pixels(images, method, file)
    low, high = (float(end) for end in images.aminmax())
    if low >= 0 and high <= 1:
        raise DataError(
            f"{file}: its values run from {low:g} to {high:g}, within [0, 1] already, but format "
            f"{method} stores normalised images. If these are pixels, say so with mean 0 and std 1 "
            "(--mean 0 --std 1); else give the mean and std that they were normalised with."
        )
    if _like_bytes(low, high):
        raise DataError(
            f"{file}: its values run from {low:.3g} to {high:.3g}, but format {method} stores "
            f"normalised images. {_AS_BYTES}"
        )
    if layout.whitened and _is_whitened(method, file, zca):
        kind = "zca" if method == "mtt" else "zca-regularised"
        whitening = unwhitening(data, kind=kind)
        record = dict(whitening.zca)
        if whitening.centre is None:
            record["contrast"] = "of the average training image: the whitening forgets it"
        return Space(undo=whitening.undo, record=record, whitening=whitening)
    if layout.stores == "standardised":
        return _normalised(measure(data.images), "measured on the training images")
    known = known_by_name(data.name, classes=data.classes, channels=data.channels)
    if known is None or known.name not in _RELEASED[method]:
        raise DataError(
            f"{file}: its values run from {low:.3g} to {high:.3g}, and nothing says how they were "
            f"normalised: {method} has no constants for a data set called {data.name!r}. Give "
            "mean and std (--mean ... --std ...), one number a channel; or the data set's name "
            "(--name cifar10), if it is one of " + ", ".join(_RELEASED[method]) + "."
        )
    of_dc = known.name == "cifar100" and method in ("dc", "dsa", "dm")
    return _normalised(
        _CIFAR100_OF_DC if of_dc else known.statistics, f"constants of {method} for {known.name}"
    )


def _is_whitened(method: str, file: str, zca: bool | None) -> bool:
    if zca is not None:
        return zca
    if method == "kip" and "_nozca" in file:
        return False
    if method == "kip" and "_zca" in file:
        return True
    if method == "mtt" and "images_zca" in file:
        raise DataError(
            f"{file}: MTT writes under this name images whose whitening it has undone. Say so "
            "with mean 0 and std 1 (--mean 0 --std 1)."
        )
    raise DataError(
        f"{file}: {method} stores images either normalised or ZCA-whitened, and the file does not "
        "say which. Pass zca=True (--zca) if it was made with ZCA, zca=False (--no-zca) if not. "
        "A wrong answer gives wrong pictures without an error."
    )


def _pixels(images: Tensor, method: str, file: str) -> Space:
    low, high = (float(end) for end in images.aminmax())
    outside = float(((images < 0) | (images > 1)).double().mean())
    if low < -_STRAY or high > 1 + _STRAY or outside > _SHARE:
        raise DataError(
            f"{file}: its values run from {low:.3g} to {high:.3g}, {100 * outside:.0f} % of them "
            f"outside [0, 1], but format {method} stores pixels in [0, 1] that stray little. "
            + (
                _AS_BYTES
                if _like_bytes(low, high)
                else "If they are normalised, give mean and std (--mean ... --std ...); if they "
                "are to be clamped nevertheless, give mean 0 and std 1 (--mean 0 --std 1)."
            )
        )
    return Space(undo=lambda pixels: pixels, record={"kind": "none"})


def _like_bytes(low: float, high: float) -> bool:
    """Whether floats are pixels of 0 to 255 rather than normalised ones."""
    return low >= 0 and 50 < high <= 255


def _bytes(
    images: Tensor,
    method: str,
    layout: Format,
    file: str,
    *,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    zca: bool | None,
) -> Space:
    """Bytes are pixels: 255 is 1. No code normalises or whitens into bytes."""
    pixels = (mean is None or set(mean) == {0}) and (std is None or set(std) == {1})
    if not pixels or zca:
        given = "zca" if zca else "mean and std"
        raise ConfigError(
            f"{file}: holds bytes of 0 to 255, which are pixels: nothing is there to be undone by "
            f"{given}. Leave {'--zca (zca=)' if zca else '--mean and --std (mean=, std=)'} out."
        )
    if layout.stores == "bytes":
        return Space(undo=lambda bytes_: bytes_.float() / 255, record={"kind": "none"})
    if int(images.max()) <= 1:
        raise DataError(
            f"{file}: holds bytes, all of them 0 or 1, so floats in [0, 1] were probably cut to "
            "whole numbers, which lost the pictures. Save the floats, or (images * 255).round() "
            "as bytes."
        )
    return Space(
        undo=lambda bytes_: bytes_.float() / 255,
        record={"kind": "none"},
        notices=(
            f"{file}: holds bytes where files of format {method} hold floats. Bytes are pixels of "
            "0 to 255, so they were read as such, and no normalisation was undone.",
        ),
    )


def _normalised(statistics: Statistics, source: str) -> Space:
    def undo(images: Tensor) -> Tensor:
        mean = images.new_tensor(statistics.mean)[:, None, None]
        std = images.new_tensor(statistics.std)[:, None, None]
        return images * std + mean

    record = {
        "kind": "normalised",
        "mean": list(statistics.mean),
        "std": list(statistics.std),
        "source": source,
    }
    return Space(undo=undo, record=record)


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

    def spread(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(
            float(x) for x in (values if len(values) == channels else [*values] * channels)
        )

    return Statistics(mean=spread(mean), std=spread(std))


def strayed(images: Tensor) -> tuple[float, float]:
    """Share of pixels outside [0, 1], and how far the furthest is outside (0 if none is)."""
    excess = (images - images.clamp(0, 1)).abs()
    outside = excess > _SLACK
    return float(outside.double().mean()), float(excess.max()) if bool(outside.any()) else 0.0
