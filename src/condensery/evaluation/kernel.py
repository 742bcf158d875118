"""Testing a set without a network: kernel ridge regression from its images to the test images.

Of the recipe of a set, only the regression is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from condensery.condensing.objectives import RidgeRegression
from condensery.data import ImageData
from condensery.parts import read_part
from condensery.registry import name_of

_BLOCK = 2000  # test images at a time


def regression_of(recipe: Mapping[str, Any]) -> RidgeRegression | None:
    """The regression for which a set was condensed, or None if there was another objective.

    Raises:
        ConfigError: If the library cannot build the regression that the recipe names.
    """
    objective = recipe.get("objective")
    if not isinstance(objective, Mapping):
        return None
    if objective.get("kind") != name_of("objective", RidgeRegression):
        return None  # and nothing that a file names is imported
    return read_part("objective", objective)


@torch.no_grad()
def kernel_accuracy(
    regression: RidgeRegression, images: Tensor, labels: Tensor, test: ImageData
) -> float:
    """Fraction of the test images that a set predicts correctly.

    Args:
        regression: Kernel and ridge.
        images: Images of the set, normalised as ``test``.
        labels: Class index ``[example]`` or learned labels ``[example, class_]``.
        test: Test images.
    """
    right = 0
    for index in torch.arange(len(test)).split(_BLOCK):
        shown = test.normalise(test.pixels(index))
        said = regression.classify(images, labels, shown, classes=test.classes)
        right += int((said.cpu() == test.labels[index]).sum())
    return right / len(test)
