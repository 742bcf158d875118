"""Tables that give the label of each image file: CSV, TSV and JSON lines.

Hugging Face's imagefolder form (``metadata.csv`` or ``metadata.jsonl`` with ``file_name`` and
``label``), and the forms in which competitions give labels (``labels.csv``, ``train.csv``,
``trainLabels.csv``, with ``id`` or ``image`` and ``label`` or ``class``). A table is used where it
is certain which column names the files and which column their class; else the reason is given.

Knows nothing about folders of classes.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data.readers.folders.split_names import Kind, kind_of
from condensery.data.readers.folders.table_files import ENDINGS, Table, read_table
from condensery.data.readers.folders.walk import files, name_of, readable
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = ["HOW_TO_LABEL", "Labels", "read_labels", "tables_in"]

HOW_TO_LABEL = (
    "Put the images of each class into a folder of its own, such as train/cat and train/dog, or "
    "write a table metadata.csv beside the images, with the columns file_name and label"
)
"""What a user can do whose images have no labels."""

_FILE_COLUMNS = (
    *("file_name", "filename", "file", "image_name", "image_path", "image_file", "image", "path"),
    *("file_path", "filepath", "img_name", "img_path", "img", "image_id", "img_id", "imageid"),
    *("id_code", "id", "name", "fname"),
)
_LABEL_COLUMNS = (
    *("label", "labels", "class", "classes", "class_name", "label_name", "category"),
    *("category_name", "target", "class_id", "label_id", "category_id", "classid", "classname"),
    *("breed", "species", "variety", "diagnosis", "y"),
)
_SPLIT_COLUMNS = ("split", "subset", "partition", "data set", "dataset", "data_set")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of some image files.

    Attributes:
        path: The table.
        of: The label of each image that the table names, as it is written.
        order: All labels that occur, in the order that the table's numbers give them; ``None``
            where the table gives no numbers beside the names.
        split: The split of each image, where a column says it.
        skipped: Images and rows without a counterpart.
    """

    path: Path
    of: Mapping[Path, str]
    order: tuple[str, ...] | None
    split: Mapping[Path, Kind] | None
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _About:
    """The images that labels are looked for: see ``read_labels``.

    Attributes:
        certain: Whether the place or the name of the table says that it is about these alone.
    """

    images: Sequence[Path]
    folder: Path
    root: Path
    others: Sequence[Path]
    kind: Kind | None
    certain: bool


def tables_in(folder: Path) -> list[Path]:
    """Files of a folder that may be such tables; a sample of a submission has no true labels."""
    return [
        path
        for path in files(folder)
        if path.suffix.lower() in ENDINGS and "submission" not in path.stem.lower()
    ]


def read_labels(
    images: Sequence[Path],
    *,
    folder: Path,
    root: Path,
    others: Sequence[Path] = (),
    kind: Kind | None = None,
) -> tuple[Labels | None, str]:
    """Look for the table that labels the images of a folder, in it and in the folders above it.

    Args:
        images: All images of the folder.
        folder: Holds them.
        root: The folder of the whole data set; tables above it are not looked for.
        others: Images of other folders of the data set, whose names a table may mean as well.
        kind: The split that the images belong to, where it is known.

    Returns:
        The labels, or ``None`` and the reason: what was found and why it does not give labels for
        certain. The reason is empty if there is no table.

    Raises:
        DataError: If a table contradicts itself, or two tables give different labels.
    """
    found: list[Labels] = []
    reasons: list[str] = []
    for path in _candidates(folder, root):
        says = kind_of(path.stem) if path.parent != folder else None
        if says is not None and kind is not None and says != kind:
            continue
        table = read_table(path)
        if isinstance(table, str):
            reasons.append(table)
            continue
        certain = path.parent == folder or (says is not None and says == kind)
        about = _About(images, folder, root, others, kind, certain=certain)
        outcome = _labels(table, about)
        if isinstance(outcome, Labels):
            found.append(outcome)
        elif outcome:
            reasons.append(outcome)
    if not found:
        return None, " ".join(reasons)
    for other in found[1:]:
        if dict(other.of) != dict(found[0].of):
            one, two = name_of(found[0].path, root), name_of(other.path, root)
            raise DataError(
                f"{readable(str(root))}: the tables {one!r} and {two!r} give different labels for "
                f"the images in {readable(folder.name)!r}. Remove one of them."
            )
    return found[0], ""


