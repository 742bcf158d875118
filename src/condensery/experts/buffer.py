"""The trajectories of many experts: trained when they are missing, kept in memory or in a folder.

A buffer is a memory and nothing else: what comes out of it depends on the schooling and the data
alone, whether it was kept, resumed or trained just now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.experts import files
from condensery.experts.expert_training import ExpertTraining, Parameters
from condensery.parallel import as_completed, workers

__all__ = ["Buffer", "EpochResult", "ExpertSet", "get_buffer"]

SAVE_EVERY = 30.0
"""Seconds between two writings of an unfinished trajectory, at least."""

MOST_IN_MEMORY = 2_000_000_000
"""Bytes of trajectories kept without a folder."""

_REMEMBERED = 2
_known: dict[tuple[str, str], Buffer] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One epoch of one expert.

    Attributes:
        index: Of the expert, from 0.
        epoch: From 1.
        loss: Mean over the epoch's batches.
    """

    index: int
    epoch: int
    loss: float


class Buffer:
    """The experts of one schooling on one data set.

    Attributes:
        folder: Of one file an expert, shared by whoever wants the same; None keeps them in memory.
    """

    def __init__(self, schooling: ExpertTraining, data: ImageData, folder: Path | None) -> None:
        self.folder = folder
        self._schooling, self._data = schooling, data
        self._facts = schooling.facts(data)
        self._memory: dict[int, tuple[list[Parameters], list[float]]] = {}
        self._verified: dict[int, tuple[int, int]] = {}

    def epochs(self, index: int) -> int:
        """Epochs that expert ``index`` is known for; -1 if nothing of it is.

        Raises:
            ArtifactError: If its file is of other experts, naming what differs.
        """
        if self.folder is None:
            return len(self._memory[index][1]) if index in self._memory else -1
        return files.epochs_held(self._path(index), self._facts)

    def check_memory(self, experts: int, epochs: int) -> None:
        """Refuse more trajectories than the memory shall hold, where there is no folder.

        Raises:
            ConfigError: Naming the folder as the way out.
        """
        if self.folder is not None:
            return
        one = sum(p.nbytes for p in self._schooling.first(self._data, 0).values())
        needed = experts * (epochs + 1) * one
        if needed > MOST_IN_MEMORY:
            raise ConfigError(
                f"{experts} experts of {epochs} epochs take {needed / 1e9:.1f} GB, too much to "
                "keep in memory. Name a folder for them (schedule.buffer; with --set "
                "schedule.buffer=FOLDER), or take fewer (schedule.trajectories)."
            )

    def at_once(self, device: str = "cpu") -> int | None:
        """Experts in training at the same time, a thread each; None: one, which has all threads."""
        return workers() if self._schooling.swept(self._data, device=device) else None

    def missing(self, experts: int, epochs: int) -> int:
        """Epochs that are still to be trained until ``make`` has done its work.

        Raises:
            ArtifactError: If a file is of other experts.
            ConfigError: If all of them are too large for the memory, and there is no folder.
        """
        self.check_memory(experts, epochs)
        return sum(max(0, epochs - max(0, self.epochs(index))) for index in range(experts))

    def make(
        self, experts: Iterable[int], epochs: int, *, device: str = "cpu"
    ) -> Iterator[EpochResult]:
        """Train what is missing of some experts, to ``epochs`` epochs at least.

        Those that compiled sweeps train have a thread each, so that their bits do not depend on the
        number of threads. Whoever stops iterating, or is interrupted, keeps all epochs that are
        complete.
        """
        wanting = [index for index in experts if self.epochs(index) < epochs]
        if not wanting:
            return
        ways = (self._grow(index, epochs, device=device) for index in wanting)
        if self.at_once(device) is not None:
            yield from as_completed(ways)
        else:
            for way in ways:
                yield from way

    def _grow(self, index: int, epochs: int, *, device: str) -> Generator[EpochResult]:
        known = self.epochs(index)
        first = known < 0
        snapshots, losses = (
            ([self._schooling.first(self._data, index)], []) if first else self._read(index)
        )
        saved_at, unsaved = time.monotonic(), first
        try:
            for epoch in range(len(losses) + 1, epochs + 1):
                parameters, loss = self._schooling.after(
                    self._data,
                    snapshots[-1],
                    index=index,
                    epoch=epoch,
                    device=device,
                )
                snapshots.append(parameters)
                losses.append(loss)
                unsaved = True
                if time.monotonic() - saved_at >= SAVE_EVERY:
                    self._keep(index, snapshots, losses)
                    unsaved, saved_at = False, time.monotonic()
                yield EpochResult(index=index, epoch=epoch, loss=loss)
        finally:
            if unsaved:
                self._keep(index, snapshots, losses)

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of an expert after so many epochs; ``make`` has made them.

        Raises:
            ArtifactError: If the file of the expert is damaged; it is verified once.
        """
        if self.folder is None:
            return [self._memory[index][0][number] for number in numbers]
        path = self._path(index)
        stat = path.stat()
        if self._verified.get(index) != (stat.st_mtime_ns, stat.st_size):
            files.read(path, self._facts)
            self._verified[index] = (stat.st_mtime_ns, stat.st_size)
        return files.read_snapshots(path, numbers)

    def _path(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"expert-{index:04}.safetensors"

    def _read(self, index: int) -> tuple[list[Parameters], list[float]]:
        if self.folder is None:
            return self._memory[index]
        return files.read(self._path(index), self._facts)

    def _keep(self, index: int, snapshots: list[Parameters], losses: list[float]) -> None:
        if self.folder is None:
            self._memory[index] = (snapshots, losses)
        else:
            files.write(self._path(index), snapshots, facts=self._facts, losses=losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertSet:
    """Experts that are wanted; iterating trains those that are missing.

    Attributes:
        buffer: Where they are kept.
        experts: How many, at least 1.
        epochs: Of each.
        device: Where to train.
    """

    buffer: Buffer
    experts: int
    epochs: int
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in (("experts", 1), ("epochs", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{getattr(self, name)} {name} are too few: at least {least} is kept."
                )

    def __iter__(self) -> Iterator[EpochResult]:
        """One ``EpochResult`` an epoch that is trained."""
        return self.buffer.make(range(self.experts), self.epochs, device=self.device)

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of expert ``index`` after so many epochs; trains it if it is missing."""
        for _ in self.buffer.make([index], self.epochs, device=self.device):
            pass
        return self.buffer.snapshots(index, *numbers)

    @property
    def at_once(self) -> int:
        """How many are in training at the same time."""
        return min(self.buffer.at_once(self.device) or 1, self.experts)

    def check(self) -> None:
        """Refuse a buffer that cannot serve, and train nothing; see ``Buffer.missing``."""
        self.buffer.missing(self.experts, self.epochs)

    @property
    def missing(self) -> int:
        """Epochs that are still to be trained; see ``Buffer.missing``."""
        return self.buffer.missing(self.experts, self.epochs)


def get_buffer(schooling: ExpertTraining, data: ImageData, folder: Path | None) -> Buffer:
    """The buffer of a schooling; the last few are remembered, so runs in one process share them.

    Args:
        schooling: How experts are trained.
        data: Real images, as the networks are to see them.
        folder: EpochResult when something is written into it; None keeps trajectories in memory.
    """
    where = "" if folder is None else str(folder.absolute())
    key = (where, json.dumps(schooling.facts(data), sort_keys=True))
    if key not in _known:
        _known[key] = Buffer(schooling, data, folder)
        for oldest in list(_known)[:-_REMEMBERED]:
            del _known[oldest]
    return _known[key]
