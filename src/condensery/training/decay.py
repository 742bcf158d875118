"""How the learning rate falls over a training of known length.

Knows nothing about what is trained.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, TypeAlias

from condensery.errors import ConfigError, nearest

Decay: TypeAlias = Literal["constant", "milestones", "cosine"]

MILESTONES = (Fraction(2, 3), Fraction(5, 6))
"""Shares of a training after which the learning rate falls, as in most released codes."""

_GAMMA = 0.2
_KNOWN = ("constant", "milestones", "cosine")


def decayed(decay: Decay, step: int, *, total: int) -> float:
    """The factor of the first learning rate at a step.

    Args:
        decay: ``"constant"``: 1. ``"milestones"``: a fifth after each of ``MILESTONES``.
            ``"cosine"``: half a cosine from 1 to 0.
        step: Number of the step, from 0.
        total: Steps of the whole training.
    """
    if decay == "milestones":
        return _GAMMA ** sum(math.floor(share * total) <= step for share in MILESTONES)
    return (1 + math.cos(math.pi * (step / total))) / 2 if decay == "cosine" else 1.0


def check_decay(name: str, decay: str) -> None:
    """Refuse an unknown word for the fall of a learning rate.

    Raises:
        ConfigError: Names the nearest known word.
    """
    if decay not in _KNOWN:
        raise ConfigError(
            f"{name} = {decay!r} is unknown; known are {', '.join(_KNOWN)}.{nearest(decay, _KNOWN)}"
        )
