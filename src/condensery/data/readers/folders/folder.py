"""Folders of images: by class, in splits, or with a table of labels beside them.

Either ``root/class/*.png``, or ``root/train/class/*.png`` with ``root/test/class/*.png``; a
validation split takes the place of a test split that is not there or has no labels. Images
without class folders need a table (``label_table``). What cannot be decided for certain is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from condensery.data.classes import natural_order
from condensery.data.decoding.cache import Store
from condensery.data.decoding.values import ValueRange
from condensery.data.readers.folders.class_folders import class_folders, loose_images
from condensery.data.readers.folders.label_table import HOW_TO_LABEL, read_labels, tables_in
from condensery.data.readers.folders.listing import Decoding, Listing, Split, load, together
from condensery.data.readers.folders.split_folders import (
    beginning,
    is_flat,
    splits_of,
    within_split,
)
from condensery.data.readers.folders.split_names import Kind
from condensery.data.readers.folders.walk import (
    files,
    folders,
    has_images,
    images_below,
    name_of,
    readable,
)
from condensery.data.readers.hints import hint
from condensery.data.skipped import Skipped
from condensery.data.source import Source
from condensery.errors import DataError

__all__ = ["holds_images", "listing", "read"]


_FORMATS = (
    (".tfrecord", "TFRecord files"),
    (".beton", "files of FFCV"),
    (".mdb", "LMDB databases"),
    (".arrow", "Arrow files"),
    (".h5", "HDF5 files"),
    (".hdf5", "HDF5 files"),
    (".rec", "RecordIO files"),
    (".pt", "files of torch.save"),
    (".pkl", "pickles"),
    (".npy", "single arrays"),
)


def holds_images(root: Path) -> bool:
    """Whether a folder has a subfolder with an image in it, at any depth."""
    return any(has_images(folder) for folder in folders(root))


def read(
    root: Path,
    *,
    size: int | None,
    skip_corrupt: bool,
    classes: Sequence[str] | None = None,
    value_range: ValueRange | None = None,
    store: Store | None = None,
) -> Source:
    """Read a folder of images.

    Args:
        root: The folder.
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        classes: Classes to read, in the order of their labels; ``None`` is all, by name.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.
        store: What to do with large sets; ``None`` holds all in memory.

    Raises:
        DataError: If it is not certain which image is of which class, a class has no image, splits
            have different classes, an image cannot be read, or sizes differ.
    """
    how = Decoding(size=size, skip_corrupt=skip_corrupt, value_range=value_range, store=store)
    return load(listing(root, classes=classes), how)


def listing(root: Path, *, classes: Sequence[str] | None = None) -> Listing:
    """List the images of a folder and their classes, without decoding them.

    Args:
        root: The folder.
        classes: Classes to list, in the order of their labels; ``None`` is all, by name.

    Raises:
        DataError: If it is not certain which image is of which class.
    """
    if not has_images(root):
        raise _without_images(root)
    if classes is not None and all((root / name).is_dir() for name in classes):
        return _by_class(root, root, classes)  # whatever their names say
    base, skipped = beginning(root)
    splits = splits_of(base)
    listed = _divided(root, base, splits, classes) if splits else _whole(root, base, classes)
    return replace(listed, skipped=(*skipped, *listed.skipped))


@dataclass(frozen=True, slots=True)
class _Read:
    """A split as it was read, or the reason why it has no labels."""

    split: Split | None
    reason: str = ""
    test: Split | None = None
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()


def _whole(root: Path, base: Path, classes: Sequence[str] | None) -> Listing:
    """A folder without splits: of class folders, or of images that a table labels."""
    if not is_flat(base):
        _refuse_one_class(base)
        return _by_class(root, base, classes)
    read = _flat(base, root, kind=None, others=())
    if read.split is None:
        raise DataError(
            f"{readable(str(root))}: {_unlabelled(base, root)}, so nothing says which class an "
            f"image is of. {_then(read.reason)}{_then(hint(root))}{HOW_TO_LABEL}."
        )
    whole = Listing(root=root, train=read.split, test=read.test, skipped=read.skipped)
    return whole.chosen(classes)


def _by_class(root: Path, base: Path, classes: Sequence[str] | None) -> Listing:
    found = class_folders(base, root=root, chosen=classes)
    return Listing(
        root=root,
        train=found.whole,
        test=found.test,
        skipped=found.skipped,
        notices=found.notices,
    )


def _divided(
    root: Path, base: Path, splits: Mapping[Kind, list[Path]], classes: Sequence[str] | None
) -> Listing:
    """A folder with a train split, and perhaps others."""
    notices: list[str] = []
    title = readable(str(root))
    if "train" not in splits:
        splits = _without_train(base, splits, notices)
    places: dict[Kind, Path] = {kind: within_split(paths[0]) for kind, paths in splits.items()}
    train = _read_split(places, "train", root, classes)
    if train.split is None:
        flat = [places["train"], *(p for k, p in places.items() if k != "train" and is_flat(p))]
        held = ", and ".join(_unlabelled(place, root) for place in flat)
        raise DataError(
            f"{title}: {held}, so nothing says which class an image is of. "
            f"{_then(train.reason)}{_then(hint(root))}{HOW_TO_LABEL}."
        )
    skipped = [*train.skipped, *_beside(base, splits, root)]
    notices += train.notices
    test: Split | None = None
    unlabelled: list[str] = []
    for kind in ("test", "val"):
        if kind not in places:
            continue
        if test is not None:
            reason = "of a validation split, which is not used beside a test split"
            skipped.append(_left_out(splits[kind][0], root, reason))
            continue
        read = _read_split(places, kind, root, classes)
        if read.split is None:
            skipped.append(_left_out(splits[kind][0], root, "without class folders or labels"))
            unlabelled.append(f"{_unlabelled(places[kind], root)}. {_then(read.reason)}")
        else:
            test = read.split if classes else together(train.split, read.split)
            skipped += read.skipped
            notices += read.notices
    if unlabelled:
        instead = (
            f"{name_of(splits['val'][0], root)!r} is the test split."
            if test is not None
            else "A fifth of the train images is held out for testing, unless other images are "
            "given with --test (test=)."
        )
        held = "".join(unlabelled) + _then(hint(root))
        notices.append(f"{title}: {held}These images have no labels and are left out. {instead}")
    return Listing(
        root=root,
        train=train.split,
        test=test,
        skipped=tuple(skipped),
        notices=tuple(notices),
    )


def _read_split(
    places: Mapping[Kind, Path], kind: Kind, root: Path, classes: Sequence[str] | None
) -> _Read:
    folder = places[kind]
    if is_flat(folder):
        others = [
            image
            for other, place in places.items()
            if other != kind
            for image in images_below(place, root=root).images
        ]
        read = _flat(folder, root, kind=kind, others=others)
        if read.split is None or classes is None:
            return read
        chosen = Listing(root=root, train=read.split).chosen(classes)
        return replace(read, split=chosen.train)
    found = class_folders(folder, root=root, chosen=classes, divided=True)
    return _Read(found.whole, skipped=found.skipped, notices=found.notices)


def _flat(folder: Path, root: Path, *, kind: Kind | None, others: Sequence[Path]) -> _Read:
    """Images without class folders, if a table gives their labels."""
    found = images_below(folder, root=root)
    labels, reason = read_labels(found.images, folder=folder, root=root, others=others, kind=kind)
    if labels is None:
        return _Read(None, reason)
    tables = {name_of(path, root) for path in tables_in(folder)}
    skipped = [entry for entry in found.skipped if entry.name not in tables]
    skipped += labels.skipped
    order = labels.order or natural_order(sorted(set(labels.of.values())))
    rows = [(path, labels.of[path]) for path in found.images if path in labels.of]
    where = f"{readable(str(folder))} ({name_of(labels.path, root)})"
    if kind is not None or labels.split is None:
        return _Read(Split.of_names(where, rows, order), skipped=tuple(skipped))
    held: Kind = "test" if "test" in labels.split.values() else "val"
    train, test = (
        Split.of_names(where, [row for row in rows if labels.split.get(row[0]) == part], order)
        for part in ("train", held)
    )
    if rest := len(rows) - len(train.images) - len(test.images):
        reason = f"{rest} images that the table puts into another split, which is not used"
        skipped.append(Skipped(name_of(labels.path, root), reason))
    return _Read(train, test=test, skipped=tuple(skipped))


def _without_train(
    base: Path, splits: Mapping[Kind, list[Path]], notices: list[str]
) -> Mapping[Kind, list[Path]]:
    where = readable(str(base))
    found = [path for paths in splits.values() for path in paths]
    if len(found) > 1:
        one, two = (readable(path.name) for path in found[:2])
        raise DataError(
            f"{where}: holds {one!r} and {two!r}, but no train split. Rename one of them to "
            f"'train', or give one as the data and the other for testing: {where}/{two} --test "
            f"{where}/{one} (test=)."
        )
    notices.append(
        f"{where}: {readable(found[0].name)!r} is the only split, so the train images are taken "
        "from it, and a fifth of them is held out for testing. Give the train split to use it."
    )
    return {"train": found}


def _beside(base: Path, splits: Mapping[Kind, list[Path]], root: Path) -> list[Skipped]:
    """What lies beside the splits: other folders with images, and images."""
    used = {path for paths in splits.values() for path in paths[:1]}
    skipped = [
        _left_out(path, root, "in a folder that is not used as a split")
        for path in folders(base)
        if path not in used and has_images(path)
    ]
    return [
        *loose_images(base, root=root, reason="beside the splits, so in none of them"),
        *skipped,
    ]


def _left_out(folder: Path, root: Path, reason: str) -> Skipped:
    count = len(images_below(folder, root=root).images)
    return Skipped(name_of(folder, root), f"{count} image{'s' if count != 1 else ''} {reason}")


def _unlabelled(folder: Path, root: Path) -> str:
    images = images_below(folder, root=root).images
    where = "" if folder == root else f"{name_of(folder, root)!r} "
    count = f"{len(images)} images" if len(images) != 1 else "1 image"
    return f"{where}holds {count} without class folders, such as {name_of(images[0], root)!r}"


def _then(reason: str) -> str:
    return f"{reason} " if reason else ""


def _refuse_one_class(base: Path) -> None:
    """Refuse a single folder with folders in it, which may be the classes."""
    inside = [path for path in folders(base) if has_images(path)]
    if len(inside) != 1 or has_images(inside[0], deep=False):
        return
    classes = [readable(path.name) for path in folders(inside[0]) if has_images(path)]
    if len(classes) > 1:
        raise DataError(
            f"{readable(str(base))}: holds one folder only, {readable(inside[0].name)!r}, and in "
            f"it {len(classes)} folders of images, such as {classes[0]!r} and {classes[1]!r}. If "
            f"these are the classes, give {readable(str(inside[0]))} instead."
        )


def _without_images(root: Path) -> DataError:
    title = readable(str(root))
    inside = [path.name for path in (*folders(root), *files(root))]
    if not inside:
        return DataError(
            f"{title}: this folder is empty. Give a folder with one subfolder of images a class, "
            "the four IDX files of MNIST, or Parquet files."
        )
    skipped = images_below(root, root=root).skipped
    held = f"{len(skipped)} file(s), such as {skipped[0]}" if skipped else "empty folders only"
    formats = {what for entry in skipped for mark, what in _FORMATS if mark in entry.name.lower()}
    if formats:
        held += f". {', '.join(sorted(formats))} are not read: save the images as files"
    return DataError(
        f"{title}: holds no image that can be read: {held}. Give a folder with one subfolder of "
        "images a class, the four IDX files of MNIST, or Parquet files."
    )
