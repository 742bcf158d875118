"""Folders with one subfolder a class.

Either ``root/class/*.png``, or ``root/train/class/*.png`` with one of ``root/test``,
``root/val``, ``root/valid``, ``root/validation`` beside it (the first of these that exists; the
others are left alone). Classes are sorted by name, like images within a class. Files that do
not end like an image, and names that begin with a dot or two underscores, are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from condensery.data.decode import Encoded, blocks_of, decode
from condensery.data.source import Part, Source
from condensery.data.store import Store
from condensery.errors import DataError, nearest

__all__ = ["holds_images", "read"]

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_TEST = ("test", "val", "valid", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The images of one split, and their classes."""

    class_names: tuple[str, ...]
    paths: list[Path]
    labels: list[int]


def holds_images(root: Path) -> bool:
    """Whether a folder, or its ``train``, has a subfolder with an image in it."""
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    inside = _folders(folders["train"]) if "train" in folders else folders.values()
    return any(_is_image(path) for folder in inside for path in folder.iterdir())


def read(
    root: Path,
    *,
    size: int | None,
    skip_corrupt: bool,
    classes: tuple[str, ...] | None = None,
    store: Store | None = None,
) -> Source:
    """Read an image folder.

    All images of both splits are decoded together: they are grey only if all are.

    Args:
        root: The folder.
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        classes: Class folders to read, in the order of their labels; ``None`` is all, by name.
        store: What to do with large sets; ``None`` holds all in memory.

    Raises:
        DataError: If there are no class folders, one of ``classes`` is missing, splits have
            different ones, a class has no image, an image cannot be read, or sizes differ.
    """
    title = str(root)
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    splits = "train" in folders and bool(_folders(folders["train"]))
    train = _list(folders["train"] if splits else root, classes)
    test = None
    if splits:
        found = next((folders[name] for name in _TEST if name in folders), None)
        test = _list(found, classes) if found else None
    if test is not None and test.class_names != train.class_names:
        odd = sorted(set(test.class_names) ^ set(train.class_names))
        raise DataError(
            f"{title}: train has {len(train.class_names)} class folders and test has "
            f"{len(test.class_names)}; only one of them has {odd[0]!r}. Both must have the same."
        )
    listings = [train] if test is None else [train, test]
    paths = [path for listing in listings for path in listing.paths]
    encoded = [Encoded(name=path.relative_to(root).as_posix(), content=path) for path in paths]
    how = f"{size} {skip_corrupt}"
    decoded = decode(
        blocks_of(encoded),
        size=size,
        skip_corrupt=skip_corrupt,
        title=title,
        shelf=None if store is None else store.shelf(paths, root=root, how=how),
    )
    labels = torch.tensor([label for listing in listings for label in listing.labels])
    images, labels = decoded.images, labels[decoded.kept]
    cut = int((decoded.kept < len(train.paths)).sum())
    return Source(
        title=title,
        train=Part(images=images[:cut], labels=labels[:cut]),
        test=None if test is None else Part(images=images[cut:], labels=labels[cut:]),
        class_names=train.class_names,
        skipped=decoded.skipped,
        shelf=decoded.shelf,
    )


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and _is_named(path))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _is_image(path))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and _is_named(path)


def _is_named(path: Path) -> bool:
    return not path.name.startswith((".", "__"))


def _list(root: Path, chosen: tuple[str, ...] | None) -> _Listing:
    classes = _folders(root)
    if classes and chosen is not None:
        classes = _chosen(root, classes, chosen)
    if not classes:
        inside = sorted(path.name for path in root.iterdir())
        held = f"holds no class folders, only {inside[0]!r}" if inside else "is empty"
        more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        raise DataError(
            f"{root}: this folder {held}{more}. Give a folder with one subfolder of images a "
            "class, the four IDX files of MNIST, or Parquet files."
        )
    of_class = [_images(folder) for folder in classes]
    for folder, images in zip(classes, of_class, strict=True):
        if not images:
            raise DataError(
                f"{folder}: this class folder holds no image ({', '.join(_ENDINGS)}). "
                "Every class needs one: add images, or remove the folder."
            )
    return _Listing(
        class_names=tuple(folder.name for folder in classes),
        paths=[path for images in of_class for path in images],
        labels=[label for label, images in enumerate(of_class) for _ in images],
    )


def _chosen(root: Path, folders: list[Path], chosen: tuple[str, ...]) -> list[Path]:
    named = {folder.name: folder for folder in folders}
    if len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise DataError(
            f"classes = {', '.join(chosen) or 'none'}: name two classes or more, each once."
        )
    for name in chosen:
        if name not in named:
            raise DataError(
                f"{root}: has no class folder {name!r}, which was asked for.{nearest(name, named)} "
                f"It has {len(named)}, such as {', '.join(list(named)[:3])}."
            )
    return [named[name] for name in chosen]
