"""The processes of one run under ``torchrun``, and what they tell each other.

No function adds floating point numbers: what several processes know is put together in one order,
whatever their number, so that a run has the same bits on any number of processes. Tensors travel
through the memory of the hosts (gloo), which reports a process that has ended at once.

Knows nothing about what is condensed.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from condensery.errors import CondenseryError, ConfigError, ProcessLost
from condensery.launch import process_count, process_index

if TYPE_CHECKING:
    from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of its run.

    All processes call the same functions in the same order.

    Attributes:
        index: Index of this process, from 0. Process 0 alone writes and prints.
        count: Number of processes, at least 1.
    """

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is process 0."""
        return self.index == 0

    def own(self, parts: Sequence[_T]) -> Sequence[_T]:
        """The parts of this process: every ``count``-th one."""
        return parts[self.index :: self.count]

    def gather(self, rows: Tensor) -> list[Tensor]:
        """``rows`` of every process, by index.

        Args:
            rows: ``[row, ...]``; the number of rows may differ between processes.
        """
        if self.count == 1:
            return [rows]
        from torch import distributed

        here = _bytes(rows)
        with _losses_are_said():
            lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
            distributed.all_gather(lengths, torch.tensor([len(here)]))
            padded = here.new_zeros(max(int(length) for length in lengths))
            padded[: len(here)] = here
            found = [torch.empty_like(padded) for _ in lengths]
            distributed.all_gather(found, padded)
        return [
            part[: int(length)].view(rows.dtype).reshape(-1, *rows.shape[1:]).to(rows.device)
            for part, length in zip(found, lengths, strict=True)
        ]

    def merge(self, rows: Tensor, keys: Tensor) -> Tensor:
        """The rows of all processes, ascending by their keys.

        Args:
            rows: ``[row, ...]``
            keys: One integer for each row; those of all processes differ.
        """
        if self.count == 1:
            return rows
        order = torch.cat(self.gather(keys)).argsort()
        return torch.cat(self.gather(rows))[order.to(rows.device)]

    def broadcast(self, tensors: Sequence[Tensor], *, source: int = 0) -> None:
        """Give all processes the tensors of process ``source``, in place."""
        if self.count == 1 or not tensors:
            return
        from torch import distributed

        parts = [_bytes(tensor) for tensor in tensors]
        together = torch.cat(parts)
        with _losses_are_said():
            distributed.broadcast(together, src=source)
        with torch.no_grad():
            for tensor, part in zip(tensors, together.split([len(p) for p in parts]), strict=True):
                # A part may begin at any byte; a view as numbers needs memory of its own.
                tensor.copy_(part.clone().view(tensor.dtype).view(tensor.shape))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For every flag, whether it is set in any process."""
        if self.count == 1:
            return flags
        found = torch.stack(self.gather(torch.tensor([flags]).reshape(-1))).any(dim=0)
        return tuple(found.tolist())

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        """What ``make`` returns in process 0; the others do not call it."""
        if self.count == 1:
            return make()
        made = make() if self.first else b""
        length = torch.tensor([len(made)])
        self.broadcast([length])
        content = torch.zeros(int(length), dtype=torch.uint8)
        if made:
            content = torch.frombuffer(bytearray(made), dtype=torch.uint8)
        self.broadcast([content])
        return content.numpy().tobytes()

    def everyone(self, make: Callable[[], _T]) -> _T:
        """What ``make`` returns here, if it succeeds in every process.

        Raises:
            CondenseryError: If it fails in any process; process 0 then says it for all.
        """
        if self.count == 1:
            return make()
        error: CondenseryError | None = None
        result: _T | None = None
        try:
            result = make()
        except CondenseryError as failed:
            error = failed
        said = torch.tensor(list(str(error or "").encode()), dtype=torch.uint8)
        found = [bytes(part.tolist()).decode() for part in self.gather(said)]
        if error is not None:
            raise error
        for index, text in enumerate(found):
            if text:
                raise ConfigError(f"Process {index} of {self.count}: {text}")
        return result  # pyright: ignore[reportReturnType] - there was no error

    def device(self, device: str) -> str:
        """The device of this process: of ``"cuda"``, the one with its index on its machine."""
        if self.count == 1 or device != "cuda":
            return device
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


ALONE = Processes()
"""A process that has no others."""


def joined(timeout: timedelta = timedelta(minutes=10)) -> Processes:
    """The processes that ``torchrun`` started; ``ALONE`` in a process that it did not start.

    Args:
        timeout: How long a process waits for the others.

    Raises:
        ConfigError: If a restart could not be joined.
        ProcessLost: If the others do not come.
    """
    if process_count() == 1:
        return ALONE
    from torch import distributed

    processes = Processes(index=process_index(), count=process_count())
    if not distributed.is_initialized():
        with _losses_are_said():
            store = _store(timeout)
            distributed.init_process_group(
                "gloo",
                store=store,
                rank=processes.index if store is not None else -1,
                world_size=processes.count if store is not None else -1,
                timeout=timeout,
            )
        # Its threads must end before the interpreter does, or they abort the process.
        atexit.register(_leave)
    return processes


def _leave() -> None:
    """Leave the group of processes, also after an error."""
    from torch import distributed

    if distributed.is_initialized():
        with suppress(RuntimeError):
            distributed.destroy_process_group()


def _store(timeout: timedelta) -> Store | None:
    """The store in which the processes find each other; None: torch makes one.

    The store of ``torchrun`` outlives a restart, and the new processes could read the addresses of
    the old ones from it. So the keys of every restart have a prefix of their own. Its number is
    known on one machine only.
    """
    from torch.distributed import (
        PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
        TCPStore,  # pyright: ignore[reportPrivateImportUsage]
    )

    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    if int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1:
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0:
            raise ConfigError(
                "torchrun on several machines with --max-restarts keeps one store over all "
                "restarts, in which new processes may find addresses of ended ones. Set "
                "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment of every torchrun."
            )
        return None
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timeout)
    return PrefixStore(f"restart-{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)


@contextmanager
def _losses_are_said() -> Generator[None]:
    """Turn the failure of a transfer into ``ProcessLost``."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise ProcessLost(f"A process of this run has ended ({reason}).") from error


def _bytes(tensor: Tensor) -> Tensor:
    """The bytes of a tensor, on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
