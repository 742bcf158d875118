"""Where independent tasks run: threads of this process, or the workers of a Ray cluster.

Knows nothing about what the tasks do. Only ``ray_pool`` imports Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from typing import Protocol, TypeVar

from condensery.errors import ConfigError
from condensery.parallel.workers import as_completed, workers

T = TypeVar("T")
R = TypeVar("R")


class Pool(Protocol):
    """Runs independent tasks, several at the same time."""

    @property
    def device(self) -> str | None:
        """The device of the tasks; ``None``: they run in this process, on any device of it."""
        ...

    @property
    def threads(self) -> int | None:
        """CPU threads of a task; ``None``: as this process has been given."""
        ...

    @property
    def slots(self) -> int:
        """The number of tasks that run at the same time. Connects to a cluster."""
        ...

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
        """Call a function for every given object, and yield all results as soon as they exist.

        Args:
            task: A function of a module (or a ``partial`` of one) that returns an iterable, whose
                results may be long in coming. It depends on nothing but its argument.
            given: The arguments of the calls.
            shared: Objects that several arguments contain, compared by identity. They are sent once
                to every machine.
            again: The argument for a call that goes on after a result, if the worker of a call was
                lost. ``None``: the call begins anew, so a result may come a second time.
            one_thread: Whether threads of this process run several calls at the same time, each
                with one thread of torch; otherwise one call after the other has all threads.
            what: Name of a call in messages, such as ``"network"``.

        Yields:
            The argument and a result of it. The results of a call come in their order. After a
            failure, and when the generator is closed, running calls are cancelled.
        """
        ...


class Threads:
    """The threads of this process. This is the default."""

    device = None
    threads = None

    @property
    def slots(self) -> int:
        """The number of threads of torch."""
        return workers()

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
        """See ``Pool``; a thread is never lost, and all objects are shared."""
        del shared, again, what
        calls = (_call(task, each) for each in given)
        if one_thread:
            yield from as_completed(calls)
        else:
            for call in calls:
                yield from call


def _call(task: Callable[[T], Iterable[R]], given: T) -> Generator[tuple[T, R]]:
    for result in task(given):
        yield given, result


THREADS: Pool = Threads()


def pool_of(
    on: str | Pool | None,
    *,
    device: str = "cpu",
    threads: int | None = None,
    gpus_per_task: float | None = None,
) -> Pool:
    """The pool for a value of ``on=``; nothing is connected yet.

    Args:
        on: A pool; ``None`` for the threads of this process; ``"ray"`` for the Ray cluster of this
            machine, or a new one of this machine alone; ``"ray:ADDRESS"`` for another cluster.
        device: The device of the tasks, ``"cpu"`` or ``"cuda"``.
        threads: CPU threads of a task on Ray; ``None`` is 1.
        gpus_per_task: The share of a GPU of a task on Ray, above 0; ``None`` is 1 if ``device`` is
            a GPU.

    Raises:
        ConfigError: If there is no such pool, or Ray is not installed.
    """
    if on is not None and not isinstance(on, str):
        return on
    if on is None:
        if gpus_per_task is not None:
            raise ConfigError(
                f"--gpus-per-task {gpus_per_task:g}: threads of one process share its device. Give "
                "it together with --on ray."
            )
        return THREADS
    kind, colon, address = on.partition(":")
    if kind != "ray" or (colon and not address):
        raise ConfigError(
            f"--on {on}: is unknown. Give --on ray (this machine, or the Ray cluster that it "
            "belongs to) or --on ray:ADDRESS such as ray:10.0.0.5:6379, or leave --on out: threads "
            "of this process are used."
        )
    from condensery.parallel.ray_pool import RayPool

    return RayPool(address, device=device, threads=threads or 1, gpus_per_task=gpus_per_task)
