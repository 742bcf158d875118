"""A selection with the training that it takes shown."""

from __future__ import annotations

from functools import partial

from condensery.artifact import CondensedSet
from condensery.cli.progress import live
from condensery.data import ImageData
from condensery.selection import Trained, select, steps_of

__all__ = ["selected"]


def selected(
    data: ImageData,
    *,
    by: str,
    ipc: int,
    seed: int = 0,
    network: str = "convnet3",
    train_steps: int | None = None,
    device: str = "cpu",
    trained: Trained | None = None,
) -> CondensedSet:
    """What ``select`` chooses; raises what it raises."""
    steps = steps_of(by, data, train_steps=train_steps)
    choose = partial(
        select,
        data,
        by=by,
        ipc=ipc,
        seed=seed,
        network=network,
        train_steps=train_steps,
        device=device,
        trained=trained,
    )
    if not steps:
        return choose()
    with live(f"select by {by}", total=steps, done=0, unit="step") as show:
        return choose(on_step=lambda: show.step("training"))
