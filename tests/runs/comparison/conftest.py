"""Digits, and the smallest recipes there are."""

from __future__ import annotations

import pytest

from condensery.data import ImageData, load_data
from condensery.runs.comparison.sets import ComparisonOptions

TINY = ComparisonOptions(
    ipc=3,
    preset="smoke",
    network="convnet2-w4",
    settings=(("iterations", "1"), ("schedule.inner", "1"), ("schedule.steps", "1")),
)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data("digits").train


@pytest.fixture
def tiny() -> ComparisonOptions:
    return TINY
