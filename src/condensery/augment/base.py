"""The augmentation of images before a network sees them.

A draw is a deterministic function from images to images. Random numbers are drawn on the CPU, also
for images on another device. Knows nothing about which images are real.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

Augmentation = Callable[[Tensor], Tensor]
"""From normalised images ``[example, channel, height, width]`` to images of the same shape."""


class Augment(Protocol):
    """A random transformation of images."""

    shared: ClassVar[bool] = False
    """Whether a draw transforms all images in the same way, so that real and synthetic images under
    the same draw can be compared."""

    @abstractmethod
    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Draw random parameters; the returned function is deterministic."""
        ...
