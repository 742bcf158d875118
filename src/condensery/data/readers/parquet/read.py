"""Parquet files in the image layout of Hugging Face, and the tables that other programs write.

``columns`` says which column holds the images: encoded images, paths of image files
relative to the Parquet file, or nested lists of numbers. Labels are class indices or class names.
Names of indices come from the schema's metadata (key ``huggingface``); names as text are sorted.

Splits are told apart by the names of files and their folders: ``train``, ``test``, ``val``,
``valid``, ``validation``; where there is a ``test`` split, a validation split is left alone, unless
the images of the test split have no labels (-1, null, or no column), as on many leaderboards.

Needs pyarrow, which is imported only when such a file is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from condensery.data.classes import natural_order
from condensery.data.decoding.decode import Decoding, EncodedImage, decode
from condensery.data.decoding.values import Conversion
from condensery.data.labels import as_labels
from condensery.data.readers.parquet.columns import PIXELS
from condensery.data.readers.parquet.images import encoded_blocks, files_outside, pixels
from condensery.data.readers.parquet.table import ParquetTable, opened, read_table, require_pyarrow
from condensery.data.source import Source, Split, divided
from condensery.errors import DataError

_SPLITS = {
    "train": "train",
    "test": "test",
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
}


def hold_images(files: Sequence[Path]) -> bool:
    """Whether a column of one of some Parquet files holds images, and not just their paths.

    ``False`` where pyarrow is not installed or a file cannot be read.
    """
    try:
        require_pyarrow("")
        return any(opened(path)[1].has_images for path in files)
    except DataError:
        return False


def read(files: Sequence[Path], how: Decoding, *, title: str) -> Source:
    """Read Parquet files of one data set, which errors call ``title``.

    Shards of a split are joined in the order of ``files``.
    """
    require_pyarrow(title)
    train_paths, held_out = _splits(files, title=title)
    train = [read_table(path, label=None) for path in train_paths]
    _check_labelled(train, title=title)
    test, notices = _test_split(held_out, train[0], title=title)
    tables = [*train, *test]
    _check_alike(tables, title=title)
    labels, names = _numbered(train, test, title=title)
    if tables[0].image.kind == PIXELS:
        values = Conversion(how.value_range)
        ours, *held = (pixels(part, title=title, values=values) for part in (train, test) if part)
        return Source(
            title=title,
            train=Split(images=ours, labels=labels[: len(ours)]),
            test=Split(images=held[0], labels=labels[len(ours) :]) if held else None,
            class_names=names,
            notices=(*notices, *values.notices(title)),
        )
    paths = [file.path.absolute() for file in tables]
    outside = files_outside(tables, title=title, skip_corrupt=how.skip_corrupt)

    def blocks() -> Iterator[list[EncodedImage]]:
        for file in tables:
            yield from encoded_blocks(file)

    decoded = decode(
        blocks,
        how,
        title=title,
        files=paths,
        root=Path(os.path.commonpath([path.parent for path in paths])),
        also=f" {tables[0].image.name}{outside}",
    )
    rows, held = sum(file.rows for file in train), bool(test)
    source = divided(decoded, labels, title=title, train=rows, test=held, class_names=names)
    return replace(source, notices=(*notices, *source.notices))


def _splits(
    files: Sequence[Path], *, title: str
) -> tuple[list[Path], list[tuple[str, list[Path]]]]:
    """Train files, and the files of each split that may be the test split, preferred first.

    Files that name no split, or one split only, are all train. Only what tells the files apart
    counts: the names of folders that hold all of them do not.
    """
    root = os.path.commonpath([path.absolute().parent for path in files])
    of_split: dict[str, list[Path]] = {"train": [], "test": [], "validation": [], "": []}
    for path in files:
        within = path.absolute().relative_to(root).with_suffix("").as_posix()
        words = reversed(re.split(r"[^a-z]+", within.lower()))
        of_split[next((_SPLITS[word] for word in words if word in _SPLITS), "")].append(path)
    unnamed, train = of_split[""], of_split["train"]
    held_out = [(name, of_split[name]) for name in ("test", "validation") if of_split[name]]
    if unnamed and train:
        raise DataError(
            f"{title}: {train[0].name!r} is named as a train split, {unnamed[0].name!r} as none. "
            "Give the files to use as a list, or rename them."
        )
    if not (train or unnamed) and len(held_out) > 1:
        raise DataError(
            f"{title}: there is a test split ({held_out[0][1][0].name!r}) and a validation split "
            f"({held_out[1][1][0].name!r}), but no train split. Add it, or give the one to train "
            "on by its path, and the other with --test (test=)."
        )
    if not (train or unnamed):
        return held_out[0][1], []
    return train or unnamed, held_out


def _check_labelled(files: Sequence[ParquetTable], *, title: str) -> None:
    """Refuse images without a label; what is trained on needs all of them."""
    without = [file for file in files if file.unlabelled]
    if not without:
        return
    count, rows = sum(file.unlabelled for file in files), sum(file.rows for file in files)
    name = without[0].path.name
    if count == rows:
        raise DataError(
            f"{title}: none of the {rows} images of {name!r} has a label: all are -1 or null, "
            "which marks unlabelled images. Give a split with labels, such as the validation split."
        )
    raise DataError(
        f"{title}: {count} of {rows} image(s) have no label (-1 or null), the first of them in "
        f"{name!r}. Leave these rows out, or label them."
    )


def _check_alike(files: Sequence[ParquetTable], *, title: str) -> None:
    """Refuse files of different data sets, or of different forms."""
    first = files[0]
    for file in files:
        if (file.label, file.names) != (first.label, first.names):
            raise DataError(
                f"{title}: {first.path.name!r} and {file.path.name!r} have different label "
                "columns or class names, so they belong to different data sets. Give the files "
                "of one as a list, or a pattern such as 'folder/cifar10-*.parquet'."
            )
        if file.image != first.image:
            raise DataError(
                f"{title}: the images are in column {first.image.name!r} of {first.path.name!r} "
                f"and in column {file.image.name!r} of {file.path.name!r}, or of another type "
                "there. Give files of one form."
            )


def _test_split(
    held_out: Sequence[tuple[str, list[Path]]], train: ParquetTable, *, title: str
) -> tuple[list[ParquetTable], tuple[str, ...]]:
    """The files of the first split that has labels, and a notice if another one was passed over."""
    passed: list[str] = []
    test: list[ParquetTable] = []
    instead = "A fifth of every class of the train split is held out as the test split"
    for name, paths in held_out:
        files = [read_table(path, label=train.label) for path in paths]
        without, rows = sum(file.unlabelled for file in files), sum(file.rows for file in files)
        if without and without < rows:
            raise DataError(
                f"{title}: {without} of the {rows} images of the {name} split have no label (-1 or "
                "null). It cannot be told whether the others are the test split. Leave these rows "
                "out, or give the train files and other test files as a list or a pattern."
            )
        if not without:
            test, instead = files, f"The {name} split is used as the test split"
            break
        passed.append(name)
    if not passed:
        return test, ()
    return test, (
        f"{title}: no image of the {' and the '.join(passed)} split has a label (-1, null or no "
        f"label column), so nothing can be tested on it. {instead}. Give another one with --test "
        "(test=).",
    )


def _numbered(
    train: Sequence[ParquetTable], test: Sequence[ParquetTable], *, title: str
) -> tuple[Tensor, tuple[str, ...] | None]:
    """Class indices of all rows, and the class names.

    Names as text are numbered in natural order of the names of the train split.
    """
    files = [*train, *test]
    declared = files[0].names
    named = [file for file in files if file.are_names]
    if not named:
        return torch.cat([_indices(file) for file in files]), declared
    other = next((file for file in files if file.rows and not file.are_names), None)
    if other is not None:
        raise DataError(
            f"{title}: labels are names in {named[0].path.name!r} and numbers in "
            f"{other.path.name!r}. Give files of one form."
        )
    names = declared or natural_order(sorted({str(x) for file in train for x in file.values}))
    index = {name: label for label, name in enumerate(names)}
    for file in files:
        strange = next((str(value) for value in file.values if str(value) not in index), None)
        if strange is not None:
            where = "declared in the metadata" if declared else "of the train split"
            raise DataError(
                f"{title}: {file.path.name!r} has the class {strange!r}, which is none of the "
                f"{len(names)} classes {where}, such as {names[0]!r}. Rename the class, or leave "
                "its images out."
            )
    labels = [index[str(value)] for file in files for value in file.values]
    return torch.tensor(labels, dtype=torch.int64), tuple(names)


def _indices(file: ParquetTable) -> Tensor:
    title = f"{file.path}, column {file.label!r}"
    return as_labels(np.asarray(file.values), images=file.rows, title=title)
