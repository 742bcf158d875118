"""Which folders are the splits of a data set, and below which folder its classes begin.

``train`` and ``test``, ``training`` and ``testing``, ``seg_train`` and ``seg_test`` are splits; a
folder inside a folder of its own name, or called ``images``, is gone through.

Knows nothing about labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from condensery.data.readers.folders.class_folders import is_companion
from condensery.data.readers.folders.split_names import Kind, is_container, kind_of, rest_of
from condensery.data.readers.folders.walk import (
    folders,
    has_images,
    images_below,
    name_of,
    readable,
)
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = ["beginning", "is_flat", "splits_of", "within_split"]

_IN_ORDER = ("train", "training", "test", "testing", "val", "valid", "validation")


def beginning(root: Path) -> tuple[Path, tuple[Skipped, ...]]:
    """Go down to the folder in which the splits, the classes or the images begin.

    Args:
        root: The folder that a user gives.

    Returns:
        The folder, and what was left out on the way.
    """
    base = root
    skipped: list[Skipped] = []
    while splits_of(base) is None and not has_images(base, deep=False):
        inside = [path for path in folders(base) if has_images(path)]
        main = [path for path in inside if not is_companion(path.name)] or inside
        if len(main) != 1 or not _is_gone_through(main[0], base):
            break
        for other in inside:
            if other not in main:
                reason = f"{_count(other, root)} in a folder beside {main[0].name!r}"
                skipped.append(Skipped(name_of(other, root), reason))
        base = main[0]
    return base, tuple(skipped)


def splits_of(folder: Path) -> Mapping[Kind, list[Path]] | None:
    """The folders of each split, where a folder has splits; the first of a kind goes before.

    Raises:
        DataError: If several groups of folders, or two train folders, could be meant; or if a
            folder called train could be a split as well as a class.
    """
    inside = [path for path in folders(folder) if has_images(path)]
    groups: dict[tuple[str, ...], dict[Kind, list[Path]]] = {}
    for path in inside:
        if kind := kind_of(path.name):
            groups.setdefault(rest_of(path.name), {}).setdefault(kind, []).append(path)
    pairs = {rest: group for rest, group in groups.items() if "train" in group and len(group) > 1}
    if () in pairs:
        return _in_order(folder, pairs[()])
    if len(pairs) > 1:
        one, two = (next(iter(group["train"])).name for group in list(pairs.values())[:2])
        raise DataError(
            f"{readable(str(folder))}: several folders are called like train splits, {one!r} and "
            f"{two!r}. Give the folder of one data set, or put train and test of one into a folder."
        )
    if pairs:
        return _in_order(folder, next(iter(pairs.values())))
    if () in groups and len(groups) == 1 and sum(map(len, groups[()].values())) == len(inside):
        return _in_order(folder, groups[()])
    if "train" in groups.get((), {}):
        return _train_beside_others(folder, groups[()]["train"], inside)
    return None


def within_split(folder: Path) -> Path:
    """Go down through doubled folders (``seg_train/seg_train``) and ``train/images``."""
    while not has_images(folder, deep=False):
        inside = [path for path in folders(folder) if has_images(path)]
        main = [path for path in inside if not is_companion(path.name)] or inside
        if len(main) != 1 or not _is_gone_through(main[0], folder):
            break
        folder = main[0]
    return folder


def is_flat(folder: Path) -> bool:
    """Whether images lie directly in a folder, with no more than one folder of others beside."""
    if not has_images(folder, deep=False):
        return False
    return sum(has_images(path) for path in folders(folder)) < 2


def _is_gone_through(only: Path, above: Path) -> bool:
    """Whether a folder that is the only one says nothing about the class of its images."""
    if is_container(only.name) or only.name.lower() == above.name.lower():
        return True
    if kind_of(only.name) and kind_of(only.name) == kind_of(above.name):
        return True
    return not has_images(only, deep=False) and splits_of(only) is not None


def _train_beside_others(
    folder: Path, train: list[Path], inside: list[Path]
) -> Mapping[Kind, list[Path]] | None:
    """A train folder without a test folder is a split if nothing beside it may be a class."""
    others = [path for path in inside if path not in train and not is_companion(path.name)]
    if not others:
        return {"train": train}
    if has_images(train[0], deep=False) or not has_images(train[0]):
        return None
    name, other = readable(train[0].name), readable(others[0].name)
    raise DataError(
        f"{readable(str(folder))}: {name!r} may be the train split or a class, since it holds "
        f"folders of images and lies beside {other!r}. Give {readable(str(train[0]))} if it is the "
        "split; if it is a class, put its images directly into it."
    )


def _in_order(folder: Path, group: Mapping[Kind, list[Path]]) -> Mapping[Kind, list[Path]]:
    ordered: dict[Kind, list[Path]] = {}
    for kind, found in group.items():
        ordered[kind] = sorted(found, key=_place)
        if kind != "val" and len(found) > 1:
            one, two = (readable(path.name) for path in ordered[kind][:2])
            raise DataError(
                f"{readable(str(folder))}: both {one!r} and {two!r} are called like the {kind} "
                "split. Leave one of them, or give the folder of one."
            )
    return ordered


def _place(path: Path) -> tuple[int, str]:
    name = path.name.lower()
    return (_IN_ORDER.index(name) if name in _IN_ORDER else len(_IN_ORDER), path.name)


def _count(folder: Path, root: Path) -> str:
    count = len(images_below(folder, root=root).images)
    return f"{count} image{'s' if count != 1 else ''}"
