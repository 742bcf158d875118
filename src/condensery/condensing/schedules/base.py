"""Under which networks the images are matched, and when.

A schedule is a generator of contexts: **each yield means "update the images now"**. Knows nothing
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
from condensery.training.precision import Compiling
from condensery.types import Examples, StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The run of a schedule: everything that a schedule may use besides its own choices.

    Attributes:
        data: Real images to train on.
        network: Builds a new network from the path of its random stream.
        synthetic: Returns the current decoded set, for schedules with ``reads_synthetic``.
        seed: The seed of the run.
        device: The device of the networks.
        precision: The precision of network training, ``"fp32"`` or ``"bf16"``.
        compiled: Whether network training goes through ``torch.compile``, perhaps with CUDA graphs.
        architecture: The name of the network in the recipe.
    """

    data: ImageData
    network: Callable[..., nn.Module]
    synthetic: Callable[[], Examples]
    seed: int
    device: str = "cpu"
    precision: str = "fp32"
    compiled: Compiling = False
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTraining:
    """The network training of a run besides its image updates, for estimates of time.

    Attributes:
        training: How networks are trained.
        steps: Number of steps in the whole run.
        batch: Images in a step.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether the training is compiled.
        concurrent: Networks that are trained at the same time, one in each thread; None: one
            network uses all threads.
    """

    training: Training
    steps: int
    batch: int
    precision: str
    compiled: Compiling
    concurrent: int | None = None


class Schedule(Protocol):
    """The networks of a run. A schedule must implement ``updates`` and ``contexts``."""

    reads_synthetic: ClassVar[bool] = False
    """Whether networks depend on the synthetic set. If not, several sets can share them."""

    needs_network: ClassVar[bool] = True
    """Whether there is a network. If not, the network of the recipe is ``"none"``."""

    @property
    @abstractmethod
    def updates(self) -> int:
        """Image updates in an outer iteration, at least 1."""
        ...

    @property
    def fixed_networks(self) -> int:
        """Number of the networks of the whole run, if they come again; 0: every one is new."""
        return 0

    @abstractmethod
    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """The contexts of one outer iteration, ``updates`` of them.

        They depend only on ``outer`` and ``run``, so that a run can resume at any iteration.
        """
        ...

    def network_training(
        self, run: RunContext, *, iterations: int, examples: int
    ) -> NetworkTraining | None:
        """The network training of a run; None where there is none, or its length is unknown.

        Args:
            run: As in ``contexts``; no network is built.
            iterations: Outer iterations of the run.
            examples: Number of examples of the decoded set.
        """
        del run, iterations, examples
        return None

    def untrained(self) -> Schedule:
        """The schedule with as little network training as possible, for timing the rest."""
        return self

    def experts(self, data: ImageData, *, network: str, device: str = "cpu") -> ExpertSet | None:
        """The networks that must be trained on real data before the run; None if there are none.

        Args:
            data: Real images; whitened if the recipe says so.
            network: Name of the architecture.
            device: The device of the training.
        """
        del data, network, device
        return None

    def expert_training(self, network: str) -> ExpertTraining | None:
        """Everything that decides these networks except the images; None if there are none."""
        del network
        return None

    def with_buffer(self, folder: Path, *, instead: bool = False) -> Schedule:
        """The schedule with a folder for networks that are trained before the run.

        Args:
            folder: Created if absent.
            instead: Whether it also replaces a folder that the schedule names.
        """
        del folder, instead
        return self

    def check(self, data: ImageData, *, network: str, device: str = "cpu") -> None:
        """Check before a run that the folder of the schedule can be used; trains nothing.

        Raises:
            ArtifactError: If the folder contains experts of other data or of another training.
        """
        del data, network, device

    @property
    def compiles(self) -> bool:
        """Whether the schedule trains networks of its own with compiled code."""
        return False

    def uncompiled(self, *, keep_precision: bool) -> Schedule:
        """The schedule without compiling, and in fp32 unless ``keep_precision``."""
        del keep_precision
        return self

    def suited(
        self, network: Callable[[], nn.Module], data: ImageData, *, device: str
    ) -> Mapping[str, object]:
        """The choices of the schedule that depend on the machine; those of the user go first.

        Args:
            network: Builds a network of the run for an inspection.
            data: Real images.
            device: The device of the networks.
        """
        del network, data, device
        return {}
