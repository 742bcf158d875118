"""A run as small as it can be."""

from __future__ import annotations

import pytest
import torch

from condensery.augment import Identity
from condensery.condensing.objectives import DistributionMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import OneSize
from condensery.condensing.updates import SGD
from condensery.data import ImageData
from condensery.parameterizations import Pixels


@pytest.fixture
def small_data():
    images = torch.arange(6 * 64).reshape(6, 1, 8, 8) % 251
    return ImageData(
        name="small",
        images=images.to(torch.uint8),
        labels=torch.tensor([0, 1] * 3),
        class_names=("a", "b"),
        mean=(0.5,),
        std=(0.25,),
    )


@pytest.fixture
def small_recipe():
    return Recipe(
        method="test",
        preset="test",
        ipc=2,
        iterations=2,
        network="convnet2-w4",
        parameterization=Pixels(),
        augment=Identity(),
        sampler=RandomPerClass(batch=2),
        schedule=Redraw(inner=1, steps=0),
        objective=DistributionMatching(),
        size_policy=OneSize(),
        update=SGD(lr=0.1),
    )
