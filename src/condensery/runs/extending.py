"""More classes for a condensed set: the new ones are condensed, the old images keep their bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.joining import check_joinable, joined
from condensery.condensing.recipe import Recipe, from_json, read_recipe
from condensery.errors import ConfigError
from condensery.runs.api import run
from condensery.runs.data_source import load_source
from condensery.runs.listener import Listener


def extend(
    condensed: CondensedSet | str | Path,
    data: object,
    out: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    seed: int | None = None,
    device: str = "cpu",
    threads: int | None = None,
    time_budget: float | str | None = None,
    overwrite: bool = False,
    progress: Listener | None = None,
) -> CondensedSet:
    """Condense new classes, and add them to a set whose images keep their bits.

    Only images of the new classes are read. They are condensed in a run folder, and the set of all
    classes is ``extended.safetensors`` in that folder. The same call continues a stopped run.

    Args:
        condensed: The set, or its file.
        data: Images of the new classes alone: a source for ``load_data``, a ``Data``, or a
            ``DataSource``. They have the shape of the images of the set.
        out: Folder of the run of the new classes.
        recipe: A complete recipe, or its file; by default that of the set.
        seed: Seed of all draws; by default that of the set.
        device: As in ``run``. So are ``threads``, ``time_budget`` and ``progress``.
        threads: Threads of torch on the CPU.
        time_budget: Seconds, or text such as ``"10m"``.
        overwrite: Whether another run in the folder is replaced.
        progress: A listener.

    Returns:
        The set of all classes, as many images of each as the set has: the old classes first.

    Raises:
        ConfigError: If a class is already in the set, images have another shape, the set was not
            condensed by a recipe and none is given, or the folder has another run.

    Example:
        ``condensery.extend("RUN/condensed.safetensors", "new-classes", out="MORE")``
    """
    old = condensed if isinstance(condensed, CondensedSet) else CondensedSet.load(condensed)
    check_joinable(old)
    source, loaded = load_source(data)
    if known := sorted(set(old.class_names) & set(loaded.train.class_names)):
        raise ConfigError(
            f"{loaded.name} has the class {', '.join(known)}, which the set has already. Give new "
            "classes alone, such as with --classes NAME,NAME (classes=[...] of load_data)."
        )
    shape = tuple(loaded.train.images.shape[1:])
    if shape != old.shape:
        raise ConfigError(
            f"{loaded.name} has images of shape {shape}, and {old.name} has {old.shape}: channels, "
            f"height, width. Bring the new ones to that size, such as with --image-size "
            f"{old.shape[1]} (image_size=)."
        )
    chosen = replace(_recipe(old, recipe), ipc=old.sizes)
    done = run(
        loaded if source is None else source,
        out,
        recipe=chosen,
        seed=old.seed if seed is None else seed,
        device=device,
        threads=threads,
        time_budget=time_budget,
        evaluation=False,
        overwrite=overwrite,
        go_on=not overwrite,
        progress=progress,
    )
    whole = joined([old, done.condensed])
    whole.save(done.path / "extended.safetensors")
    return whole


def _recipe(condensed: CondensedSet, given: Recipe | str | Path | None) -> Recipe:
    if isinstance(given, Recipe):
        return given
    if given is not None:
        return read_recipe(given)
    try:
        return from_json(condensed.manifest["recipe"])
    except ConfigError as error:
        raise ConfigError(
            f"{condensed.name} was not condensed by a recipe ({condensed.method}), so new classes "
            "need one: --recipe FILE (recipe=), which condensery recipe METHOD writes."
        ) from error
