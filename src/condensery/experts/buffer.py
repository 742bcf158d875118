"""The trajectories of many experts: trained when they are missing, kept in memory or in a folder.

A buffer is a memory and nothing else: what comes out of it depends on the training and the data
alone, whether it was kept, resumed or trained just now.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from condensery import cache
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.experts import files
from condensery.experts.expert_training import ExpertTraining, Parameters
from condensery.experts.files import Trajectory
from condensery.files import locked_in_turn
from condensery.parallel import as_completed, check_cancelled, workers

__all__ = ["Buffer", "EpochResult", "ExpertSet", "cached", "get_buffer"]

_log = logging.getLogger(__name__)

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
    """The experts of one training on one data set.

    Attributes:
        folder: Of one file an expert, shared by whoever wants the same; None keeps them in memory.
    """

    def __init__(self, training: ExpertTraining, data: ImageData, folder: Path | None) -> None:
        self.folder = folder
        self._training, self._data = training, data
        self._facts = training.facts(data)
        self._memory: dict[int, Trajectory] = {}
        self._verified: dict[int, tuple[int, int]] = {}
        self._locked = False

    def epochs(self, index: int) -> int:
        """Epochs that expert ``index`` is known for; -1 if nothing of it is.

        Raises:
            ArtifactError: If its file is of other experts, naming what differs.
        """
        known = self._seconds(index)
        return -1 if known is None else len(known)

    def cpu_seconds(self, experts: int, epochs: int) -> float:
        """What the first ``epochs`` epochs of some experts took, as far as they are trained.

        Of the threads that trained them, wherever that was; compilers are not counted.
        """
        return sum(sum((self._seconds(index) or [])[:epochs]) for index in range(experts))

    def check_memory(self, experts: int, epochs: int) -> None:
        """Refuse more trajectories than the memory shall hold, where there is no folder.

        Raises:
            ConfigError: Naming the folder as the way out.
        """
        if self.folder is not None:
            return
        one = sum(p.nbytes for p in self._training.first(self._data, 0).values())
        kept = min(epochs, 1) if self._training.keep == "ends" else epochs
        needed = experts * (kept + 1) * one
        if needed > MOST_IN_MEMORY:
            raise ConfigError(
                f"{experts} experts of {epochs} epochs take {needed / 1e9:.1f} GB, too much to "
                "keep in memory. Name a folder for them (schedule.buffer; with --set "
                "schedule.buffer=FOLDER), or take fewer (schedule.trajectories)."
            )

    def concurrent(self, device: str = "cpu") -> int | None:
        """Experts in training at the same time, a thread each; None: one, which has all threads."""
        return workers() if self._training.swept(self._data, device=device) else None

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
            self._hold()
            return
        together = self.concurrent(device) is not None
        clock = time.thread_time if together else time.process_time
        self._hold()
        ways = (self._grow(index, epochs, device=device, clock=clock) for index in wanting)
        if together:
            yield from as_completed(ways)
        else:
            for way in ways:
                yield from way
        if self._locked:
            cache.make_room()

    def _grow(
        self, index: int, epochs: int, *, device: str, clock: Callable[[], float]
    ) -> Generator[EpochResult]:
        with self._alone(index):
            first = self.epochs(index) < 0  # another process may have trained it meanwhile
            way = (
                Trajectory(snapshots=[self._training.first(self._data, index)])
                if first
                else self._read(index)
            )
            saved_at, unsaved = time.monotonic(), first
            try:
                for epoch in range(len(way.losses) + 1, epochs + 1):
                    began = clock()
                    parameters, loss = self._training.after(
                        self._data, way.snapshots[-1], index=index, epoch=epoch, device=device
                    )
                    if self._training.keep == "ends":
                        del way.snapshots[1:]
                    way.snapshots.append(parameters)
                    way.losses.append(loss)
                    way.cpu_seconds.append(clock() - began)
                    unsaved = True
                    if time.monotonic() - saved_at >= SAVE_EVERY:
                        self._keep(index, way)
                        unsaved, saved_at = False, time.monotonic()
                    yield EpochResult(index=index, epoch=epoch, loss=loss)
            finally:
                if unsaved:
                    self._keep(index, way)

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of an expert after so many epochs; ``make`` has made them.

        Raises:
            ArtifactError: If the file of the expert is damaged; it is verified once.
        """
        if self._training.keep == "ends":
            numbers = tuple(self._end(index, number) for number in numbers)
        if self.folder is None:
            return [self._memory[index].snapshots[number] for number in numbers]
        path = self._path(index)
        stat = path.stat()
        if self._verified.get(index) != (stat.st_mtime_ns, stat.st_size):
            files.read(path, self._facts)
            self._verified[index] = (stat.st_mtime_ns, stat.st_size)
        return files.read_snapshots(path, numbers)

    def _end(self, index: int, number: int) -> int:
        """Where the parameters after so many epochs are, of those before the first and the last."""
        if number not in (0, self.epochs(index)):
            raise ValueError(f"The parameters after {number} epochs are not kept.")
        return min(number, 1)

    def _path(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"expert-{index:04}.safetensors"

    def _hold(self) -> None:
        """Keep an entry of the cache from being removed, and note its use."""
        if self.folder is not None and not self._locked and cache.owns(self.folder):
            cache.hold(self.folder, self)
            self._locked = True

    def _alone(self, index: int) -> AbstractContextManager[None]:
        """A lock under which no other process trains this expert."""
        if self.folder is None:
            return nullcontext()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".expert-{index:04}.lock"
        return locked_in_turn(path, _log.info, check=check_cancelled)

    def _seconds(self, index: int) -> list[float] | None:
        if self.folder is None:
            return self._memory[index].cpu_seconds if index in self._memory else None
        return files.stored_seconds(self._path(index), self._facts)

    def _read(self, index: int) -> Trajectory:
        if self.folder is None:
            return self._memory[index]
        return files.read(self._path(index), self._facts)

    def _keep(self, index: int, way: Trajectory) -> None:
        if self.folder is None:
            self._memory[index] = way
        else:
            files.write(self._path(index), way, facts=self._facts)


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
    def concurrent(self) -> int:
        """How many are in training at the same time."""
        return min(self.buffer.concurrent(self.device) or 1, self.experts)

    def check(self) -> None:
        """Refuse a buffer that cannot serve, and train nothing; see ``Buffer.missing``."""
        self.buffer.missing(self.experts, self.epochs)

    @property
    def missing(self) -> int:
        """Epochs that are still to be trained; see ``Buffer.missing``."""
        return self.buffer.missing(self.experts, self.epochs)

    @property
    def cpu_seconds(self) -> float:
        """What those that are trained took; see ``Buffer.cpu_seconds``."""
        return self.buffer.cpu_seconds(self.experts, self.epochs)

    def record(self) -> dict[str, float]:
        """What a condensed file says of them: how many, and what they took."""
        seconds = round(self.cpu_seconds, 3)
        return {"experts": self.experts, "epochs": self.epochs, "cpu_seconds": seconds}


def cached(training: ExpertTraining, data: ImageData) -> Path:
    """The folder of the cache that keeps the experts of a training; may be absent."""
    facts = training.facts(data)
    name = f"{facts['data'].pop('name')}-{training.network}"
    return cache.entry("experts", name, {"format": files.FORMAT, **facts})


def get_buffer(training: ExpertTraining, data: ImageData, folder: Path | None) -> Buffer:
    """The buffer of a training; the last few are remembered, so runs in one process share them.

    Args:
        training: How experts are trained.
        data: Real images, as the networks are to see them.
        folder: Made when something is written into it; None keeps trajectories in memory.
    """
    where = "" if folder is None else str(folder.absolute())
    key = (where, json.dumps(training.facts(data), sort_keys=True))
    if key not in _known:
        _known[key] = Buffer(training, data, folder)
        for oldest in list(_known)[:-_REMEMBERED]:
            del _known[oldest]
    return _known[key]
