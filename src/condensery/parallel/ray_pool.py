"""Tasks on the workers of a Ray cluster. This is the only module that imports Ray.

Objects that tasks share are put once into the object store of a node. Only the calling process
writes files, so no shared file system is needed. A task whose worker is lost is submitted again.
"""

from __future__ import annotations

import io
import os
import pickle
import platform
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch

from condensery import __version__
from condensery.errors import CondenseryError, ConfigError, LostWorkers
from condensery.interrupts import raise_if_interrupted

T = TypeVar("T")
R = TypeVar("R")

LOST_AT_MOST = 3
"""How often the worker of one task may be lost before the work ends."""

_POLL = 0.5  # seconds between two looks for a signal
_ANSWER = 5.0  # seconds in which a cluster has to accept a connection


class RayPool:
    """The workers of a Ray cluster.

    Args:
        address: The address of a cluster, such as ``"10.0.0.5:6379"``. Empty: the cluster that
            this process or machine belongs to, or a new one of this machine alone.
        device: The device of the tasks, ``"cpu"`` or ``"cuda"``.
        threads: CPU threads of a task, at least 1.
        gpus_per_task: The share of a GPU of a task, above 0; four tasks with 0.25 use one GPU at
            the same time. Its memory is not divided. ``None`` is 1 for a GPU, and 0 for the CPU.

    Raises:
        ConfigError: If Ray is not installed, or a value cannot work.
    """

    def __init__(
        self,
        address: str = "",
        *,
        device: str = "cpu",
        threads: int = 1,
        gpus_per_task: float | None = None,
    ) -> None:
        given = f"--on ray:{address}" if address else "--on ray"
        if address.startswith("//"):
            raise ConfigError(
                f"{given}: Ray Client is not used. Run on a node of the cluster, or: ray job "
                "submit -- condensery ... --on ray."
            )
        if find_spec("ray") is None:
            raise ConfigError(
                f"{given}: the package ray is missing. pip install 'condensery[ray]', or leave "
                "--on out: threads are used."
            )
        on_gpu = device != "cpu"
        if device not in ("cpu", "cuda"):
            raise ConfigError(
                f"--device {device} {given}: Ray chooses the GPU of a task. Give cpu or cuda."
            )
        share = (1.0 if on_gpu else 0.0) if gpus_per_task is None else gpus_per_task
        if on_gpu != (share > 0) or share < 0:
            raise ConfigError(
                f"--gpus-per-task {share:g} {given} with --device {device}: tasks on cuda take a "
                "share above 0, such as 0.25, and tasks on cpu take none."
            )
        if threads < 1:
            raise ConfigError(f"threads = {threads} {given}: a task needs at least 1.")
        self.device: str | None = device
        self.threads: int | None = threads
        self._address, self._given = address, given
        self._cpus, self._gpus = threads, share
        self._remote: Any = None

    @property
    def slots(self) -> int:
        """The number of tasks for which the cluster has CPUs and GPUs now; connects to it.

        Raises:
            ConfigError: If there is no cluster at the address, or it is too small for one task.
        """
        resources = self._connected().cluster_resources()
        needed = {"CPU": float(self._cpus), "GPU": self._gpus}
        slots: list[int] = []
        for name, each in needed.items():
            if not each:
                continue
            there = float(resources.get(name, 0))
            if there < each:
                raise ConfigError(
                    f"{self._given}: a task takes {each:g} {name}, but the cluster has {there:g}. "
                    "Start a node that has more, or ask for less (--threads, --gpus-per-task)."
                )
            slots.append(int(there / each))
        return min(slots)

    def as_completed(
        self,
        task: Callable[[T], Iterable[R]],
        given: Iterable[T],
        *,
        shared: Collection[object] = (),
        again: Callable[[T, R], T] | None = None,
        one_thread: bool = True,
        what: str = "task",
    ) -> Generator[tuple[T, R]]:
        """See ``Pool``.

        Raises:
            ConfigError: If a node has other versions of the software.
            LostWorkers: If the workers of one task were lost too often.
            CondenseryError: The errors of the tasks arrive as they were raised.
        """
        del one_thread  # each task has a process
        ray = self._connected()
        self.slots  # noqa: B018 - refuses a cluster on which the tasks would wait for ever
        packer = _Packer(shared)
        refs = [ray.put(each) for each in packer.shared]
        tasks = tuple(given)
        now = list(tasks)  # what a lost task begins with
        nodes, lost = ["?"] * len(tasks), [0] * len(tasks)
        running: dict[Any, int] = {}
        ended = 0

        def submit(number: int) -> None:
            content = packer.packed((task, now[number]))
            fixed = torch.are_deterministic_algorithms_enabled()
            stream = self._remote.remote(_versions(), content, refs, self._cpus, fixed)
            running[stream] = number

        try:
            for number in range(len(tasks)):
                submit(number)
            while running:
                raise_if_interrupted()
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_POLL)
                for stream in ready:
                    number = running[stream]
                    try:
                        kind, found = ray.get(next(stream))
                    except StopIteration:
                        del running[stream]
                        ended += 1
                    except _losses(ray) as error:
                        del running[stream]
                        lost[number] += 1
                        why = f"node {nodes[number]} {_words(ray, error)}"
                        if lost[number] == LOST_AT_MOST:
                            raise LostWorkers(
                                self._lost(what, number, len(tasks), why, ended)
                            ) from error
                        submit(number)
                    except ray.exceptions.RayTaskError as error:
                        own = getattr(error, "cause", None)
                        if isinstance(own, CondenseryError):
                            raise own from None
                        raise
                    else:
                        if kind == "node":
                            nodes[number] = found
                        elif kind == "differs":
                            raise ConfigError(_differences(found))
                        else:
                            if again is not None:
                                now[number] = again(now[number], found)
                            yield tasks[number], found
        finally:
            for stream in running:
                with suppress(Exception):  # one that has ended, or a cluster that is gone
                    ray.cancel(stream)

    def _lost(self, what: str, number: int, total: int, why: str, ended: int) -> str:
        advice = "Look at the logs of that node."
        if "memory" in why:
            more = min(1.0, 2 * self._gpus)
            advice = (
                f"Try --gpus-per-task {more:g}."
                if self._gpus
                else f"Try --threads {2 * self._cpus}, with which fewer run on a node."
            )
        return (
            f"{what.capitalize()} {number + 1} of {total} was lost {LOST_AT_MOST} times (last: "
            f"{why}). {ended} are kept; the same command goes on. {advice}"
        )

    def _connected(self) -> Any:  # noqa: ANN401 - the module ray, which has no types here
        import ray  # pyright: ignore[reportMissingImports]

        if self._remote is not None and ray.is_initialized():
            return ray
        if not ray.is_initialized():
            _check_reachable(ray, self._address, given=self._given)
            with _same_signal_handlers():
                try:
                    ray.init(
                        address=self._address or None,
                        log_to_driver=False,
                        logging_level="error",
                        configure_logging=False,
                    )
                except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                    raise ConfigError(
                        f"{self._given}: there is no Ray cluster ({error}). Start one with ray "
                        "start --head, or give --on ray for this machine alone."
                    ) from error
        self._remote = ray.remote(_by_value()).options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0, num_returns="streaming"
        )
        return ray