def _candidates(folder: Path, root: Path) -> list[Path]:
    found: list[Path] = []
    for place in (folder, *folder.parents):
        if place == root or root in place.parents:
            found += tables_in(place)
    return found


def _labels(table: Table, about: _About) -> Labels | str:
    """Labels, or the reason why the table gives none; no reason if it is about other files."""
    root = about.root
    shown = name_of(table.path, root)
    resolved = {column: _resolved(v, about.images, table, about) for column, v in _items(table)}
    counts = {column: len({path for path in paths if path}) for column, paths in resolved.items()}
    most = max(counts.values(), default=0)
    columns = ", ".join(repr(readable(column)) for column in table.columns)
    if most == 0:
        elsewhere = (_resolved(v, about.others, table, about) for _, v in _items(table))
        if any(path is not None for paths in elsewhere for path in paths):
            return ""
        return f"The table {shown!r} (columns {columns}) names none of the images."
    best = [column for column, count in counts.items() if count == most]
    files_in = next((c for name in _FILE_COLUMNS for c in best if _spelt(c) == name), best[0])
    paths = resolved[files_in]
    named = {path: i for i, path in enumerate(paths) if path is not None}
    clash = None if about.certain else _clash(table.columns[files_in], paths, about.others)
    if clash:
        return (
            f"The table {shown!r} names {clash[0]!r}, which may be {name_of(clash[1], root)!r} or "
            f"{name_of(clash[2], root)!r}. Write the folder before the name, such as "
            f"{name_of(clash[1], root)!r}, or put a table metadata.csv (file_name, label) into "
            "each folder."
        )
    by_label = [
        column for name in _LABEL_COLUMNS for column in table.columns if _spelt(column) == name
    ]
    by_label = [column for column in by_label if column != files_in]
    if not by_label:
        if _one_hot(table, files_in, list(named.values())):
            kinds = "one column a class"
            return (
                f"The table {shown!r} has {kinds} ({columns}), which is not read. Write one column "
                "'label' with the name of the class instead."
            )
        return (
            f"The table {shown!r} has the columns {columns}, and it is not certain which of them "
            "is the class. Call that column 'label', and the column of the files 'file_name'."
        )
    chosen = _one_column(table, by_label, list(named.values()))
    if chosen is None:
        listed = " and ".join(repr(column) for column in by_label)
        return (
            f"The table {shown!r} has several columns of labels, {listed}, which group the images "
            "differently. Leave one of them, and call it 'label'."
        )
    column, number = chosen
    return _checked(table, paths, column, number, about, files_in=files_in)


def _checked(
    table: Table,
    paths: Sequence[Path | None],
    column: str,
    number: str | None,
    about: _About,
    *,
    files_in: str,
) -> Labels | str:
    root, shown = about.root, name_of(table.path, about.root)
    elsewhere = _resolved(table.columns[files_in], about.others, table, about)
    values = _tidy(table.columns[column])
    of: dict[Path, str] = {}
    skipped: list[Skipped] = []
    numbers: dict[str, str] = {}
    for i, path in enumerate(paths):
        if path is None and elsewhere[i] is not None:
            continue
        if path is None:
            name = readable(table.columns[files_in][i])
            skipped.append(Skipped(name, f"{shown} has a row for it, but there is no such image"))
        elif not values[i]:
            skipped.append(Skipped(name_of(path, root), f"{shown} gives no label for it"))
        elif of.get(path, values[i]) != values[i]:
            raise DataError(
                f"{readable(str(table.path))}: gives two labels for {name_of(path, root)!r}, "
                f"{readable(of[path])!r} and {readable(values[i])!r}. Each image needs one class: "
                "leave one of the rows."
            )
        else:
            of[path] = values[i]
            if number is not None:
                numbers[values[i]] = table.columns[number][i]
    if not of:
        return f"The table {shown!r} gives no label in its column {column!r}."
    if 2 * len(of) < len(about.images):
        return (
            f"The table {shown!r} labels {len(of)} of the {len(about.images)} images only. Add the "
            "other rows, or remove the images without a label."
        )
    distinct = set(of.values())
    if all(re.fullmatch(r"[-+]?\d*\.\d+(e[-+]?\d+)?", value) for value in distinct):
        return (
            f"The column {column!r} of the table {shown!r} holds numbers such as "
            f"{next(iter(of.values()))!r}, which are no classes."
        )
    if len(distinct) == len(of) > 2 and about.kind in ("train", None):
        return (
            f"The column {column!r} of the table {shown!r} is different for every image, such as "
            f"{readable(next(iter(of.values())))!r}, so it does not tell classes."
        )
    listed = {path for path in paths if path is not None}
    skipped += [
        Skipped(name_of(path, root), f"{shown} has no row for it")
        for path in about.images
        if path not in listed
    ]
    order = tuple(sorted(distinct, key=lambda name: int(numbers[name]))) if numbers else None
    return Labels(
        path=table.path,
        of=of,
        order=order,
        split=_split(table, paths),
        skipped=tuple(skipped),
    )


