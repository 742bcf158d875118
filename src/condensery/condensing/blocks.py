"""How the classes of a run are divided: into blocks, and blocks among processes.

A block is matched by itself, so its size bounds the memory of real images and targets. Blocks
depend on the recipe alone, so that the number of processes changes no bit.
"""

from __future__ import annotations

from condensery.condensing.recipe import Recipe
from condensery.errors import ConfigError
from condensery.parallel import Processes

AT_ONCE = 10
"""Classes whose real images and targets are in memory at the same time, if blocks are smaller."""


def class_blocks(recipe: Recipe, classes: int) -> list[range]:
    """All blocks of classes, ascending: whole passes, which depend on the recipe alone."""
    passes = -(-recipe.classes_per_block // recipe.classes_per_pass)
    each = passes * recipe.classes_per_pass
    return [range(first, min(first + each, classes)) for first in range(0, classes, each)]


def own_classes(recipe: Recipe, classes: int, processes: Processes) -> list[int]:
    """The classes of this process, ascending: of every ``processes.count``-th block."""
    return [class_ for block in processes.own(class_blocks(recipe, classes)) for class_ in block]


def check_divisible(recipe: Recipe, classes: int, processes: Processes) -> None:
    """Refuse more than one process for a run that cannot be divided by classes.

    Raises:
        ConfigError: Says what several processes could do.
    """
    if processes.count == 1:
        return
    objectives = {"objective": recipe.objective, "size_policy.probe": recipe.size_policy.measure}
    for key, objective in objectives.items():
        if objective is not None and objective.all_classes:
            raise ConfigError(
                f"{key} = {objective} matches all classes as one set: {processes.count} processes "
                "would do the same work. Condense with one process. Experts may be trained by "
                "several: torchrun --standalone --nproc-per-node N -m condensery experts ..."
            )
    blocks = class_blocks(recipe, classes)
    if len(blocks) < processes.count:
        each = len(blocks[0])
        smaller = "" if each == 1 else ", or --set classes_per_block=1 --set classes_per_pass=1"
        raise ConfigError(
            f"{processes.count} processes, but {classes} classes in blocks of {each} make "
            f"{len(blocks)} shards. Use --nproc-per-node {len(blocks)}{smaller}."
        )
