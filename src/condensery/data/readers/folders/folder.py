"""Folders of images: by class, in splits, or with a table of labels beside them.

Either ``root/class/*.png``, or ``root/train/class/*.png`` with ``root/test/class/*.png``; a
validation split takes the place of a test split that is not there or has no labels. Images
without class folders need a table (``label_table``). What cannot be decided for certain is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from condensery.data.classes import natural_order
from condensery.data.decoding.decode import Decoding
from condensery.data.readers.folders.class_folders import class_folders, loose_images
from condensery.data.readers.folders.label_table import read_labels, tables_in
from condensery.data.readers.folders.listing import Listing, SplitFiles, load, together
from condensery.data.readers.folders.names import Kind
from condensery.data.readers.folders.split_folders import (
    beginning,
    count_of,
    is_flat,
    splits_of,
    within_split,
)
from condensery.data.readers.folders.walk import (
    files,
    folders,
    has_images,
    images_below,
    name_of,
    readable,
)
from condensery.data.skipped import Skipped
from condensery.data.source import Source
from condensery.errors import DataError

_NOT_READ = {
    ".tfrecord": "TFRecord files",
    ".beton": "files of FFCV",
    ".mdb": "LMDB databases",
    ".arrow": "Arrow files",
    ".h5": "HDF5 files",
    ".hdf5": "HDF5 files",
    ".rec": "RecordIO files",
    ".pt": "files of torch.save",
    ".pkl": "pickles",
    ".npy": "single arrays",
}
_KNOWN_LAYOUTS = {  # what is in a folder without labels, and what is missing for reading it
    "Final_Test": "The labels of the test images of GTSRB are in GT-final_test.csv, which its "
    "publisher gives in GTSRB_Final_Test_GT.zip: put it beside 'Final_Test'. ",
    "val/ILSVRC2012_val_00000001.JPEG": "Move the validation images of ImageNet into one folder a "
    "class, as in 'train'. ",
    "val/images": "If it is TinyImageNet, the labels of 'val' are in val/val_annotations.txt of "
    "its archive. ",
    "JPEGImages": "If it is a set in the layout of Pascal VOC, its images have boxes, not one "
    "class each. ",
    "images/../annotations": "If it is Oxford-IIIT Pet, annotations/trainval.txt and "
    "annotations/test.txt are missing: unpack annotations.tar.gz beside 'images'. ",
    "images/../labels": "If 'labels' holds boxes (as for YOLO), the images do not have one class "
    "each. ",
    "annotations/instances_train2017.json": "The images of COCO have boxes, not one class each. ",
    "list_attr_celeba.txt": "The images of CelebA have attributes, not one class each. ",
}


def holds_images(root: Path) -> bool:
    """Whether a folder has a subfolder with an image in it, at any depth."""
    return any(has_images(folder) for folder in folders(root))


def read(root: Path, how: Decoding, *, classes: Sequence[str] | None = None) -> Source:
    """Read a folder of images: ``classes`` in the order of their labels, or all, by name."""
    if not has_images(root):
        raise _without_images(root)
    if classes is not None and all((root / name).is_dir() for name in classes):
        return load(class_folders(root, root=root, chosen=classes), how)  # whatever names say
    base, skipped = beginning(root)
    splits = splits_of(base)
    listed = _divided(root, base, splits, classes) if splits else _whole(root, base, classes)
    return load(replace(listed, skipped=(*skipped, *listed.skipped)), how)


def _whole(root: Path, base: Path, classes: Sequence[str] | None) -> Listing:
    """A folder without splits: of class folders, or of images that a table labels."""
    if not is_flat(base):
        _refuse_one_class(base)
        return class_folders(base, root=root, chosen=classes)
    read = _flat(base, root, kind=None, others=())
    if isinstance(read, str):
        raise _without_labels([base], read, root)
    return read.chosen(classes)


def _divided(
    root: Path, base: Path, splits: Mapping[Kind, list[Path]], classes: Sequence[str] | None
) -> Listing:
    """A folder with a train split, and perhaps others."""
    notices: list[str] = []
    title = readable(root)
    if "train" not in splits:
        splits = _without_train(base, splits, notices)
    places: dict[Kind, Path] = {kind: within_split(paths[0]) for kind, paths in splits.items()}
    train = _read_split(places, "train", root, classes)
    if isinstance(train, str):
        others = [p for kind, p in places.items() if kind != "train" and is_flat(p)]
        raise _without_labels([places["train"], *others], train, root)

    def left_out(folder: Path, reason: str) -> Skipped:
        return Skipped(name_of(folder, root), f"{count_of(folder)} {reason}")

    used = [paths[0] for paths in splits.values()]
    skipped = [
        *train.skipped,
        *loose_images(base, root, "beside the splits, so in none of them"),
        *(
            left_out(path, "in a folder that is not used as a split")
            for path in folders(base)
            if path not in used and has_images(path)
        ),
    ]
    notices += train.notices
    test: SplitFiles | None = None
    unlabelled = ""
    held_out: list[Kind] = [kind for kind in ("test", "val") if kind in places]
    for kind in held_out:
        if test is not None:
            reason = "of a validation split, which is not used beside a test split"
            skipped.append(left_out(splits[kind][0], reason))
            continue
        read = _read_split(places, kind, root, classes)
        if isinstance(read, str):
            skipped.append(left_out(splits[kind][0], "without class folders or labels"))
            unlabelled += f"{_unlabelled(places[kind], root)}. {read}"
        else:
            test = read.train if classes else together(train.train, read.train)
            skipped += read.skipped
            notices += read.notices
    if unlabelled:
        instead = (
            "A fifth of the train images is held out for testing, unless other images are "
            "given with --test (test=)."
            if test is None
            else f"{name_of(splits['val'][0], root)!r} is the test split."
        )
        notices.append(
            f"{title}: {unlabelled}{_hint(root)}These images have no labels and are left out. "
            f"{instead}"
        )
    return replace(train, test=test, skipped=tuple(skipped), notices=tuple(notices))


def _read_split(
    places: Mapping[Kind, Path], kind: Kind, root: Path, classes: Sequence[str] | None
) -> Listing | str:
    """One split, as the train split of a listing, or the reason why it has no labels."""
    folder = places[kind]
    if not is_flat(folder):
        return class_folders(folder, root=root, chosen=classes, divided=True)
    beside = [images_below(path, root=root).images for k, path in places.items() if k != kind]
    read = _flat(folder, root, kind=kind, others=[image for held in beside for image in held])
    return read if isinstance(read, str) else read.chosen(classes)


def _flat(folder: Path, root: Path, *, kind: Kind | None, others: Sequence[Path]) -> Listing | str:
    """Images without class folders, if a table gives their labels; else the reason why not."""
    found = images_below(folder, root=root)
    labels = read_labels(found.images, folder=folder, root=root, others=others, kind=kind)
    if isinstance(labels, str):
        return labels
    tables = {name_of(path, root) for path in tables_in(folder)}
    skipped = [entry for entry in found.skipped if entry.name not in tables]
    skipped += labels.skipped
    order = labels.order or natural_order(sorted(set(labels.of.values())))
    rows = [(path, labels.of[path]) for path in found.images if path in labels.of]
    where = f"{readable(folder)} ({name_of(labels.path, root)})"
    split = labels.split
    if kind is not None or split is None:
        train = SplitFiles.of_names(where, rows, order)
        return Listing(root=root, train=train, skipped=tuple(skipped))
    held: Kind = "test" if "test" in split.values() else "val"
    train, test = (
        SplitFiles.of_names(where, [row for row in rows if split.get(row[0]) == part], order)
        for part in ("train", held)
    )
    if rest := len(rows) - len(train.images) - len(test.images):
        reason = f"{rest} images that the table puts into another split, which is not used"
        skipped.append(Skipped(name_of(labels.path, root), reason))
    return Listing(root=root, train=train, test=test, skipped=tuple(skipped))


def _without_train(
    base: Path, splits: Mapping[Kind, list[Path]], notices: list[str]
) -> Mapping[Kind, list[Path]]:
    where = readable(base)
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


def _hint(root: Path) -> str:
    """A sentence about the layout that a folder without labels looks like; else nothing."""
    return next((text for mark, text in _KNOWN_LAYOUTS.items() if (root / mark).exists()), "")


def _unlabelled(folder: Path, root: Path) -> str:
    images = images_below(folder, root=root).images
    where = "" if folder == root else f"{name_of(folder, root)!r} "
    first = name_of(images[0], root)
    return f"{where}holds {count_of(folder)} without class folders, such as {first!r}"


def _without_labels(places: Sequence[Path], reason: str, root: Path) -> DataError:
    held = ", and ".join(_unlabelled(place, root) for place in places)
    return DataError(
        f"{readable(root)}: {held}, so nothing says which class an image is of. "
        f"{reason}{_hint(root)}Put the images of each class into a folder of its own, such as "
        "train/cat and train/dog, or write a table metadata.csv beside the images, with the "
        "columns file_name and label."
    )


def _refuse_one_class(base: Path) -> None:
    """Refuse a single folder with folders in it, which may be the classes."""
    inside = [path for path in folders(base) if has_images(path)]
    if len(inside) != 1 or has_images(inside[0], deep=False):
        return
    classes = [readable(path.name) for path in folders(inside[0]) if has_images(path)]
    if len(classes) > 1:
        raise DataError(
            f"{readable(base)}: holds one folder only, {readable(inside[0].name)!r}, and in "
            f"it {len(classes)} folders of images, such as {classes[0]!r} and {classes[1]!r}. If "
            f"these are the classes, give {readable(inside[0])} instead."
        )


def _without_images(root: Path) -> DataError:
    held = "this folder is empty"
    if folders(root) or files(root):
        skipped = images_below(root, root=root).skipped
        held = f"{len(skipped)} file(s), such as {skipped[0]}" if skipped else "empty folders only"
        held = f"holds no image that can be read: {held}"
        names = [entry.name.lower() for entry in skipped]
        formats = {what for mark, what in _NOT_READ.items() if any(mark in n for n in names)}
        if formats:
            held += f". {', '.join(sorted(formats))} are not read: save the images as files"
    return DataError(
        f"{readable(root)}: {held}. Give a folder with one subfolder of images a class, the four "
        "IDX files of MNIST, or Parquet files."
    )
