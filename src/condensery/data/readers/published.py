"""Data sets whose publishers give the label or the split of each image in a text file.

TinyImageNet, Food-101, Oxford-IIIT Pet, Oxford Flowers 102, CUB-200-2011 and FGVC-Aircraft, as
their archives are unpacked. Each is a function that lists the images of the two splits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from condensery.data.classes import natural_order
from condensery.data.readers.cifar_stl import read_bytes
from condensery.data.readers.folders.class_folders import class_folders
from condensery.data.readers.folders.listing import Listing, SplitFiles
from condensery.data.readers.folders.walk import images_below, name_of, readable
from condensery.data.readers.mat import mat_arrays
from condensery.data.skipped import Skipped
from condensery.errors import DataError

_UNLISTED = "in none of the lists of images"
_Listing = Callable[[Path], Listing]
_Named = list[tuple[str, str]]  # images below a folder, each with the name of its class


class PublishedLayout(NamedTuple):
    """The layout of a data set of which the publisher lists the images."""

    name: str  # what messages call the data set
    places: tuple[str, ...]  # folders of its archive or of a download in which it may lie
    files: tuple[str, ...]  # files and folders that tell the layout, all of which are there
    listing: _Listing  # lists the images of a folder of this layout

    def holds(self, folder: Path) -> bool:
        """Whether a folder has this layout."""
        return all((folder / name).exists() for name in self.files)


PUBLISHED: list[PublishedLayout] = []
"""Every layout of this kind."""


def _published(name: str, place: str, *files: str) -> Callable[[_Listing], _Listing]:
    """Add the layout that a function lists."""

    def add(listing: _Listing) -> _Listing:
        PUBLISHED.append(PublishedLayout(name, (place,), files, listing))
        return listing

    return add


_TINY = ("train", "val/val_annotations.txt", "val/images")


@_published("TinyImageNet", "tiny-imagenet-200", *_TINY)
def tiny_imagenet(root: Path) -> Listing:
    """``train/WNID/images``, ``val/images`` with ``val_annotations.txt``, unlabelled ``test``."""
    listed = class_folders(root / "train", root=root, divided=True)
    val = root / "val"
    table, names = val / "val_annotations.txt", listed.train.class_names
    named = [(row[0], row[1]) for row in _rows(table, least=2)]
    odd = next((label for _, label in named if label not in names), None)
    if odd is not None:
        raise DataError(
            f"{table}: has the class {odd!r}, of which there is no folder in {root / 'train'}. "
            "Both must have the same classes: unpack the archive again."
        )
    test, skipped = _listed(root, val / "images", named, names, list_name=table.name)
    if (root / "test").is_dir() and (others := images_below(root / "test", root=root).images):
        reason = f"{len(others)} images, whose labels are not published"
        skipped = (*skipped, Skipped("test", reason))
    return replace(listed, test=test, skipped=(*listed.skipped, *skipped))


@_published("Food-101", "food-101", "images", "meta/train.txt", "meta/test.txt")
def food101(root: Path) -> Listing:
    """``images/CLASS/ID.jpg``; ``meta/train.txt`` and ``meta/test.txt`` have ``CLASS/ID``."""
    lists = [_rows(root / "meta" / f"{name}.txt", least=1) for name in ("train", "test")]
    named = [[(f"{row[0]}.jpg", row[0].split("/")[0]) for row in rows] for rows in lists]
    return _two_lists(root, root / "images", *named)


_PETS = ("images", "annotations/trainval.txt", "annotations/test.txt")


@_published("Oxford-IIIT Pet", "oxford-iiit-pet", *_PETS)
def pets(root: Path) -> Listing:
    """``images/Name_12.jpg``; lists with the name of the image, its class, species and breed."""
    numbers: dict[str, int] = {}
    named: list[_Named] = [[], []]
    for rows, name in zip(named, ("trainval", "test"), strict=True):
        path = root / "annotations" / f"{name}.txt"
        for image, number, *_ in _rows(path, least=2):
            class_ = image.rpartition("_")[0]
            if not number.isascii() or not number.isdigit():
                raise DataError(
                    f"{path}: {number!r} is no number of a class. Fetch the annotations again."
                )
            if numbers.setdefault(class_, int(number)) != int(number):
                raise DataError(
                    f"{path}: gives the class {class_!r} two numbers, {numbers[class_]} and "
                    f"{int(number)}. Fetch the annotations again."
                )
            rows.append((f"{image}.jpg", class_))
    return _two_lists(root, root / "images", *named, order=sorted(numbers, key=numbers.__getitem__))


_CUB = ("classes", "images", "image_class_labels", "train_test_split")


@_published("CUB-200-2011", "CUB_200_2011", "images", *(f"{name}.txt" for name in _CUB))
def cub(root: Path) -> Listing:
    """``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``, each with image ids."""
    classes, files, labels, trained = (
        dict(row[:2] for row in _rows(root / f"{name}.txt", least=2)) for name in _CUB
    )
    if not (files.keys() == labels.keys() == trained.keys()):
        raise DataError(
            f"{root}: images.txt, image_class_labels.txt and train_test_split.txt do not list the "
            "same images. Unpack the archive again."
        )
    if odd := sorted(set(labels.values()) - classes.keys()):
        raise DataError(f"{root}: classes.txt has no class {odd[0]!r}. Unpack the archive again.")
    named = [
        [(files[i], classes[labels[i]]) for i in files if trained[i] == split]
        for split in ("1", "0")
    ]
    order = [classes[number] for number in natural_order(list(classes))]
    return _two_lists(root, root / "images", *named, order=order)


_AIRCRAFT = tuple(f"data/images_variant_{name}.txt" for name in ("trainval", "test"))


@_published("FGVC-Aircraft", "fgvc-aircraft-2013b", "data/images", *_AIRCRAFT)
def aircraft(root: Path) -> Listing:
    """``data/images/ID.jpg``; ``images_variant_trainval.txt`` has ``ID`` and the variant."""
    lists = [_rows(root / name, least=2) for name in _AIRCRAFT]
    named = [[(f"{image}.jpg", " ".join(variant)) for image, *variant in rows] for rows in lists]
    return _two_lists(root, root / "data" / "images", *named)


@_published("Oxford Flowers 102", "flowers-102", "jpg", "imagelabels.mat", "setid.mat")
def flowers(root: Path) -> Listing:
    """``jpg/image_00001.jpg``; ``imagelabels.mat`` has labels from 1, ``setid.mat`` the splits."""
    labels = _numbers(root / "imagelabels.mat", "labels")
    named: list[_Named] = []
    for name in ("trnid", "tstid"):
        ids = _numbers(root / "setid.mat", name)
        if not all(1 <= image <= len(labels) for image in ids):
            raise DataError(
                f"{root / 'setid.mat'}: {name!r} has numbers beyond the {len(labels)} images of "
                "imagelabels.mat. Fetch both files again."
            )
        named.append([(f"image_{image:05d}.jpg", str(labels[image - 1])) for image in ids])
    unlisted = "of a validation split, which is not used beside a test split"
    return _two_lists(root, root / "jpg", *named, unlisted=unlisted)


def _two_lists(
    root: Path,
    images: Path,
    train: _Named,
    test: _Named,
    *,
    order: Sequence[str] | None = None,
    unlisted: str = _UNLISTED,
) -> Listing:
    names = order or natural_order(sorted({name for _, name in (*train, *test)}))
    whole, skipped = _listed(
        root, images, [*train, *test], names, list_name="the list of images", unlisted=unlisted
    )
    one, two = (
        SplitFiles(f"{root}, {name}", tuple(names), whole.images[rows], whole.labels[rows])
        for name, rows in (("train", slice(len(train))), ("test", slice(len(train), None)))
    )
    return Listing(root=root, train=one, test=two, skipped=skipped)


def _listed(
    root: Path,
    images: Path,
    named: _Named,
    order: Sequence[str],
    *,
    list_name: str,
    unlisted: str = _UNLISTED,
) -> tuple[SplitFiles, tuple[Skipped, ...]]:
    """A split of listed images, all of which must be there, and what is not listed."""
    found = images_below(images, root=root)
    there = {path.with_suffix("").relative_to(images).as_posix(): path for path in found.images}
    missing = [image for image, _ in named if _stem(image) not in there]
    if missing or not named:
        what = "names no image"
        if missing:
            first = name_of(images / missing[0], root)
            what = f"names {len(missing)} images that are not there, such as {first!r}"
        raise DataError(f"{root}: {list_name} {what}. Unpack the archive again, whole.")
    rows = [(there[_stem(image)], name) for image, name in named]
    listed = {path for path, _ in rows}
    rest = [path for path in found.images if path not in listed]
    skipped = found.skipped
    if rest:
        more = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        skipped = (Skipped(name_of(rest[0], root) + more, unlisted), *skipped)
    return SplitFiles.of_names(readable(str(images)), rows, order), skipped


def _stem(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix()  # lists may have another ending


def _rows(path: Path, *, least: int) -> list[list[str]]:
    """The words of each line of a list, without comments."""
    text = read_bytes(path).decode("utf-8", errors="surrogateescape")
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    short = next((row for row in rows if len(row) < least), None)
    if short is not None:
        raise DataError(
            f"{path}: a line is {' '.join(short)!r}, but {least} words are needed. It is damaged; "
            "unpack the archive again."
        )
    return rows


def _numbers(path: Path, name: str) -> list[int]:
    array = mat_arrays(path).get(name)
    if array is None or array.dtype.kind not in "iu":
        raise DataError(f"{path}: holds no array {name!r} of whole numbers. Fetch it again.")
    return [int(number) for number in array.reshape(-1)]
