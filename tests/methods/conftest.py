"""The small data set that methods are run on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery


@pytest.fixture(scope="module")
def digits():
    """Three digits, thirty train images each."""
    whole = condensery.load_data("digits")
    index = torch.cat([whole.train.of_class(c)[:30] for c in range(3)])
    train = replace(
        whole.train,
        images=whole.train.images[index],
        labels=whole.train.labels[index],
        class_names=("0", "1", "2"),
    )
    index = (whole.test.labels < 3).nonzero()[:, 0]
    test = replace(
        whole.test,
        images=whole.test.images[index],
        labels=whole.test.labels[index],
        class_names=("0", "1", "2"),
    )
    return replace(whole, train=train, test=test)
