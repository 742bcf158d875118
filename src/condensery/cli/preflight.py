"""What can be known to fail before a run begins: threads, device, network, engine.

Nothing is written here; a run folder is made after all of it has passed.
"""

from __future__ import annotations

import torch

from condensery.cli.process import raise_if_signalled
from condensery.data import ImageData
from condensery.engines import choose
from condensery.errors import ConfigError
from condensery.loop import networks_of
from condensery.recipe import Recipe
from condensery.types import Examples, StepContext

__all__ = ["check_device", "check_engine", "use_threads"]


def use_threads(threads: int | None) -> int:
    """Let torch use this many threads; say how many it uses."""
    raise_if_signalled()  # a signal while torch is imported can get lost
    if threads is not None and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return torch.get_num_threads()


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
    recipe.objective.bind(
        StepContext(at=(0, 0), network=network),
        real,
        lambda examples: data.normalise(examples.images),
        engine=choose(recipe.engine, network, recipe.precision, compiled=False).engine,
        classes_per_pass=recipe.classes_per_pass,
    )
