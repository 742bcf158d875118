"""Which real examples an image update sees.

Knows nothing about losses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from condensery.augment import Augment
from condensery.condensing.objectives import Objective
from condensery.condensing.schedules import Schedule
from condensery.condensing.sizes import SizePolicy
from condensery.data import ImageData
from condensery.types import Examples, StepContext


class Draw(Protocol):
    """The draws of one outer iteration."""

    def __call__(
        self, context: StepContext, *, classes: Sequence[int], rng: torch.Generator
    ) -> Mapping[int, Tensor]:
        """Positions in the data of the real images of every class.

        Args:
            context: The context of the image update.
            classes: The classes to draw for: the same ones at every update of the iteration.
            rng: Random stream of this draw. The draws of a class must not depend on which other
                classes are drawn (``condensery.rng.branches``).
        """
        ...


class RecipeFacts(Protocol):
    """The fields of a recipe that ``Sampler.check`` may read."""

    @property
    def augment(self) -> Augment:
        """How images are augmented."""
        ...

    @property
    def schedule(self) -> Schedule:
        """Under which networks images are matched."""
        ...

    @property
    def objective(self) -> Objective:
        """What is matched."""
        ...

    @property
    def size_policy(self) -> SizePolicy:
        """For which sizes."""
        ...


class Sampler(Protocol):
    """How real examples are drawn. A sampler must implement ``begin``."""

    @abstractmethod
    def begin(self, data: ImageData) -> Draw:
        """The draws of one outer iteration.

        Their state ends with the outer iteration, so that a run can resume at any iteration.
        """
        ...

    def check(self, recipe: RecipeFacts) -> None:
        """Refuse the other parts of a recipe with which this sampler cannot work.

        Raises:
            ConfigError: Names the key and what would work.
        """
        del recipe

    def provider(self, data: ImageData, device: str) -> Callable[[StepContext], StepContext]:
        """What objectives get from the sampler besides real examples, in one run and process.

        Args:
            data: Real training images.
            device: The device of the networks.

        Returns:
            Maps the context of every image update to the one that objectives see.
        """
        del data, device
        return lambda context: context

    def costly_draws(self, updates: int) -> int:
        """Number of draws of an outer iteration that take long, such as a clustering."""
        del updates
        return 0

    def cheap(self) -> Sampler:
        """The sampler without the draws that take long, for measuring the time of the rest."""
        return self


def real_examples(data: ImageData, index: Tensor) -> Examples:
    """The images at ``index`` as real examples in [0, 1], rank 0."""
    labels = data.labels[index]
    return Examples(
        images=data.pixels(index), labels=labels, class_=labels, rank=torch.zeros_like(labels)
    )
