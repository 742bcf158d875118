"""Test images with the normalisation of a set: its mean and deviation, and its whitening.

A condensed file does not contain a whitening, but says how to compute it: its kind, and the
training images that it was fitted to. Knows nothing about networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from condensery.condensed.artifact import CondensedSet
from condensery.data import WHITENINGS, Data, ImageData, whitened
from condensery.data.whitening import EPS
from condensery.errors import DataError


def check_whitening(condensed: CondensedSet, data: Data) -> None:
    """Refuse a set whose whitening cannot be computed from the given training images.

    Raises:
        DataError: If the kind is unknown, or the whitening was fitted to other images.
    """
    found = condensed.manifest["zca"]
    if found is None:
        return
    record = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
    kind, eps, fitted_to = (record.get(key) for key in ("kind", "eps", "fitted_to"))
    if kind not in WHITENINGS[1:] or eps != EPS:
        raise DataError(
            f"The condensed set says zca = {found!r}, which is no ZCA known here. Known are "
            f"{' and '.join(WHITENINGS[1:])} with eps {EPS}."
        )
    if fitted_to != data.train.fingerprint:
        raise DataError(
            f"The condensed set was made for images whitened as those of fingerprint {fitted_to}, "
            f"but the training images of {data.name} have {data.train.fingerprint}: accuracies "
            "would mean nothing. Evaluate on the data that the set was condensed from."
        )


def normalised_as(condensed: CondensedSet, data: Data) -> ImageData:
    """The test images with the normalisation of the set."""
    return _as(data.test, condensed, data)


def normalised_train(condensed: CondensedSet, data: Data) -> ImageData:
    """The training images with the normalisation of the set."""
    return _as(data.train, condensed, data)


def train_as(condensed: CondensedSet, data: Data) -> ImageData:
    """The training images with the whitening of the set, if it has one."""
    return data.train if condensed.manifest["zca"] is None else _as(data.train, condensed, data)


def _as(images: ImageData, condensed: CondensedSet, data: Data) -> ImageData:
    standard = {"mean": tuple(condensed.mean), "std": tuple(condensed.std), "whitening": None}
    plain, zca = replace(images, **standard), condensed.manifest["zca"]
    if zca is None:
        return plain
    return whitened(plain, zca["kind"], fitted_on=replace(data.train, **standard))
