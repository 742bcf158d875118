"""The machine of a run: threads, device, memory, versions, time.

Nothing is written here. The checks run before a run folder is created.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone

import numpy
import torch

from condensery import __version__
from condensery.condensing.loop import networks_of
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.devices import usable
from condensery.engines import choose
from condensery.errors import ConfigError
from condensery.interrupts import raise_if_interrupted
from condensery.parallel import Pool
from condensery.rng import stream
from condensery.types import Examples, StepContext


def now() -> str:
    """The time in UTC as text for files."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@contextmanager
def torch_threads(threads: int | None) -> Generator[int]:
    """Let torch use this number of threads in the body; ``None`` does not change it.

    Yields:
        The number of threads of torch.
    """
    raise_if_interrupted()  # a signal while torch is imported can get lost
    if threads is not None and threads < 1:
        raise ConfigError(f"threads = {threads}, but torch needs at least 1.")
    before = torch.get_num_threads()
    if threads not in (None, before):
        torch.set_num_threads(threads)
    try:
        yield torch.get_num_threads()
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def device_here(device: str, pool: Pool) -> str:
    """The device of the work that this process does itself; see ``usable``.

    If tasks run on a cluster, their device is there, and this process uses its CPU.

    Raises:
        ConfigError: If torch cannot use the device, or there is no such cluster.
    """
    if pool.device is None:
        return usable(device)
    pool.slots  # noqa: B018 - connects, so that a wrong address costs no work
    return "cpu"


def check_engine(recipe: Recipe, data: ImageData, *, seed: int) -> None:
    """Check a network of the recipe and its engine with two real images, uncompiled.

    Raises:
        ConfigError, UnsupportedNetwork: If the network and the engine do not fit.
    """
    build = networks_of(recipe, data)
    network, target = build(seed=seed, path=("preflight",)), None
    if recipe.schedule.expert_training(recipe.network):  # another network stands for the trained
        target = dict(build(seed=seed, path=("preflight", "target")).named_parameters())
    index = torch.stack([data.of_class(c)[0] for c in (0, 1)])
    labels = data.labels[index]
    real = Examples(
        images=data.pixels(index), labels=labels, class_=labels, rank=torch.zeros_like(labels)
    )
    state = recipe.objective.init(real, rng=stream(seed, "preflight"))
    engine = choose(recipe.engine, network, recipe.precision, compiled=False).engine
    for inner in range(min(recipe.schedule.updates, 2)):  # terms of an objective may alternate
        recipe.objective.bind(
            StepContext(at=(0, inner), network=network, state=state, target=target),
            real,
            lambda examples: data.normalise(examples.images),
            engine=engine,
            classes_per_pass=recipe.classes_per_pass,
        )


def peak_memory() -> int | None:
    """Peak memory of this process in bytes; ``None`` if the system does not say it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Versions of all software that affects the results."""
    return {
        "condensery": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
