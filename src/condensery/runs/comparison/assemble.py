"""A row's condensed set from the sets of its runs.

Knows nothing about how these were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.manifest import stored_tensors
from condensery.errors import ConfigError


def _together(sets: Sequence[CondensedSet]) -> dict[str, Tensor]:
    """The rows of all sets, one after the other."""
    for each in sets:
        if set(stored_tensors(each.manifest).values()) != {"rows"}:
            raise ConfigError(
                f"{each.name} stores something for all of its images together, so sets of single "
                "runs cannot be put together (baseline b). Leave out b, or use a parameterization "
                "that stores images."
            )
    return {name: torch.cat([each.stored[name] for each in sets]) for name in sets[0].stored}


def assembled(sets: Sequence[CondensedSet], *, name: str) -> CondensedSet:
    """One set of the sets of its runs, in their order: run ``k`` gives the images of rank ``k``.

    Args:
        sets: One is taken as it is. Of several (baseline B) each holds one image of every class.
        name: Of the result.

    Raises:
        ConfigError: If one of several sets holds anything else.
    """
    first = sets[0]
    if len(sets) == 1:
        return replace(first, manifest={**first.manifest, "name": name})
    for each in sets:
        if each.sizes != 1 or len(each) != each.classes:
            raise ConfigError(
                f"{each.name} holds {len(each)} images of {each.classes} classes, but sets are "
                "concatenated that hold one image of every class."
            )
    learned = [each.soft_labels for each in sets if each.soft_labels is not None]
    return CondensedSet(
        stored=_together(sets),
        labels=torch.cat([each.labels for each in sets]),
        rank=torch.cat([each.rank + rank for rank, each in enumerate(sets)]),
        soft_labels=torch.cat(learned) if learned else None,
        manifest={
            **first.manifest,
            "name": name,
            "sizes": len(sets),
            "rows": list(accumulate(each.rows[0] for each in sets)),
            "bytes": list(accumulate(each.bytes_of(1) for each in sets)),
            "learned_step_size": None,  # every run has its own
        },
    )