def _split(table: Table, paths: Sequence[Path | None]) -> dict[Path, Kind] | None:
    for column, values in table.columns.items():
        if _spelt(column).replace("_", " ") in {name.replace("_", " ") for name in _SPLIT_COLUMNS}:
            kinds: list[Kind | None] = [kind_of(value) for value in values]
            found: dict[Path, Kind] = {
                path: kind
                for path, kind in zip(paths, kinds, strict=True)
                if path is not None and kind is not None
            }
            if None not in kinds and "train" in found.values() and len(set(found.values())) > 1:
                return found
    return None


def _resolved(
    values: Sequence[str], images: Sequence[Path], table: Table, about: _About
) -> list[Path | None]:
    """The image that each value of a column names, by its path, its name or its stem."""
    by_name: dict[str, Path | None] = {}
    bases = (about.folder, table.path.parent, about.root, about.root.parent)
    for path in images:
        keys = {path.name, path.stem}
        keys |= {path.relative_to(base).as_posix() for base in bases if base in path.parents}
        for key in keys:
            spelt = unicodedata.normalize("NFC", key)
            by_name[spelt] = None if by_name.get(spelt, path) != path else path
    found: list[Path | None] = []
    for value in values:
        key = unicodedata.normalize("NFC", value.strip().replace("\\", "/"))
        found.append(by_name.get(os.path.normpath(key) if "/" in key else key) if key else None)
    return found


def _clash(
    values: Sequence[str], paths: Sequence[Path | None], others: Sequence[Path]
) -> tuple[str, Path, Path] | None:
    """A bare name in the table that means an image here and one in another folder."""
    names = {key: path for path in others for key in (path.name, path.stem)}
    for value, path in zip(values, paths, strict=True):
        name = value.strip()
        if path is not None and "/" not in name and "\\" not in name and name in names:
            return readable(name), path, names[name]
    return None


def _items(table: Table) -> list[tuple[str, Sequence[str]]]:
    return list(table.columns.items())


def _one_column(
    table: Table, columns: Sequence[str], rows: Sequence[int]
) -> tuple[str, str | None] | None:
    """The column of labels, and the column of their numbers, if all columns group alike."""
    groups = [[table.columns[column][row] for row in rows] for column in columns]
    for other in groups[1:]:
        pairs = set(zip(groups[0], other, strict=True))
        if not (len(pairs) == len(set(groups[0])) == len(set(other))):
            return None
    texts = [c for c, group in zip(columns, groups, strict=True) if not _are_numbers(group)]
    numbers = [c for c, group in zip(columns, groups, strict=True) if _are_numbers(group)]
    if texts:
        return texts[0], (numbers[0] if numbers else None)
    return numbers[0], None


def _one_hot(table: Table, files_in: str, rows: Sequence[int]) -> bool:
    columns = [values for column, values in table.columns.items() if column != files_in]
    if len(columns) < 2:
        return False
    return all(
        sorted(re.sub(r"\.0+$", "", values[row]) for values in columns)
        == ["0"] * (len(columns) - 1) + ["1"]
        for row in rows
    )


def _are_numbers(values: Sequence[str]) -> bool:
    return all(value.isascii() and value.isdigit() for value in values)


def _tidy(values: Sequence[str]) -> list[str]:
    """Labels without surrounding space; whole numbers that were saved as floats are whole."""
    stripped = [value.strip() for value in values]
    if all(re.fullmatch(r"\d+\.0+|", value) for value in stripped):
        return [value.split(".")[0] for value in stripped]
    return ["" if value.lower() in ("nan", "null", "none", "n/a") else value for value in stripped]


def _spelt(column: str) -> str:
    return re.sub(r"[ -]", "_", column.strip().lower())
