"""Folders with one subfolder a class: which subfolders are classes, and which images they hold.

Images count at any depth below a class folder. Class folders are sorted by number if all names are
numbers, else as text.

Knows nothing about splits beside each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data.classes import ClassList, choose, natural_order
from condensery.data.readers.folders.listing import Split
from condensery.data.readers.folders.split_names import is_container, kind_of, words_of
from condensery.data.readers.folders.walk import (
    Found,
    files,
    folders,
    images_below,
    is_image,
    is_mask_folder,
    name_of,
    readable,
    unmasked,
)
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = ["ClassFolders", "class_folders", "is_companion", "loose_images"]

_COMPANIONS = frozenset(
    {
        *("annotation", "annotations", "labels", "meta", "metadata", "lists", "docs", "parts"),
        *("attributes", "devkit", "code", "scripts", "bbox", "bboxes", "imagesets", "splits"),
    }
)
_PARTS = frozenset({"part", "fold", "shard", "chunk", "batch", "image", "images", "img", "imgs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolders:
    """The images of a folder of class folders.

    Attributes:
        whole: All of them, or those of the train folders inside the class folders.
        test: Those of the test folders inside the class folders, where every one has these.
        skipped: What was left out.
        notices: Whole sentences about doubtful names.
    """

    whole: Split
    test: Split | None
    skipped: tuple[Skipped, ...]
    notices: tuple[str, ...]


def class_folders(
    folder: Path, *, root: Path, chosen: Sequence[str] | None = None, divided: bool = False
) -> ClassFolders:
    """List the images of a folder by class.

    Args:
        folder: Holds one folder a class.
        root: The folder of the whole data set, which names are relative to.
        chosen: Classes to list, in the order of their labels; ``None`` is all of them.
        divided: Whether the folder is a split itself, so that there are none inside its classes.

    Raises:
        DataError: If a class folder has no image, a chosen class is missing, or the names of the
            folders say that they are something else than classes.
    """
    skipped: list[Skipped] = []
    named = {path.name: path for path in _candidates(folder, root, chosen, skipped)}
    names = natural_order(list(named))
    if chosen is not None:
        names = _chosen(folder, names, chosen)
    else:
        _check_names(folder, names)
    found = {name: images_below(named[name], root=root) for name in names}
    for name in names:
        skipped += found[name].skipped
        if not found[name].images:
            raise _without_images(named[name], found[name], root)
    loose = loose_images(folder, root=root, reason="beside the class folders, so it has no class")
    notices = _nested(folder, {named[name]: found[name].images for name in names})
    inside = None if divided else _splits_inside({name: named[name] for name in names}, found, root)
    where = readable(str(folder))
    if inside is None:
        whole, test = _split(where, found, names), None
    else:
        whole, test = (_split(where, part, names) for part in inside[:2])
        skipped += inside[2]
    return ClassFolders(
        whole=whole, test=test, skipped=(*loose, *skipped), notices=() if inside else notices
    )


def is_companion(name: str) -> bool:
    """Whether a folder of this name usually accompanies images, such as ``annotations``."""
    return bool(_COMPANIONS & set(words_of(name))) or is_mask_folder(name)


def loose_images(folder: Path, *, root: Path, reason: str) -> tuple[Skipped, ...]:
    """One entry for the images that lie directly in a folder, if there are any."""
    images = [path for path in files(folder) if is_image(path)]
    if not images:
        return ()
    first = name_of(images[0], root)
    more = f" and {len(images) - 1} more images there" if len(images) > 1 else ""
    return (Skipped(first + more, reason),)


def _split(where: str, found: Mapping[str, Found], names: Sequence[str]) -> Split:
    rows = [(path, name) for name in names for path in found[name].images]
    return Split.of_names(where, rows, names)


def _candidates(
    folder: Path, root: Path, chosen: Sequence[str] | None, skipped: list[Skipped]
) -> list[Path]:
    """Folders that may be classes, without those that hold the masks of others, or lists."""
    inside = folders(folder)
    odd = [path for path in inside if is_companion(path.name)]
    if chosen is not None or not odd:
        return inside
    plain = [path for path in inside if path not in odd]
    stems: set[str] | None = None
    for path in odd:
        images = images_below(path, root=root).images
        if stems is None and images:
            stems = {
                image.stem.lower()
                for other in plain
                for image in images_below(other, root=root).images
            }
        masks = [image for image in images if unmasked(image.stem.lower()) in (stems or ())]
        if images and 2 * len(masks) < len(images):
            plain.append(path)
        elif images:
            reason = f"a folder with {len(images)} masks of other images, by their names"
            skipped.append(Skipped(name_of(path, root), reason))
    return sorted(plain)


def _chosen(folder: Path, names: Sequence[str], chosen: Sequence[str]) -> list[str]:
    where = readable(str(folder))
    if len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise DataError(
            f"classes = {', '.join(chosen) or 'none'}: name two classes or more, each once, with "
            "--classes NAME,NAME,... (classes=[...])."
        )
    if set(chosen) <= set(names):
        return list(chosen)
    listed = ClassList(title=where, names=tuple(map(readable, names)))
    return [names[label] for label in choose(listed, chosen)]


def _check_names(folder: Path, names: Sequence[str]) -> None:
    """Refuse folders whose names say that they are splits, parts, or containers of images."""
    if len(names) < 2:
        return
    shown = ", ".join(repr(readable(name)) for name in names[:5])
    shown += f" and {len(names) - 5} more" if len(names) > 5 else ""
    where = readable(str(folder))
    if all(kind_of(name) or is_container(name) for name in names):
        raise DataError(
            f"{where}: the folders {shown} are called like splits or like folders of images, not "
            "like classes. Give a folder with one folder a class, or with train and test folders "
            "that hold one folder a class each."
        )
    stems = {re.sub(r"\d+", "", name) for name in names}
    if len(stems) == 1 and _PARTS & set(words_of(stems.pop())):
        raise DataError(
            f"{where}: the folders {shown} are called like the parts of one collection, not like "
            "classes. Put the images of each class into a folder of its own; if these are the "
            "classes, rename the folders."
        )


def _without_images(folder: Path, found: Found, root: Path) -> DataError:
    held = "it is empty"
    if found.skipped:
        first = found.skipped[0]
        held = f"it holds {len(found.skipped)} other file(s), such as {first.name!r}"
        held += f" ({first.reason})"
    elif folders(folder) or files(folder):
        held = "there is nothing but empty folders in it"
    return DataError(
        f"{readable(str(folder))}: this class folder holds no image: {held}. Every class needs "
        "one: add images that Pillow can read, such as PNG or JPEG, or remove the folder."
    )


def _nested(folder: Path, classes: Mapping[Path, Sequence[Path]]) -> tuple[str, ...]:
    """A sentence, if the folders inside the class folders might be the classes instead."""
    inside = [
        {image.relative_to(path).parts[0] for image in images if image.parent != path}
        for path, images in classes.items()
    ]
    if any(image.parent == path for path, images in classes.items() for image in images):
        return ()
    if len(inside) < 2 or len(inside[0]) < 2 or any(names != inside[0] for names in inside):
        return ()
    first = sorted(inside[0])
    outer = " and ".join(repr(readable(path.name)) for path in list(classes)[:2])
    inner = " and ".join(repr(readable(name)) for name in first[:2])
    return (
        f"{readable(str(folder))}: the classes are the outer folders, such as {outer}; each holds "
        f"the same folders, such as {inner}, which are not told apart. If those are the classes, "
        "make one folder for each of them that holds all its images.",
    )


def _splits_inside(
    classes: Mapping[str, Path], found: Mapping[str, Found], root: Path
) -> tuple[dict[str, Found], dict[str, Found], list[Skipped]] | None:
    """The train and test images, where every class folder holds a train and a test folder."""
    kinds = {name: {kind_of(path.name) for path in folders(classes[name])} for name in classes}
    wanted = next(
        (kind for kind in ("test", "val") if all({"train", kind} <= k for k in kinds.values())),
        None,
    )
    if wanted is None:
        return None
    train: dict[str, Found] = {}
    test: dict[str, Found] = {}
    skipped: list[Skipped] = []
    for name, path in classes.items():
        by_kind: dict[str | None, list[Path]] = {}
        for image in found[name].images:
            inside = image.relative_to(path).parts
            by_kind.setdefault(kind_of(inside[0]) if len(inside) > 1 else None, []).append(image)
        if "train" not in by_kind or wanted not in by_kind:
            return None
        train[name] = Found(tuple(by_kind.pop("train")), ())
        test[name] = Found(tuple(by_kind.pop(wanted)), ())
        if rest := sum(map(len, by_kind.values())):
            reason = f"{rest} images of it are in neither its train nor its {wanted} folder"
            skipped.append(Skipped(name_of(path, root), reason))
    return train, test, skipped
