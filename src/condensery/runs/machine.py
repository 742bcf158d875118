"""The machine of a run: threads, device, memory, versions, time.

Nothing is written here; what cannot work is found out before a run folder is made.
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
from condensery.engines import choose
from condensery.errors import ConfigError
from condensery.interrupts import raise_if_interrupted
from condensery.rng import stream
from condensery.types import Examples, StepContext


def now() -> str:
    """The time in UTC, as files give it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@contextmanager
def torch_threads(threads: int | None) -> Generator[int]:
    """Let torch use this many threads in the body; ``None`` keeps its own number.

    Yields:
        How many threads torch uses.
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


def check_device(device: str) -> None:
    """Refuse a device that torch does not have here.

    Raises:
        ConfigError: With torch's reason.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"--device {device}: cannot be used ({reason}). Use cpu, or cuda where there is one."
        ) from error


def check_engine(recipe: Recipe, data: ImageData, *, seed: int) -> None:
    """Show two real images to a network of the recipe through its engine, uncompiled.

    Raises:
        ConfigError, UnsupportedNetwork: If they do not fit each other.
    """
    network = networks_of(recipe, data)(seed=seed, path=("preflight",))
    index = torch.stack([data.of_class(c)[0] for c in (0, 1)])
    labels = data.labels[index]
    real = Examples(
        images=data.pixels(index), labels=labels, class_=labels, rank=torch.zeros_like(labels)
    )
    state = recipe.objective.init(real, rng=stream(seed, "preflight"))
    recipe.objective.bind(
        StepContext(at=(0, 0), network=network, state=state),
        real,
        lambda examples: data.normalise(examples.images),
        engine=choose(recipe.engine, network, recipe.precision, compiled=False).engine,
        classes_per_pass=recipe.classes_per_pass,
    )


def peak_memory() -> int | None:
    """Bytes of this process that were in memory at most; ``None`` where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Of everything that takes part in the numbers."""
    return {
        "condensery": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
