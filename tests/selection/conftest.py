"""Small training splits to select from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from condensery.data import ImageData
from condensery.rng import stream


def toy(per_class: tuple[int, ...], seed: int = 0, side: int = 8) -> ImageData:
    """Square grey images; class ``c`` lies around ``40 + 60 c``, every image differs."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(per_class)])
    rng = stream(seed, "toy")
    labels = labels[torch.randperm(len(labels), generator=rng)]
    noise = torch.randint(-25, 26, (len(labels), 1, side, side), generator=rng)
    return ImageData(
        name="toy",
        images=(40 + 60 * labels[:, None, None, None] + noise).to(torch.uint8),
        labels=labels,
        class_names=tuple(f"c{c}" for c in range(len(per_class))),
        mean=(0.4,),
        std=(0.2,),
    )


@pytest.fixture
def split() -> Callable[..., ImageData]:
    return toy


@pytest.fixture
def data() -> ImageData:
    return toy((9, 12, 10))
