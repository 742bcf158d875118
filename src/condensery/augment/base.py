"""What images go through before a network sees them.

A draw is a function from images to images that gives the same bits whenever it is called. Numbers
are drawn on the CPU, whatever device the images are on. Knows nothing about which images are real.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

__all__ = ["Augment", "Augmentation"]

Augmentation = Callable[[Tensor], Tensor]
"""Normalised images ``[example, channel, height, width]`` -> the same shape."""


class Augment(Protocol):
    """A random change of images."""

    shared: ClassVar[bool] = False
    """Whether one draw changes all images alike, so that real and synthetic images that are shown
    the same draw can be compared."""

    @abstractmethod
    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Draw once; what is returned draws nothing of its own."""
        ...
