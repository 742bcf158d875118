"""The trajectories of many experts, stored in memory or in a folder; missing ones are trained.

A trajectory depends only on the training and the data, and not on whether it was stored, resumed
or just trained.
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
"""Smallest number of seconds between two writes of an unfinished trajectory."""

MOST_IN_MEMORY = 2_000_000_000
"""Limit in bytes for trajectories without a folder."""

_REMEMBERED = 2
_known: dict[tuple[str, str], Buffer] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One epoch of one expert.

    Attributes:
        index: Index of the expert, from 0.
        epoch: Number of the epoch, from 1.
        loss: Mean loss over the batches of the epoch.
    """

    index: int
    epoch: int
    loss: float


class Buffer:
    """The experts of one training on one data set.

    Attributes:
        folder: A folder with one file for each expert, which runs may share; None: in memory.
    """

    def __init__(self, training: ExpertTraining, data: ImageData, folder: Path | None) -> None:
        self.folder = folder
        self._training, self._data = training, data
        self._facts = training.facts(data)
        self._memory: dict[int, Trajectory] = {}
        self._verified: dict[int, tuple[int, int]] = {}
        self._locked = False

    def epochs(self, index: int) -> int:
        """Number of stored epochs of expert ``index``; -1 if nothing is stored.

        Raises:
            ArtifactError: If its file is of other experts; names the difference.
        """
        known = self._seconds(index)
        return -1 if known is None else len(known)

    def cpu_seconds(self, experts: int, epochs: int) -> float:
        """CPU seconds of the trained epochs among the first ``epochs`` of the first experts.

        The time of the threads that trained them, in any process, without the time of compilers.
        """
        return sum(sum((self._seconds(index) or [])[:epochs]) for index in range(experts))

    def check_memory(self, experts: int, epochs: int) -> None:
        """Refuse trajectories above the limit of the memory if there is no folder.

        Raises:
            ConfigError: Says that a folder can be used.
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
        """Experts that are trained at the same time, one in each thread; None: one with all."""
        return workers() if self._training.swept(self._data, device=device) else None

    def missing(self, experts: int, epochs: int) -> int:
        """Number of epochs that ``make`` still has to train.

        Raises:
            ArtifactError: If a file is of other experts.
            ConfigError: If the trajectories are too large for the memory and there is no folder.
        """
        self.check_memory(experts, epochs)
        return sum(max(0, epochs - max(0, self.epochs(index))) for index in range(experts))

    def make(
        self, experts: Iterable[int], epochs: int, *, device: str = "cpu"
    ) -> Iterator[EpochResult]:
        """Train the missing epochs of some experts, up to at least ``epochs`` epochs.

        If compiled code trains them, each expert has one thread, so that its bits do not depend on
        the number of threads. When the iteration stops or is interrupted, all complete epochs are
        kept.
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
        """Parameters of an expert after some numbers of epochs, which ``make`` has trained.

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
        """The position of the parameters after a number of epochs, if only both ends are stored."""
        if number not in (0, self.epochs(index)):
            raise ValueError(f"The parameters after {number} epochs are not kept.")
        return min(number, 1)

    def _path(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"expert-{index:04}.safetensors"

    def _hold(self) -> None:
        """Protect an entry of the cache from being removed, and note its use."""
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
    """The experts of a schedule; iterating over them trains the missing ones.

    Attributes:
        buffer: The buffer with their trajectories.
        experts: Number of experts, at least 1.
        epochs: Epochs of each expert.
        device: The device of the training.
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
        """One ``EpochResult`` for each epoch that is trained."""
        return self.buffer.make(range(self.experts), self.epochs, device=self.device)

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of expert ``index`` after some numbers of epochs; trains it if missing."""
        for _ in self.buffer.make([index], self.epochs, device=self.device):
            pass
        return self.buffer.snapshots(index, *numbers)

    @property
    def concurrent(self) -> int:
        """Number of experts that are trained at the same time."""
        return min(self.buffer.concurrent(self.device) or 1, self.experts)

    def check(self) -> None:
        """Refuse a buffer that cannot be used, and train nothing; see ``Buffer.missing``."""
        self.buffer.missing(self.experts, self.epochs)

    @property
    def missing(self) -> int:
        """Number of epochs that are not trained yet; see ``Buffer.missing``."""
        return self.buffer.missing(self.experts, self.epochs)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the trained epochs; see ``Buffer.cpu_seconds``."""
        return self.buffer.cpu_seconds(self.experts, self.epochs)

    def record(self) -> dict[str, float]:
        """The entry of a condensed file: the number of experts, and their CPU seconds."""
        seconds = round(self.cpu_seconds, 3)
        return {"experts": self.experts, "epochs": self.epochs, "cpu_seconds": seconds}


def cached(training: ExpertTraining, data: ImageData) -> Path:
    """The folder in the cache for the experts of a training; it may not exist yet."""
    facts = training.facts(data)
    name = f"{facts['data'].pop('name')}-{training.network}"
    return cache.entry("experts", name, {"format": files.FORMAT, **facts})


def get_buffer(training: ExpertTraining, data: ImageData, folder: Path | None) -> Buffer:
    """The buffer of a training; runs in one process share the last few buffers.

    Args:
        training: How experts are trained.
        data: Real images; whitened if the recipe says so.
        folder: Created when something is written into it; None keeps trajectories in memory.
    """
    where = "" if folder is None else str(folder.absolute())
    key = (where, json.dumps(training.facts(data), sort_keys=True))
    if key not in _known:
        _known[key] = Buffer(training, data, folder)
        for oldest in list(_known)[:-_REMEMBERED]:
            del _known[oldest]
    return _known[key]
