"""Sets of different classes as one set, in which every image keeps its bits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.manifest import bytes_by_size, nested_rows, stored_tensors
from condensery.errors import ConfigError

_OF_ONE_SET = ("experts", "reranked", "relabelled")
"""Keys of a manifest that speak of one set; ``joined`` keeps them in the record of that set."""


def joined(sets: Sequence[CondensedSet], *, name: str | None = None) -> CondensedSet:
    """One set of the classes of all sets.

    Size ``k`` of the result has the first ``k`` images of every class. Sets may have different
    largest sizes; above the largest size of a set, its classes get no more images. The observations
    of the sets are dropped, because they were measured with fewer classes.

    Args:
        sets: At least one; each class is in one of them. They store images in the same way.
        name: Name of the result; by default the names of the sets, joined by ``+``.

    Returns:
        A set whose classes have the order of the sets. ``mean`` and ``std`` are those of all
        training images of the sets together. ``manifest["joined"]`` has one record for each set.

    Raises:
        ConfigError: If the sets share a class, or their images differ in shape, decoding or dtype,
            or are whitened.

    Example:
        ``joined([CondensedSet.load("animals.safetensors"), tools])``
    """
    if not sets:
        raise ConfigError("joined needs at least one set.")
    first = sets[0]
    if len(sets) == 1:
        return first
    for each in sets:
        _check(each, first)
    names = [known for each in sets for known in each.class_names]
    if twice := sorted({known for known in names if names.count(known) > 1}):
        raise ConfigError(
            f"The class {', '.join(twice)} is in more than one of the sets. A set is extended by "
            "classes that it does not have: leave out the classes that are there."
        )
    starts = [sum(each.classes for each in sets[:i]) for i in range(len(sets))]
    soft = _soft_labels(sets, starts, classes=len(names))
    mean, std = _statistics(sets)
    records = [record for each in sets for record in _records(each)]
    manifest = {
        **first.manifest,
        "name": "+".join(each.name for each in sets) if name is None else name,
        "class_names": names,
        "mean": mean,
        "std": std,
        "learned_lr": None,  # every run has its own
        "data": {
            "name": "+".join(dict.fromkeys(str(record["data"]["name"]) for record in records)),
            "fingerprint": _fingerprint(records),
            "images": sum(_images(each) for each in sets),
            "classes": len(names),
        },
        "observations": [],
        "joined": records,
    }
    for key in _OF_ONE_SET:
        manifest.pop(key, None)
    return concatenated(
        sets,
        labels=torch.cat([each.labels + at for each, at in zip(sets, starts, strict=True)]),
        rank=torch.cat([each.rank for each in sets]),
        soft_labels=soft,
        manifest=manifest,
    )


def concatenated(
    sets: Sequence[CondensedSet],
    *,
    labels: Tensor,
    rank: Tensor,
    soft_labels: Tensor | None,
    manifest: Mapping[str, Any],
) -> CondensedSet:
    """The rows of all sets as one set, in the order of a file.

    Args:
        sets: Sets that store images in the same way.
        labels: The class of every row, in the order of the sets, ``[row]``.
        rank: The rank of every row, ``[row]``.
        soft_labels: The learned label of every row, ``[row, class_]``, or ``None``.
        manifest: The manifest, in which ``sizes``, ``rows`` and ``bytes`` are computed anew.

    Raises:
        ConfigError: If a set stores something for all of its images together.
    """
    kinds = stored_tensors(manifest)
    for each in sets:
        if set(stored_tensors(each.manifest).values()) != {"rows"}:
            raise ConfigError(
                f"{each.name} stores something for all of its images together, so its images "
                "cannot be put into one set with others. Use a parameterization that stores every "
                "image by itself."
            )
    order = (rank.long() * len(manifest["class_names"]) + labels).argsort(stable=True)
    stored = {
        key: torch.cat([each.stored[key] for each in sets])[order].contiguous() for key in kinds
    }
    soft = None if soft_labels is None else soft_labels[order].contiguous()
    rows = nested_rows(rank)
    return CondensedSet(
        stored=stored,
        labels=labels[order],
        rank=rank[order],
        soft_labels=soft,
        manifest={
            **manifest,
            "sizes": len(rows),
            "rows": rows,
            "bytes": bytes_by_size(stored, kinds, soft, rows),
        },
    )


def check_joinable(condensed: CondensedSet) -> None:
    """Refuse a set that cannot be joined with any other one.

    Raises:
        ConfigError: If its images are whitened, or its sizes are no prefixes.
    """
    if condensed.manifest["zca"] is not None:
        raise ConfigError(
            f"{condensed.name}: its images are whitened, and the whitening depends on the data of "
            "all classes. Only sets without whitening can be joined."
        )
    if not condensed.prefixes:
        raise ConfigError(
            f"{condensed.name}: it is decoded crop by crop, so the images of a size are parts of "
            "more stored images. Only sets that are decoded image by image can be joined."
        )


def _check(each: CondensedSet, first: CondensedSet) -> None:
    check_joinable(each)
    for what in ("shape", "decode"):
        own, wanted = each.manifest[what], first.manifest[what]
        if own != wanted:
            raise ConfigError(
                f"{each.name} has {what} {own}, and {first.name} has {wanted}. Sets are joined "
                "whose images have one size and are decoded in one way."
            )
    for key, tensor in first.stored.items():
        if each.stored[key].dtype != tensor.dtype:
            raise ConfigError(
                f"{each.name} stores {key} as {each.stored[key].dtype}, and {first.name} as "
                f"{tensor.dtype}. Sets are joined that store images in the same way."
            )


def _soft_labels(
    sets: Sequence[CondensedSet], starts: Sequence[int], *, classes: int
) -> Tensor | None:
    """Learned labels over all classes: zero for classes of other sets, true labels as one-hot."""
    if all(each.soft_labels is None for each in sets):
        return None
    wide: list[Tensor] = []
    for each, at in zip(sets, starts, strict=True):
        own = each.soft_labels
        if own is None:
            own = torch.nn.functional.one_hot(each.labels, each.classes).float()
        rows = torch.zeros(len(each), classes)
        rows[:, at : at + each.classes] = own
        wide.append(rows)
    return torch.cat(wide)


def _statistics(sets: Sequence[CondensedSet]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the channels over the images of all sets."""
    counts = [_images(each) for each in sets]
    total = sum(counts)
    mean = [
        math.fsum(n * each.mean[c] for n, each in zip(counts, sets, strict=True)) / total
        for c in range(len(sets[0].mean))
    ]
    square = [
        math.fsum(
            n * (each.std[c] ** 2 + each.mean[c] ** 2) for n, each in zip(counts, sets, strict=True)
        )
        / total
        for c in range(len(mean))
    ]
    return mean, [math.sqrt(s - m * m) for s, m in zip(square, mean, strict=True)]


def _images(condensed: CondensedSet) -> int:
    """Number of training images; of a file that does not say it, the number of rows."""
    return int(condensed.manifest["data"].get("images") or len(condensed))


def _records(condensed: CondensedSet) -> list[dict[str, Any]]:
    """What was joined: the records of a set that was itself joined, or one record."""
    if "joined" in condensed.manifest:
        return list(condensed.manifest["joined"])
    manifest = condensed.manifest
    keys = ("name", "method", "recipe", "seed", "data", "class_names", "mean", "std", *_OF_ONE_SET)
    return [{key: manifest[key] for key in keys if key in manifest}]


def _fingerprint(records: Sequence[dict[str, Any]]) -> str:
    """A hash of the fingerprints of the data of all sets."""
    text = "\n".join(str(record["data"].get("fingerprint")) for record in records)
    return hashlib.sha256(text.encode()).hexdigest()
