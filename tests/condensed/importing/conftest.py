"""Small data sets, and small sets as released codes order them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from condensery.data import Data, load_data

SIDE = (4, 6)

Made = Callable[..., Data]
Drawn = Callable[..., tuple[Tensor, Tensor]]


def dataset(*, classes: int = 10, channels: int = 3, name: str | None = None) -> Data:
    """Random pixels; ``name`` may be that of a known data set."""
    draw = np.random.default_rng(classes + channels)
    labels = np.arange(classes * 4) % classes
    images = draw.integers(0, 256, (len(labels), channels, *SIDE), dtype=np.uint8)
    return load_data((images, labels), name=name, test=(images, labels))


@pytest.fixture(scope="session", name="dataset")
def dataset_fixture() -> Made:
    return dataset


@pytest.fixture(scope="session")
def cifar10() -> Data:
    """A data set that is called CIFAR-10 and as small as possible."""
    return dataset(name="cifar10")


@pytest.fixture(scope="session")
def mine() -> Data:
    """A data set that no released code knows: three classes of grey images."""
    return dataset(classes=3, channels=1, name="mine")


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """Images of multiples of 1/255, class after class as released files have them; and classes."""

    def draw(data: Data, *, ipc: int) -> tuple[Tensor, Tensor]:
        classes = torch.arange(data.train.classes).repeat_interleave(ipc)
        shape = (len(classes), data.train.channels, *data.train.side)
        levels = torch.randint(256, shape, generator=torch.Generator().manual_seed(ipc))
        return levels / 255, classes

    return draw
