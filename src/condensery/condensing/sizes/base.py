"""Which sizes of the set are matched at a step, with which weights, and which images are frozen.

A size policy returns *images-per-class vectors*: the number of images of every class in each
matched set. It never sees a network, a gradient or the name of an objective. Its state is a mapping
of tensors that goes in and out, so that a policy is a value and a run can be resumed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.condensing.objectives import Objective
from condensery.errors import ConfigError, nearest

SizeState = Mapping[str, Tensor]

Weights = Literal["uniform", "inverse", "proportional"]

WEIGHTS: Mapping[Weights, int] = {"uniform": 0, "inverse": -1, "proportional": 1}
"""The weight of a set is proportional to this power of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedSets:
    """The sets that are matched at a step.

    Attributes:
        images: Images per class of each set, at least 1, ``[set, class_]``; the full set is first.
            A class with fewer images gives all of them.
        weights: Factor of the loss of each set, at least 0, ``[set]``.
    """

    images: Int[Tensor, "set class_"]
    weights: Float[Tensor, "set"]


class SizePolicy(Protocol):
    """Chooses sizes from 1 to N. A size policy must implement ``sets``."""

    @abstractmethod
    def sets(self, state: SizeState, *, outer: int, rng: torch.Generator) -> MatchedSets:
        """The sets that are matched at a step.

        Args:
            state: The current state.
            outer: Outer iteration, from 0.
            rng: Random stream of this step.
        """
        ...

    @property
    def measure(self) -> Objective | None:
        """The objective that measures every size when ``measures`` says so; None: never."""
        return None

    @property
    def freezes_exactly(self) -> bool:
        """Whether frozen images keep their bits; otherwise only their gradient is zeroed."""
        return True

    def init(self, counts: Tensor) -> SizeState:
        """The state before the first iteration, if class ``c`` stores ``counts[c]`` images.

        A policy with a state of its own must keep ``counts`` in it.
        """
        return {"counts": counts}

    def frozen(self, state: SizeState, *, outer: int) -> Tensor:
        """The number of frozen images of each class, counted from rank 0, ``[class_]``."""
        del outer
        return torch.zeros_like(state["counts"])

    def measures(self, outer: int) -> bool:
        """Whether the sizes are measured during this outer iteration."""
        del outer
        return False

    def observe(self, state: SizeState, distances: Tensor) -> SizeState:
        """The state after the losses ``[class_, size]`` of sizes 1..N were measured at a step."""
        del distances
        return state

    def close(self, state: SizeState, *, outer: int) -> SizeState:
        """The state after an outer iteration."""
        del outer
        return state


def check_weights(weights: str) -> None:
    """Refuse an unknown word for the weights of sizes.

    Raises:
        ConfigError: Names the nearest known word.
    """
    if weights not in WEIGHTS:
        raise ConfigError(
            f"size_policy.weights = {weights!r} is unknown; known are {', '.join(WEIGHTS)}."
            f"{nearest(weights, WEIGHTS)}"
        )


def full(state: SizeState) -> Tensor:
    """The vector of the whole set: N images of every class, ``[class_]``."""
    return torch.full_like(state["counts"], int(state["counts"].max()))


def weighted(images: Int[Tensor, "set class_"], weights: Weights) -> MatchedSets:
    """Sets with weights that are a power of their sizes; the mean weight is 1.

    Args:
        images: Images per class of each set.
        weights: ``"uniform"``: 1 for every set. ``"inverse"``: proportional to ``1 / size``.
            ``"proportional"``: proportional to ``size``. The size of a set is its mean over
            classes.
    """
    raw = images.double().mean(dim=1).pow(WEIGHTS[weights])
    return MatchedSets(images=images, weights=(raw * len(raw) / raw.sum()).float())
