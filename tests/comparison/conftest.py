"""Digits, and the smallest recipes there are."""

from __future__ import annotations

import pytest

from condensery.comparison import Asked
from condensery.data import ImageData, load_data

TINY = Asked(
    ipc=3,
    preset="smoke",
    network="convnet2-w4",
    settings=(("iterations", "1"), ("schedule.inner", "1"), ("schedule.steps", "1")),
)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data("digits").train


@pytest.fixture
def tiny() -> Asked:
    return TINY
