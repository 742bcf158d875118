"""Which networks the images are matched under, and when.

A schedule is a generator of moments: **each yield means "update the images here"**. Knows nothing
about losses or sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import nn

from condensery.data import ImageData
from condensery.types import Examples, Moment

__all__ = ["Schedule", "World"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a schedule may use besides its own choices.

    Attributes:
        data: Real images to train on.
        network: Builds a fresh network from the path of its random stream.
        synthetic: The decoded set as it is now, for schedules that ``reads_synthetic``.
        seed: Of the run.
        device: Where networks live.
        precision: Of network training, ``"fp32"`` or ``"bf16"``.
        compiled: Whether network training goes through ``torch.compile``.
        architecture: What ``network`` builds, as a recipe names it.
    """

    data: ImageData
    network: Callable[..., nn.Module]
    synthetic: Callable[[], Examples]
    seed: int
    device: str = "cpu"
    precision: str = "fp32"
    compiled: bool = False
    architecture: str = ""


class Schedule(Protocol):
    """Networks over a run."""

    reads_synthetic: ClassVar[bool]
    """Whether networks depend on the synthetic set; if not, several sets can share them."""

    @property
    def inner(self) -> int:
        """Image updates in an outer iteration."""
        ...

    def moments(self, outer: int, world: World) -> Iterator[Moment]:
        """The moments of one outer iteration; depends on ``outer`` and ``world`` alone."""
        ...
