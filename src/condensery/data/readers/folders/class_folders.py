"""Folders with one subfolder a class: which subfolders are classes, and which images they hold.

Images count at any depth below a class folder. Class folders are sorted by number if all names are
numbers, else as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from condensery.data.classes import ClassList, check_chosen, choose, natural_order
from condensery.data.readers.folders.listing import Listing, SplitFiles
from condensery.data.readers.folders.names import (
    image_of,
    is_companion,
    is_container,
    kind_of,
    words_of,
)
from condensery.data.readers.folders.walk import (
    FolderImages,
    files,
    folders,
    images_below,
    is_image,
    name_of,
    readable,
)
from condensery.data.skipped import Skipped
from condensery.errors import DataError

_PARTS = frozenset({"part", "fold", "shard", "chunk", "batch", "image", "images", "img", "imgs"})


_Images = Mapping[str, Sequence[Path]]  # by class


def class_folders(
    folder: Path, *, root: Path, chosen: Sequence[str] | None = None, divided: bool = False
) -> Listing:
    """List the images of a folder by class.

    Args:
        folder: Holds one folder a class.
        root: The folder of the whole data set, which names are relative to.
        chosen: Classes to list, in the order of their labels; ``None`` is all of them.
        divided: Whether the folder is a split itself, so that there are none inside its classes.
            Otherwise images of train and test folders inside every class folder are told apart.
    """
    skipped: list[Skipped] = []
    classes = {path.name: path for path in _candidates(folder, root, chosen, skipped)}
    names = natural_order(list(classes))
    where = readable(folder)
    if chosen is None:
        _check_names(where, names)
    else:
        check_chosen(chosen)
        if set(chosen) <= set(names):
            names = list(chosen)
        else:
            listed = ClassList(title=where, names=tuple(map(readable, names)))
            names = [names[label] for label in choose(listed, chosen)]
    found = {name: images_below(classes[name], root=root) for name in names}
    for name in names:
        skipped += found[name].skipped
        if not found[name].images:
            raise _without_images(classes[name], found[name])
    images = {name: found[name].images for name in names}
    inside = None if divided else _splits_inside(classes, images, root)

    def split(held: _Images) -> SplitFiles:
        return SplitFiles.of_names(where, [(path, n) for n in names for path in held[n]], names)

    return Listing(
        root=root,
        train=split(inside[0] if inside else images),
        test=split(inside[1]) if inside else None,
        skipped=(
            *loose_images(folder, root, "beside the class folders, so it has no class"),
            *skipped,
            *(inside[2] if inside else ()),
        ),
        notices=() if inside else _nested(where, classes, images),
    )


def loose_images(folder: Path, root: Path, reason: str) -> tuple[Skipped, ...]:
    """One entry for the images that lie directly in a folder, if there are any."""
    images = [path for path in files(folder) if is_image(path)]
    if not images:
        return ()
    more = f" and {len(images) - 1} more images there" if len(images) > 1 else ""
    return (Skipped(name_of(images[0], root) + more, reason),)


def _candidates(
    folder: Path, root: Path, chosen: Sequence[str] | None, skipped: list[Skipped]
) -> list[Path]:
    """Folders that may be classes, without those that hold the masks of others, or lists."""
    inside = folders(folder)
    odd = [path for path in inside if is_companion(path.name)]
    if chosen is not None or not odd:
        return inside
    plain = [path for path in inside if path not in odd]
    held = {path: images_below(path, root=root).images for path in odd}
    if not any(held.values()):
        return plain
    others = [image for path in plain for image in images_below(path, root=root).images]
    stems = {image.stem.lower() for image in others}
    for path, images in held.items():
        own = [image.stem.lower() for image in images]
        masks = sum((image_of(stem) or stem) in stems for stem in own)
        if images and 2 * masks < len(images):
            plain.append(path)
        elif images:
            reason = f"a folder with {len(images)} masks of other images, by their names"
            skipped.append(Skipped(name_of(path, root), reason))
    return sorted(plain)


def _check_names(where: str, names: Sequence[str]) -> None:
    """Refuse folders whose names say that they are splits, parts, or containers of images."""
    if len(names) < 2:
        return
    shown = ", ".join(repr(readable(name)) for name in names[:5])
    shown += f" and {len(names) - 5} more" if len(names) > 5 else ""
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


def _without_images(folder: Path, found: FolderImages) -> DataError:
    held = "it is empty"
    if found.skipped:
        first = found.skipped[0]
        held = f"it holds {len(found.skipped)} other file(s), such as {first.name!r}"
        held += f" ({first.reason})"
    elif folders(folder) or files(folder):
        held = "there is nothing but empty folders in it"
    return DataError(
        f"{readable(folder)}: this class folder holds no image: {held}. Every class needs "
        "one: add images that Pillow can read, such as PNG or JPEG, or remove the folder."
    )


def _nested(where: str, classes: Mapping[str, Path], images: _Images) -> tuple[str, ...]:
    """A sentence, if the folders inside the class folders might be the classes instead."""
    if any(image.parent == classes[name] for name, held in images.items() for image in held):
        return ()
    inside = [
        {image.relative_to(classes[name]).parts[0] for image in held}
        for name, held in images.items()
    ]
    if len(inside) < 2 or len(inside[0]) < 2 or any(names != inside[0] for names in inside):
        return ()
    outer = " and ".join(repr(readable(name)) for name in list(images)[:2])
    inner = " and ".join(repr(readable(name)) for name in sorted(inside[0])[:2])
    return (
        f"{where}: the classes are the outer folders, such as {outer}; each holds "
        f"the same folders, such as {inner}, which are not told apart. If those are the classes, "
        "make one folder for each of them that holds all its images.",
    )


def _splits_inside(
    classes: Mapping[str, Path], images: _Images, root: Path
) -> tuple[_Images, _Images, list[Skipped]] | None:
    """The train and test images, where every class folder holds a train and a test folder."""
    by_kind: dict[str, dict[str | None, list[Path]]] = {name: {} for name in images}
    for name, held in images.items():
        if all(image.parent == classes[name] for image in held):
            return None
        for image in held:
            inside = image.relative_to(classes[name]).parts
            kind = kind_of(inside[0]) if len(inside) > 1 else None
            by_kind[name].setdefault(kind, []).append(image)
    kinds = set[str | None].intersection(*map(set, by_kind.values()))
    wanted = "test" if "test" in kinds else "val"
    if not {"train", wanted} <= kinds:
        return None
    train = {name: found["train"] for name, found in by_kind.items()}
    test = {name: found[wanted] for name, found in by_kind.items()}
    skipped: list[Skipped] = []
    for name in images:
        if rest := len(images[name]) - len(train[name]) - len(test[name]):
            reason = f"{rest} images of it are in neither its train nor its {wanted} folder"
            skipped.append(Skipped(name_of(classes[name], root), reason))
    return train, test, skipped