def _check_reachable(ray: Any, address: str, *, given: str) -> None:  # noqa: ANN401 - the module
    """Connect to the cluster that ``ray.init`` would use: it waits for minutes if there is none.

    Raises:
        ConfigError: If it has no port, or no cluster answers there.
    """
    file = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray", "ray_current_cluster")
    known, origin, remedy = address, "", "Start one there with ray start --head"
    if address in ("", "auto"):
        known = os.environ.get("RAY_ADDRESS", "")
        origin, remedy = " (RAY_ADDRESS)", "Change RAY_ADDRESS"
        if not known and file.exists():
            known, origin = file.read_text(encoding="utf-8").strip(), f" (the file {file})"
            remedy = "If that cluster has ended, remove the file with ray stop"
    if known in ("", "auto", "local"):  # Ray starts a cluster, or finds one by its processes
        return
    host, _, port = known.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"{given}: {known!r}{origin} is no address of a cluster. Give HOST:PORT, such as "
            "ray:10.0.0.5:6379."
        )
    if host in ("localhost", "127.0.0.1"):  # as Ray does: its nodes are known by another address
        host = ray.util.get_node_ip_address()
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
    except (OSError, OverflowError) as error:  # the latter for a port that is too large
        raise ConfigError(
            f"{given}: no Ray cluster answers at {known}{origin}: {error}. {remedy}, or give --on "
            "ray:local for a new one of this machine alone."
        ) from error


