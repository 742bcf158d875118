"""Tables that give the label of each image file: CSV, TSV and JSON lines.

Hugging Face's imagefolder form (``metadata.csv`` or ``metadata.jsonl`` with ``file_name`` and
``label``), and the forms in which competitions give labels (``labels.csv``, ``train.csv``,
``trainLabels.csv``, with ``id`` or ``image`` and ``label`` or ``class``). A table is used where it
is certain which column names the files and which column their class; else the reason is given.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from condensery.data.readers.folders.names import Kind, kind_of
from condensery.data.readers.folders.walk import files, name_of, readable
from condensery.data.skipped import Skipped
from condensery.errors import DataError

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
_SPLIT_COLUMNS = ("split", "subset", "partition", "dataset", "data_set")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """The labels of some image files."""

    path: Path  # the table
    of: Mapping[Path, str]  # the label of each image that the table names, as it is written
    # all labels that occur, in the order that the table's numbers give them; ``None`` where
    # the table gives no numbers beside the names
    order: tuple[str, ...] | None
    split: Mapping[Path, Kind] | None  # the split of each image, where a column says it
    skipped: tuple[Skipped, ...]  # images and rows without a counterpart


@dataclass(frozen=True, slots=True)
class _Search:
    """What labels are looked for, and the table that is looked at; see ``read_labels``."""

    images: Sequence[Path]
    folder: Path
    root: Path
    others: Sequence[Path]
    kind: Kind | None
    path: Path
    columns: Mapping[str, Sequence[str]]
    certain: bool  # whether the place or the name of the table says that it is about these alone

    @property
    def shown(self) -> str:
        """The table as messages call it."""
        return repr(name_of(self.path, self.root))


def tables_in(folder: Path) -> list[Path]:
    """Files of a folder that may be such tables; a sample of a submission has no true labels."""
    return [
        path
        for path in files(folder)
        if path.suffix.lower() in (".csv", ".tsv", ".jsonl")
        and "submission" not in path.stem.lower()
    ]


def read_labels(
    images: Sequence[Path],
    *,
    folder: Path,
    root: Path,
    others: Sequence[Path] = (),
    kind: Kind | None = None,
) -> LabelTable | str:
    """Look for the table that labels the images of a folder, in it and in the folders above it.

    Args:
        images: All images of the folder.
        folder: Holds them.
        root: The folder of the whole data set; tables above it are not looked for.
        others: Images of other folders of the data set, whose names a table may mean as well.
        kind: The split that the images belong to, where it is known.

    Returns:
        The labels; or what was found and why it does not give labels for certain, as sentences
        that end in a space. There are none if there is no table.
    """
    found: list[LabelTable] = []
    reasons = ""
    places = [p for p in (folder, *folder.parents) if p == root or root in p.parents]
    for path in (table for place in places for table in tables_in(place)):
        says = kind_of(path.stem) if path.parent != folder else None
        if says is not None and kind is not None and says != kind:
            continue
        outcome = _columns(path)
        if not isinstance(outcome, str):
            certain = path.parent == folder or (says is not None and says == kind)
            outcome = _labels(_Search(images, folder, root, others, kind, path, outcome, certain))
        if isinstance(outcome, LabelTable):
            found.append(outcome)
        elif outcome:
            reasons += f"{outcome} "
    for other in found[1:]:
        if dict(other.of) != dict(found[0].of):
            one, two = name_of(found[0].path, root), name_of(other.path, root)
            raise DataError(
                f"{readable(root)}: the tables {one!r} and {two!r} give different labels for "
                f"the images in {readable(folder.name)!r}. Remove one of them."
            )
    return found[0] if found else reasons


def _columns(path: Path) -> Mapping[str, Sequence[str]] | str:
    """The columns of a table as text, or a sentence that says why it cannot be read."""
    table = f"table {readable(path.name)!r}"
    try:
        content = path.read_bytes()
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if wide else "utf-8-sig"
        text = content.decode(encoding, errors="replace" if wide else "surrogateescape")
        rows = _json_rows(text) if path.suffix.lower() == ".jsonl" else _csv_rows(text)
    except (OSError, ValueError, csv.Error) as error:
        return f"The {table} cannot be read ({getattr(error, 'strerror', error)})."
    if len(rows) < 2:
        return f"The {table} has no rows."
    header = [column.strip() for column in rows[0]]
    if len(set(header)) < len(header):
        return f"The {table} has two columns of one name: {', '.join(map(repr, header))}."
    if any(PurePosixPath(name).suffix.lower() in (".png", ".jpg", ".jpeg") for name in header):
        return (
            f"The {table} has no line that names its columns. Write 'file_name,label' above the "
            "first row."
        )
    odd = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if odd is not None:
        return (
            f"Line {odd + 1} of the {table} has {len(rows[odd])} values, but the first line names "
            f"{len(header)} columns."
        )
    return dict(zip(header, zip(*rows[1:], strict=True), strict=True))


def _csv_rows(text: str) -> list[list[str]]:
    delimiter = max(",;\t|", key=text.split("\n", 1)[0].count)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


def _json_rows(text: str) -> list[list[str]]:
    held = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in held):
        raise ValueError("a line is no object with the names of columns")
    header = list(dict.fromkeys(column for row in held for column in row))

    def text_of(value: object) -> str:
        return value if isinstance(value, str) else "" if value is None else json.dumps(value)

    return [header, *([text_of(row.get(column)) for column in header] for row in held)]


def _labels(table: _Search) -> LabelTable | str:
    """Labels, or the reason why the table gives none; no reason if it is about other files."""
    here, elsewhere = _by_name(table.images, table), _by_name(table.others, table)
    resolved = {name: _resolved(values, here) for name, values in table.columns.items()}
    counts = {name: len({path for path in paths if path}) for name, paths in resolved.items()}
    most = max(counts.values(), default=0)
    columns = ", ".join(repr(readable(column)) for column in table.columns)
    if most == 0:
        if any(any(_resolved(values, elsewhere)) for values in table.columns.values()):
            return ""
        return f"The table {table.shown} (columns {columns}) names none of the images."
    best = [column for column, count in counts.items() if count == most]
    files_in = (*_usual(_FILE_COLUMNS, best), *best)[0]
    paths = resolved[files_in]
    if not table.certain and (clash := _clash(table.columns[files_in], paths, table.others)):
        value, one, two = clash[0], *(repr(name_of(path, table.root)) for path in clash[1:])
        return (
            f"The table {table.shown} names {value!r}, which may be {one} or {two}. Write the "
            f"folder before the name, such as {one}, or put a table metadata.csv (file_name, "
            "label) into each folder."
        )
    rows = list({path: i for i, path in enumerate(paths) if path is not None}.values())
    by_label = [name for name in _usual(_LABEL_COLUMNS, table.columns) if name != files_in]
    if not by_label and _one_hot(table, files_in, rows):
        return (
            f"The table {table.shown} has one column a class ({columns}), which is not read. "
            "Write one column 'label' with the name of the class instead."
        )
    if not by_label:
        return (
            f"The table {table.shown} has the columns {columns}, and it is not certain which of "
            "them is the class. Call that column 'label', and the column of the files 'file_name'."
        )
    groups = {name: [table.columns[name][row] for row in rows] for name in by_label}
    first = groups[by_label[0]]
    for other in groups.values():
        if not len(set(zip(first, other, strict=True))) == len(set(first)) == len(set(other)):
            return (
                f"The table {table.shown} has several columns of labels, "
                f"{' and '.join(map(repr, by_label))}, which group the images differently. Leave "
                "one of them, and call it 'label'."
            )
    numbers = [name for name in by_label if all(map(_is_number, groups[name]))]
    texts = [name for name in by_label if name not in numbers]
    others = _resolved(table.columns[files_in], elsewhere)
    number = numbers[0] if texts and numbers else None
    return _checked(table, paths, others, files_in, (*texts, *numbers)[0], number)


def _checked(
    table: _Search,
    paths: Sequence[Path | None],
    others: Sequence[Path | None],
    files_in: str,
    column: str,
    number: str | None,
) -> LabelTable | str:
    """Labels of the images of ``paths``, or the reason why those of this column are none."""
    root, shown, file_names = table.root, table.shown, table.columns[files_in]
    plain = name_of(table.path, root)
    values = _tidy(table.columns[column])
    of: dict[Path, str] = {}
    skipped: list[Skipped] = []
    numbers: dict[str, str] = {}
    for i, path in enumerate(paths):
        if path is None and others[i] is None:
            reason = f"{plain} has a row for it, but there is no such image"
            skipped.append(Skipped(readable(file_names[i]), reason))
        elif path is None:
            continue
        elif not values[i]:
            skipped.append(Skipped(name_of(path, root), f"{plain} gives no label for it"))
        elif of.setdefault(path, values[i]) != values[i]:
            raise DataError(
                f"{readable(table.path)}: gives two labels for {name_of(path, root)!r}, "
                f"{readable(of[path])!r} and {readable(values[i])!r}. Each image needs one class: "
                "leave one of the rows."
            )
        elif number is not None:
            numbers[values[i]] = table.columns[number][i]
    distinct = set(of.values())
    an_example = repr(readable(next(iter(of.values()), "")))
    if not of:
        return f"The table {shown} gives no label in its column {column!r}."
    if 2 * len(of) < len(table.images):
        return (
            f"The table {shown} labels {len(of)} of the {len(table.images)} images only. Add the "
            "other rows, or remove the images without a label."
        )
    if all(re.fullmatch(r"[-+]?\d*\.\d+(e[-+]?\d+)?", value) for value in distinct):
        return (
            f"The column {column!r} of the table {shown} holds numbers such as {an_example}, "
            "which are no classes."
        )
    if len(distinct) == len(of) > 2 and table.kind in ("train", None):
        return (
            f"The column {column!r} of the table {shown} is different for every image, such as "
            f"{an_example}, so it does not tell classes."
        )
    listed = set(paths)
    missing = [path for path in table.images if path not in listed]
    skipped += [Skipped(name_of(path, root), f"{plain} has no row for it") for path in missing]
    order = tuple(sorted(distinct, key=lambda name: int(numbers[name]))) if numbers else None
    split = _split(table, paths)
    return LabelTable(path=table.path, of=of, order=order, split=split, skipped=tuple(skipped))


def _split(table: _Search, paths: Sequence[Path | None]) -> dict[Path, Kind] | None:
    for column, values in table.columns.items():
        if _spelt(column) in _SPLIT_COLUMNS:
            kinds: list[Kind | None] = [kind_of(value) for value in values]
            pairs = zip(paths, kinds, strict=True)
            found: dict[Path, Kind] = {path: kind for path, kind in pairs if path and kind}
            if None not in kinds and "train" in found.values() and len(set(found.values())) > 1:
                return found
    return None


def _by_name(images: Sequence[Path], table: _Search) -> Mapping[str, Path | None]:
    """Images by their paths, names and stems; ``None`` where several are called alike."""
    found: dict[str, Path | None] = {}
    bases = (table.folder, table.path.parent, table.root, table.root.parent)
    for path in images:
        keys = {path.name, path.stem}
        keys |= {path.relative_to(base).as_posix() for base in bases if base in path.parents}
        for key in keys:
            spelt = unicodedata.normalize("NFC", key)
            found[spelt] = None if found.get(spelt, path) != path else path
    return found


def _resolved(values: Sequence[str], images: Mapping[str, Path | None]) -> list[Path | None]:
    """The image that each value of a column names."""
    keys = [unicodedata.normalize("NFC", value.strip().replace("\\", "/")) for value in values]
    return [images.get(os.path.normpath(key) if "/" in key else key) for key in keys]


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


def _usual(known: Sequence[str], columns: Sequence[str] | Mapping[str, object]) -> list[str]:
    """Those of some columns that have a known name, in the order of the known names."""
    return [column for name in known for column in columns if _spelt(column) == name]


def _one_hot(table: _Search, files_in: str, rows: Sequence[int]) -> bool:
    columns = [values for column, values in table.columns.items() if column != files_in]
    one = ["0"] * (len(columns) - 1) + ["1"]
    return len(columns) > 1 and all(
        sorted(re.sub(r"\.0+$", "", values[row]) for values in columns) == one for row in rows
    )


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit()


def _tidy(values: Sequence[str]) -> list[str]:
    """Labels without surrounding space; whole numbers that were saved as floats are whole."""
    stripped = [value.strip() for value in values]
    if all(re.fullmatch(r"\d+\.0+|", value) for value in stripped):
        return [value.split(".")[0] for value in stripped]
    return ["" if value.lower() in ("nan", "null", "none", "n/a") else value for value in stripped]


def _spelt(column: str) -> str:
    return re.sub(r"[ -]", "_", column.strip().lower())
