"""Small data sets and sets for the evaluation tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, ImageData
from condensery.rng import stream
from condensery.selection import random_selection


def toy(
    per_class: tuple[int, ...], seed: int, *, name: str = "toy", side: int = 8, channels: int = 1
) -> ImageData:
    """Classes that differ in brightness: class ``c`` lies around ``40 + 60 c``."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(per_class)])
    rng = stream(seed, "toy")
    order = torch.randperm(len(labels), generator=rng)
    labels = labels[order]
    noise = torch.randint(-25, 26, (len(labels), channels, side, side), generator=rng)
    images = (40 + 60 * labels[:, None, None, None] + noise).to(torch.uint8)
    return ImageData(
        name=name,
        images=images,
        labels=labels,
        class_names=tuple(f"c{c}" for c in range(len(per_class))),
        mean=(0.4,) * channels,
        std=(0.2,) * channels,
    )


@pytest.fixture
def split() -> Callable[..., ImageData]:
    """Makes a split of a toy data set (test modules cannot import this file)."""
    return toy


@pytest.fixture
def data() -> Data:
    return Data(name="toy", train=toy((9, 12, 10), 0), test=toy((5, 5, 5), 1))


@pytest.fixture
def condensed(data: Data) -> CondensedSet:
    """A set of 4 images per class."""
    return random_selection(data.train, ipc=4, seed=77)