def _versions() -> dict[str, str]:
    """The versions that every worker must have."""
    return {
        "condensery": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _differences(found: Mapping[str, str]) -> str:
    own = _versions()
    names = [name for name in own if found[name] != own[name]]
    there = " and ".join(f"{name} {found[name]}" for name in names)
    here = " and ".join(own[name] for name in names)
    return (
        f"Node {found['node']} has {there}, this one {here}: results would mix. Install the same "
        "there."
    )


def _by_value() -> Callable[..., Iterator[tuple[str, Any]]]:
    """The function of every task.

    It is sent as code because it is inside another function, so that a node with another version of
    this library, or without it, can say so.
    """

    def run(
        expected: dict[str, str], content: bytes, refs: list[Any], threads: int, fixed: bool
    ) -> Iterator[tuple[str, Any]]:
        import importlib
        import platform

        import ray  # pyright: ignore[reportMissingImports]

        node = ray.util.get_node_ip_address()

        def version(name: str) -> str:
            try:
                return importlib.import_module(name).__version__
            except ImportError:
                return "(not installed)"

        found = {"node": node, "python": platform.python_version()}
        found |= {name: version(name) for name in ("condensery", "torch")}
        if any(found[name] != version for name, version in expected.items()):
            yield "differs", found
            return
        yield "node", node
        from condensery.parallel.ray_pool import unpacked

        torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(fixed)
        task, given = unpacked(content, refs)
        for result in task(given):
            yield "result", result

    return run


class _Packer:
    """Pickles tasks; each shared object in them becomes its number."""

    def __init__(self, shared: Iterable[object]) -> None:
        self.shared = list({id(each): each for each in shared}.values())
        self._number = {id(each): number for number, each in enumerate(self.shared)}

    def packed(self, task: object) -> bytes:
        from ray import cloudpickle  # pyright: ignore[reportMissingImports]

        numbers = self._number

        class Pickler(cloudpickle.Pickler):  # pyright: ignore[reportUntypedBaseClass]
            def persistent_id(self, obj: object) -> int | None:
                return numbers.get(id(obj))

        buffer = io.BytesIO()
        Pickler(buffer).dump(task)
        return buffer.getvalue()


def unpacked(content: bytes, refs: list[Any]) -> Any:  # noqa: ANN401 - any task
    """In a worker: the function and the argument of a task, with the shared objects in them."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: int) -> object:
            return _fetched(refs[pid])

    return Unpickler(io.BytesIO(content)).load()


@lru_cache(maxsize=8)  # what the next tasks of this worker are likely to share, too
def _fetched(ref: Any) -> object:  # noqa: ANN401 - a reference of Ray
    import ray  # pyright: ignore[reportMissingImports]

    return ray.get(ref)


def _losses(ray: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401 - the module
    """The exceptions after which a task is submitted again."""
    errors = ray.exceptions
    return (
        errors.WorkerCrashedError,
        errors.NodeDiedError,
        errors.OutOfMemoryError,
        errors.ObjectLostError,
    )


def _words(ray: Any, error: Exception) -> str:  # noqa: ANN401 - the module
    errors = ray.exceptions
    if isinstance(error, errors.OutOfMemoryError):
        return "ran out of memory"
    if isinstance(error, errors.NodeDiedError):
        return "ended"
    return "ended the process" if isinstance(error, errors.WorkerCrashedError) else "lost a result"


@contextmanager
def _same_signal_handlers() -> Generator[None]:
    """Keep the handlers of this process; Ray sets one for SIGTERM, which would end it at once."""
    here = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if here and handler is not None:
                signal.signal(number, handler)
