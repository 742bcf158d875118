"""Which folders are the splits of a data set, and below which folder its classes begin.

``train`` and ``test``, ``training`` and ``testing``, ``seg_train`` and ``seg_test`` are splits; a
folder inside a folder of its own name, or called ``images``, is gone through.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from condensery.data.readers.folders.names import Kind, is_companion, is_container, kind_of, rest_of
from condensery.data.readers.folders.walk import (
    folders,
    has_images,
    images_below,
    name_of,
    readable,
)
from condensery.data.skipped import Skipped
from condensery.errors import DataError

_IN_ORDER = ("train", "training", "test", "testing", "val", "valid", "validation")


def beginning(root: Path) -> tuple[Path, tuple[Skipped, ...]]:
    """Go down to the folder in which the splits, the classes or the images begin.

    Returns:
        The folder, and what was left out on the way.
    """
    base = root
    skipped: list[Skipped] = []
    while splits_of(base) is None and (main := _gone_through(base)):
        for other in _with_images(base):
            if other != main:
                reason = f"{count_of(other)} in a folder beside {main.name!r}"
                skipped.append(Skipped(name_of(other, root), reason))
        base = main
    return base, tuple(skipped)


def within_split(folder: Path) -> Path:
    """Go down through doubled folders (``seg_train/seg_train``) and ``train/images``."""
    while main := _gone_through(folder):
        folder = main
    return folder


def splits_of(folder: Path) -> Mapping[Kind, list[Path]] | None:
    """The folders of each split, where a folder has splits; the first of a kind goes before."""
    inside = _with_images(folder)
    groups: dict[tuple[str, ...], dict[Kind, list[Path]]] = {}
    for path in inside:
        if kind := kind_of(path.name):
            groups.setdefault(rest_of(path.name), {}).setdefault(kind, []).append(path)
    pairs = {rest: group for rest, group in groups.items() if "train" in group and len(group) > 1}
    plain = groups.get((), {})
    if () in pairs:
        return _in_order(folder, plain)
    if len(pairs) > 1:
        one, two = (next(iter(group["train"])).name for group in list(pairs.values())[:2])
        raise DataError(
            f"{readable(folder)}: several folders are called like train splits, {one!r} and "
            f"{two!r}. Give the folder of one data set, or put train and test of one into a folder."
        )
    if pairs:
        return _in_order(folder, next(iter(pairs.values())))
    if plain and sum(map(len, plain.values())) == len(inside):
        return _in_order(folder, plain)
    if "train" in plain:
        return _train_beside_others(folder, plain["train"], inside)
    return None


def is_flat(folder: Path) -> bool:
    """Whether images lie directly in a folder, with no more than one folder of others beside."""
    return has_images(folder, deep=False) and len(_with_images(folder)) < 2


def count_of(folder: Path) -> str:
    """How many images there are in a folder, in words."""
    count = len(images_below(folder, root=folder).images)
    return f"{count} image{'s' if count != 1 else ''}"


def _with_images(folder: Path) -> list[Path]:
    return [path for path in folders(folder) if has_images(path)]


def _gone_through(folder: Path) -> Path | None:
    """The only folder of images, if it says nothing about their class."""
    inside = _with_images(folder)
    main = [path for path in inside if not is_companion(path.name)] or inside
    if len(main) != 1 or has_images(folder, deep=False):
        return None
    (only,) = main
    named = is_container(only.name) or only.name.lower() == folder.name.lower()
    same = kind_of(only.name) is not None and kind_of(only.name) == kind_of(folder.name)
    if named or same or (not has_images(only, deep=False) and splits_of(only) is not None):
        return only
    return None


def _train_beside_others(
    folder: Path, train: list[Path], inside: list[Path]
) -> Mapping[Kind, list[Path]] | None:
    """A train folder without a test folder is a split if nothing beside it may be a class."""
    others = [path for path in inside if path not in train and not is_companion(path.name)]
    if not others:
        return {"train": train}
    if has_images(train[0], deep=False):
        return None
    raise DataError(
        f"{readable(folder)}: {readable(train[0].name)!r} may be the train split or a class, since "
        f"it holds folders of images and lies beside {readable(others[0].name)!r}. Give "
        f"{readable(train[0])} if it is the split; if it is a class, put its images directly into "
        "it."
    )


def _in_order(folder: Path, group: Mapping[Kind, list[Path]]) -> Mapping[Kind, list[Path]]:
    def place(path: Path) -> tuple[int, str]:
        name = path.name.lower()
        return (_IN_ORDER.index(name) if name in _IN_ORDER else len(_IN_ORDER), path.name)

    ordered: dict[Kind, list[Path]] = {
        kind: sorted(found, key=place) for kind, found in group.items()
    }
    for kind, found in ordered.items():
        if kind != "val" and len(found) > 1:
            one, two = (readable(path.name) for path in found[:2])
            raise DataError(
                f"{readable(folder)}: both {one!r} and {two!r} are called like the {kind} "
                "split. Leave one of them, or give the folder of one."
            )
    return ordered
