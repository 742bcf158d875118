"""The trajectories of many experts, stored in memory or in a folder; missing ones are trained.

Every epoch is stored as soon as it is trained, by the process that wants it; where it is trained is
the choice of a pool. A trajectory depends only on the training and the data, and not on whether it
was stored, resumed or just trained.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from condensery import cache
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.experts import files
from condensery.experts.expert_training import ExpertTraining, Parameters
from condensery.experts.files import Trained
from condensery.files import locked_in_turn
from condensery.parallel import THREADS, Pool, check_cancelled, workers

_log = logging.getLogger(__name__)

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
        folder: A folder with one folder for each expert, which runs may share; None: in memory.
    """

    def __init__(self, training: ExpertTraining, data: ImageData, folder: Path | None) -> None:
        self.folder = folder
        self._training, self._data = training, data
        self._facts = training.facts(data)
        self._memory: dict[int, dict[int, Trained]] = {}  # by index and epoch
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
        self,
        experts: Iterable[int],
        epochs: int,
        *,
        device: str = "cpu",
        pool: Pool = THREADS,
    ) -> Iterator[EpochResult]:
        """Train the missing epochs of some experts, up to at least ``epochs`` epochs.

        If compiled code trains them, each expert has one thread, so that its bits do not depend on
        the number of threads. When the iteration stops or is interrupted, all complete epochs are
        kept.

        Args:
            experts: Indices of experts.
            epochs: Number of epochs, at least 0.
            device: The device of the training, unless ``pool`` has its own.
            pool: Where experts are trained.
        """
        wanting = sorted(index for index in experts if self.epochs(index) < epochs)
        self._hold()
        if not wanting:  # asked for at every image update: no network is built to ask how it trains
            return
        with ExitStack() as locks:
            alone: dict[int, ExitStack] = {}
            starts: list[_Start] = []
            for index in wanting:
                alone[index] = locks.enter_context(ExitStack())
                alone[index].enter_context(self._alone(index))
                last = self.epochs(index)  # another process may have trained it meanwhile
                if last < epochs:
                    before = self._read(index, last) if last >= 0 else None
                    starts.append(_Start(index=index, before=before))
            together = self.concurrent(device) is not None
            task = partial(
                _epochs,
                training=self._training,
                data=self._data,
                epochs=epochs,
                device=pool.device or device,
                clock=time.thread_time if together and pool.device is None else time.process_time,
            )
            for start, expert in pool.as_completed(
                task,
                starts,
                shared=[self._data],
                again=_Start.after,
                one_thread=together,
                what="expert",
            ):
                epoch = len(expert.losses)
                self._keep(start.index, expert)
                if epoch == epochs:
                    alone[start.index].close()
                if epoch:
                    yield EpochResult(index=start.index, epoch=epoch, loss=expert.losses[-1])
        if self._locked:
            cache.make_room()

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of an expert after some numbers of epochs, which ``make`` has trained.

        Raises:
            ArtifactError: If a file of the expert is damaged.
        """
        if self._training.keep == "ends":
            for number in numbers:
                if number not in (0, self.epochs(index)):
                    raise ValueError(f"The parameters after {number} epochs are not kept.")
        return [self._read(index, number).parameters for number in numbers]

    def _place(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"expert-{index:04}"

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
        if self.folder is not None:
            return files.stored_seconds(self._place(index), self._facts)
        known = self._memory.get(index)
        return known[max(known)].cpu_seconds if known else None

    def _read(self, index: int, epoch: int) -> Trained:
        if self.folder is None:
            return self._memory[index][epoch]
        return files.read(self._place(index), epoch, self._facts)

    def _keep(self, index: int, expert: Trained) -> None:
        epoch = len(expert.losses)
        passed = epoch - 1 if self._training.keep == "ends" else 0
        if self.folder is None:
            known = self._memory.setdefault(index, {})
            known[epoch] = expert
            if passed > 0:
                del known[passed]
        else:
            files.write(self._place(index), expert, facts=self._facts)
            if passed > 0:
                files.remove(self._place(index), passed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where the training of an expert begins; ``None``: with an untrained network."""

    index: int
    before: Trained | None

    def after(self, expert: Trained) -> _Start:
        """The start that goes on after an epoch."""
        return _Start(index=self.index, before=expert)


def _epochs(
    start: _Start,
    *,
    training: ExpertTraining,
    data: ImageData,
    epochs: int,
    device: str,
    clock: Callable[[], float],
) -> Iterator[Trained]:
    """Train an expert: after every epoch, the expert with its whole history."""
    expert = start.before
    if expert is None:
        expert = Trained(parameters=training.first(data, start.index))
        yield expert
    for epoch in range(len(expert.losses) + 1, epochs + 1):
        began = clock()
        parameters, loss = training.after(
            data, expert.parameters, index=start.index, epoch=epoch, device=device
        )
        expert = Trained(
            parameters=parameters,
            losses=[*expert.losses, loss],
            cpu_seconds=[*expert.cpu_seconds, clock() - began],
        )
        yield expert


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertSet:
    """The experts of a schedule; iterating over them trains the missing ones.

    Attributes:
        buffer: The buffer with their trajectories.
        experts: Number of experts, at least 1.
        epochs: Epochs of each expert.
        device: The device of the training, unless ``pool`` has its own.
        pool: Where experts are trained.
        order: The order in which missing ones are trained; empty: ascending.
    """

    buffer: Buffer
    experts: int
    epochs: int
    device: str = "cpu"
    pool: Pool = THREADS
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("experts", 1), ("epochs", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{getattr(self, name)} {name} are too few: at least {least} is kept."
                )

    def __iter__(self) -> Iterator[EpochResult]:
        """One ``EpochResult`` for each epoch that is trained."""
        every = self.order or range(self.experts)
        return self.buffer.make(every, self.epochs, device=self.device, pool=self.pool)

    def snapshots(self, index: int, *numbers: int) -> list[Parameters]:
        """Parameters of expert ``index`` after some numbers of epochs; trains it if missing."""
        for _ in self.buffer.make([index], self.epochs, device=self.device, pool=self.pool):
            pass
        return self.buffer.snapshots(index, *numbers)

    @property
    def concurrent(self) -> int:
        """Number of experts that are trained at the same time."""
        here = self.pool.device is None and self.buffer.concurrent(self.device) is None
        return 1 if here else min(self.pool.slots, self.experts)

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
