"""Which networks the images are matched under, and when.

A schedule is a generator of contexts: **each yield means "update the images here"**. Knows nothing
about losses or sizes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from torch import nn

from condensery.data import ImageData
from condensery.experts import ExpertSet, ExpertTraining
from condensery.training import Training
from condensery.types import Examples, StepContext

__all__ = ["NetworkTraining", "RunContext", "Schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTraining:
    """Network training that a run needs besides its image updates, for estimates of time.

    Attributes:
        training: How.
        steps: In the whole run.
        batch: Images of a step.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether it is compiled.
        concurrent: Networks that are trained at the same time, one in each thread; None: one
            network uses all threads.
    """

    training: Training
    steps: int
    batch: int
    precision: str
    compiled: bool
    concurrent: int | None = None


class Schedule(Protocol):
    """Networks over a run. A schedule must have ``updates`` and ``contexts``."""

    reads_synthetic: ClassVar[bool] = False
    """Whether networks depend on the synthetic set; if not, several sets can share them."""

    needs_network: ClassVar[bool] = True
    """Whether images are matched under a network; if not, the recipe's network is ``"none"``."""

    @property
    def repeats(self) -> int:
        """Image updates that are made under earlier contexts again, for each new one."""
        return 0

    @property
    @abstractmethod
    def updates(self) -> int:
        """Image updates in an outer iteration, at least 1."""
        ...

    @abstractmethod
    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """The contexts of one outer iteration, ``updates`` of them.

        They depend on ``outer`` and ``run`` alone, so that a run can be resumed at any iteration.
        """
        ...

    def network_training(
        self, run: RunContext, *, iterations: int, examples: int
    ) -> NetworkTraining | None:
        """The network training of a run; None where there is none, or its length is unknown.

        Args:
            run: As in ``contexts``; no network is built.
            iterations: Outer iterations of the run.
            examples: Examples that the set decodes to.
        """
        del run, iterations, examples
        return None

    def untrained(self) -> Schedule:
        """The schedule with as little network training as there can be, for timing the rest."""
        return self

    def experts(self, data: ImageData, *, network: str, device: str = "cpu") -> ExpertSet | None:
        """The networks that must be trained on real data before the run; None: none.

        Args:
            data: Real images, as the networks are to see them.
            network: Name of the architecture.
            device: Where they are trained.
        """
        del data, network, device
        return None

    def expert_training(self, network: str) -> ExpertTraining | None:
        """All that decides these networks but the images; None: there are none."""
        del network
        return None

    def with_buffer(self, folder: Path, *, instead: bool = False) -> Schedule:
        """The schedule with a folder for networks that are trained before the run.

        Args:
            folder: Made if absent.
            instead: Whether it also replaces a folder that the schedule names itself.
        """
        del folder, instead
        return self

    def check(self, data: ImageData, *, network: str, device: str = "cpu") -> None:
        """Refuse, before a run, what the schedule names and cannot use; trains nothing.

        Raises:
            ArtifactError: If a folder holds experts of other data or another training.
        """
        del data, network, device

    @property
    def compiles(self) -> bool:
        """Whether the schedule has networks of its own to train by compiled code."""
        return False

    def uncompiled(self, *, keep_precision: bool) -> Schedule:
        """The schedule for a machine that cannot compile, in fp32 unless its precision is kept."""
        del keep_precision
        return self

    def suited(
        self, network: Callable[[], nn.Module], data: ImageData, *, device: str
    ) -> Mapping[str, object]:
        """Choices of the schedule that the machine decides where the user does not.

        Args:
            network: Builds a network of the run, to look at.
            data: Real images.
            device: Where networks live.
        """
        del network, data, device
        return {}
