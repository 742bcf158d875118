"""Data sets whose publishers give the label or the split of each image in a list of text.

TinyImageNet, Food-101, Oxford-IIIT Pet, Oxford Flowers 102, CUB-200-2011 and FGVC-Aircraft, as
their archives are unpacked. Each is a function that lists the images of the two splits.

Knows nothing about pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data.classes import natural_order
from condensery.data.readers.folders.class_folders import class_folders
from condensery.data.readers.folders.listing import Listing, Split
from condensery.data.readers.folders.walk import images_below, name_of, readable
from condensery.data.readers.mat import mat_arrays
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True, slots=True)
class Published:
    """One layout.

    Attributes:
        name: How messages call the data set.
        places: Folders of its archive or of a download in which it may lie.
        files: Files and folders that tell the layout, all of which are there.
        listing: Lists the images of a folder of this layout.
    """

    name: str
    places: tuple[str, ...]
    files: tuple[str, ...]
    listing: Callable[[Path], Listing]

    def holds(self, folder: Path) -> bool:
        """Whether a folder is of this layout."""
        return all((folder / name).exists() for name in self.files)


def _tiny_imagenet(root: Path) -> Listing:
    """``train/WNID/images``, ``val/images`` with ``val_annotations.txt``, unlabelled ``test``."""
    train = class_folders(root / "train", root=root, divided=True)
    val = root / "val"
    rows = _rows(val / "val_annotations.txt", least=2)
    named = [(val / "images" / row[0], row[1]) for row in rows]
    known = set(train.whole.class_names)
    odd = next((label for _, label in named if label not in known), None)
    if odd is not None:
        raise DataError(
            f"{val / 'val_annotations.txt'}: has the class {odd!r}, of which there is no folder in "
            f"{root / 'train'}. Both must have the same classes: unpack the archive again."
        )
    test, skipped = _listed(
        root, val / "images", named, train.whole.class_names, list_name="val_annotations.txt"
    )
    if (root / "test").is_dir() and (others := images_below(root / "test", root=root).images):
        reason = f"{len(others)} images, whose labels are not published"
        skipped = (*skipped, Skipped("test", reason))
    return Listing(root=root, train=train.whole, test=test, skipped=(*train.skipped, *skipped))


def _food101(root: Path) -> Listing:
    """``images/CLASS/ID.jpg``; ``meta/train.txt`` and ``meta/test.txt`` have ``CLASS/ID``."""
    parts = {
        name: [
            (root / "images" / f"{row[0]}.jpg", row[0].split("/")[0])
            for row in _rows(root / "meta" / f"{name}.txt", least=1)
        ]
        for name in ("train", "test")
    }
    return _two_lists(root, root / "images", parts["train"], parts["test"])


def _pets(root: Path) -> Listing:
    """``images/Name_12.jpg``; lists with the name of the image, its class, species and breed."""
    numbers: dict[str, int] = {}
    parts: dict[str, list[tuple[Path, str]]] = {}
    for name in ("trainval", "test"):
        path = root / "annotations" / f"{name}.txt"
        parts[name] = []
        for row in _rows(path, least=2):
            class_ = row[0].rpartition("_")[0]
            number = _number(row[1], path)
            if numbers.setdefault(class_, number) != number:
                raise DataError(
                    f"{path}: gives the class {class_!r} two numbers, {numbers[class_]} and "
                    f"{number}. Fetch the annotations again."
                )
            parts[name].append((root / "images" / f"{row[0]}.jpg", class_))
    order = sorted(numbers, key=lambda class_: numbers[class_])
    return _two_lists(root, root / "images", parts["trainval"], parts["test"], order=order)


def _cub(root: Path) -> Listing:
    """``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``, each with image ids."""
    classes = dict(row[:2] for row in _rows(root / "classes.txt", least=2))
    files = dict(row[:2] for row in _rows(root / "images.txt", least=2))
    labels = dict(row[:2] for row in _rows(root / "image_class_labels.txt", least=2))
    trained = dict(row[:2] for row in _rows(root / "train_test_split.txt", least=2))
    if not (files.keys() == labels.keys() == trained.keys()):
        raise DataError(
            f"{root}: images.txt, image_class_labels.txt and train_test_split.txt do not list the "
            "same images. Unpack the archive again."
        )
    if odd := sorted(set(labels.values()) - classes.keys()):
        raise DataError(f"{root}: classes.txt has no class {odd[0]!r}. Unpack the archive again.")
    named = {
        split: [
            (root / "images" / files[image], classes[labels[image]])
            for image in files
            if trained[image] == split
        ]
        for split in ("1", "0")
    }
    order = [classes[number] for number in natural_order(list(classes))]
    return _two_lists(root, root / "images", named["1"], named["0"], order=order)


def _aircraft(root: Path) -> Listing:
    """``data/images/ID.jpg``; ``images_variant_trainval.txt`` has ``ID`` and the variant."""
    parts: dict[str, list[tuple[Path, str]]] = {}
    for name in ("trainval", "test"):
        rows = _rows(root / "data" / f"images_variant_{name}.txt", least=2)
        images = root / "data" / "images"
        parts[name] = [(images / f"{row[0]}.jpg", " ".join(row[1:])) for row in rows]
    return _two_lists(root, root / "data" / "images", parts["trainval"], parts["test"])


def _flowers(root: Path) -> Listing:
    """``jpg/image_00001.jpg``; ``imagelabels.mat`` has labels from 1, ``setid.mat`` the splits."""
    labels = _numbers(root / "imagelabels.mat", "labels")
    parts: list[list[tuple[Path, str]]] = []
    for name in ("trnid", "tstid"):
        ids = _numbers(root / "setid.mat", name)
        if not all(1 <= image <= len(labels) for image in ids):
            raise DataError(
                f"{root / 'setid.mat'}: {name!r} has numbers beyond the {len(labels)} images of "
                "imagelabels.mat. Fetch both files again."
            )
        parts.append(
            [(root / "jpg" / f"image_{image:05d}.jpg", str(labels[image - 1])) for image in ids]
        )
    unlisted = "of a validation split, which is not used beside a test split"
    return _two_lists(root, root / "jpg", parts[0], parts[1], unlisted=unlisted)


PUBLISHED = (
    Published(
        "TinyImageNet",
        ("tiny-imagenet-200",),
        ("train", "val/val_annotations.txt", "val/images"),
        _tiny_imagenet,
    ),
    Published("Food-101", ("food-101",), ("images", "meta/train.txt", "meta/test.txt"), _food101),
    Published(
        "Oxford-IIIT Pet",
        ("oxford-iiit-pet",),
        ("images", "annotations/trainval.txt", "annotations/test.txt"),
        _pets,
    ),
    Published(
        "CUB-200-2011",
        ("CUB_200_2011",),
        ("images", "images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"),
        _cub,
    ),
    Published(
        "FGVC-Aircraft",
        ("fgvc-aircraft-2013b",),
        ("data/images", "data/images_variant_trainval.txt", "data/images_variant_test.txt"),
        _aircraft,
    ),
    Published(
        "Oxford Flowers 102",
        ("flowers-102",),
        ("jpg", "imagelabels.mat", "setid.mat"),
        _flowers,
    ),
)
"""Every layout of this kind."""


def _two_lists(
    root: Path,
    images: Path,
    train: Sequence[tuple[Path, str]],
    test: Sequence[tuple[Path, str]],
    *,
    order: Sequence[str] | None = None,
    unlisted: str = "in none of the lists of images",
) -> Listing:
    names = order or natural_order(sorted({name for _, name in (*train, *test)}))
    both = [*train, *test]
    whole, skipped = _listed(
        root, images, both, names, list_name="the list of images", unlisted=unlisted
    )
    cut = len(train)
    parts = (
        Split(
            where=f"{root}, {name}",
            class_names=tuple(names),
            images=whole.images[rows],
            labels=whole.labels[rows],
        )
        for name, rows in (("train", slice(cut)), ("test", slice(cut, None)))
    )
    one, two = parts
    return Listing(root=root, train=one, test=two, skipped=skipped)


def _listed(
    root: Path,
    images: Path,
    named: Sequence[tuple[Path, str]],
    order: Sequence[str],
    *,
    list_name: str,
    unlisted: str = "in none of the lists of images",
) -> tuple[Split, tuple[Skipped, ...]]:
    """A split of listed images, all of which must be there, and what is not listed."""
    found = images_below(images, root=root)
    there = {path.with_suffix(""): path for path in found.images}
    missing = [path for path, _ in named if path.with_suffix("") not in there]
    if missing or not named:
        what = "names no image"
        if missing:
            what = f"names {len(missing)} images that are not there, such as "
            what += repr(name_of(missing[0], root))
        raise DataError(f"{root}: {list_name} {what}. Unpack the archive again, whole.")
    rows = [(there[path.with_suffix("")], name) for path, name in named]
    listed = {path for path, _ in rows}
    rest = [path for path in found.images if path not in listed]
    entries: list[Skipped] = []
    if rest:
        more = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        entries.append(Skipped(name_of(rest[0], root) + more, unlisted))
    return Split.of_names(readable(str(images)), rows, order), (*entries, *found.skipped)


def _rows(path: Path, *, least: int) -> list[list[str]]:
    """The words of each line of a list, without comments."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
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


def _number(text: str, path: Path) -> int:
    if not text.isascii() or not text.isdigit():
        raise DataError(f"{path}: {text!r} is no number of a class. Fetch the annotations again.")
    return int(text)
