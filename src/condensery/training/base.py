"""How a network is trained on labelled images: the choices that every training has."""

from __future__ import annotations

from typing import Protocol

from condensery.augment import Augment

__all__ = ["Training"]


class Training(Protocol):
    """The choices of one training; how long it goes on, and by which steps, is the caller's."""

    @property
    def batch(self) -> int:
        """Images per step, at least 1; a smaller pool is taken whole."""
        ...

    @property
    def lr(self) -> float:
        """Learning rate at the start, > 0."""
        ...

    @property
    def augment(self) -> Augment:
        """What a batch goes through before the network sees it."""
        ...

    @property
    def cutmix(self) -> float:
        """Probability per batch of CutMix, in [0, 1]."""
        ...
