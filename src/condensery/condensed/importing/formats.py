"""The files of each released code, and their readers.

A reader returns the images and labels of a file unchanged. Knows nothing about normalisation, and
nothing about the data set of the images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from condensery.condensed.importing.recognise import other, pair_of
from condensery.condensed.importing.rows import Learned
from condensery.condensed.importing.safely import as_tensor, hash_of_folder, open_numpy, open_torch
from condensery.condensed.importing.shards import column_of_soft_labels, read_shards
from condensery.data.decoding.decode import Decoding
from condensery.data.readers.folders import folder
from condensery.data.readers.folders.class_folders import class_folders
from condensery.data.readers.folders.listing import load
from condensery.data.readers.parquet import read as parquet
from condensery.errors import ConfigError, DataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChoices:
    """The arguments of ``import_set`` that a file may leave open; ``None``: not given."""

    experiment: int | None = None
    labels: str | Path | None = None
    factor: int | None = None
    order: str | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    zca: bool | None = None
    learned_lr: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLocation:
    """The file or folder to read, its format (a key of ``FORMATS``), and the choices."""

    format: str
    file: Path
    choices: ImportChoices = ImportChoices()

    @property
    def layout(self) -> ImportFormat:
        """The description of the format."""
        return FORMATS[self.format]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadSet:
    """The content of a released file.

    Attributes:
        images: A dense tensor on the CPU, of any shape and dtype.
        labels: A dense tensor on the CPU, of any shape and dtype.
        facts: Facts for the record: hashes of files, the experiment.
        class_: The class of each row ``[row]``, if the file has it in addition to learned labels.
        class_names: Names in the order of the labels, if the file has them.
        learned_lr: The learning rate that the set has learned, or ``None``.
        decode: How the images decode, as in a condensed file, if the file says it.
        notices: Sentences about how the file was read.
    """

    images: Tensor
    labels: Tensor
    facts: Mapping[str, object]
    class_: Tensor | None = None
    class_names: tuple[str, ...] | None = None
    learned_lr: float | None = None
    decode: Mapping[str, object] | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFormat:
    """One format of released files.

    Attributes:
        read: Its reader.
        stores: ``"normalised"`` with the mean and deviation of the data set, ``"standardised"``
            with measured ones, ``"pixels"`` in about [0, 1], or ``"bytes"``.
        takes: Names of the choices that belong to it; with ``zca``, its images may be whitened.
        learned: Learned labels are class probabilities, ``"centred"`` (minus 1 / classes), or
            ``"logits"``, whose softmax are the probabilities.
        by_class: Whether its code writes the rows class by class, equally many of each.
        order: The default order of sizes if images are decoded.
    """

    read: Callable[[SetLocation], ReadSet]
    stores: Literal["normalised", "standardised", "pixels", "bytes"]
    takes: tuple[str, ...]
    learned: Learned = "probabilities"
    by_class: bool = False
    order: Literal["image", "crop"] = "image"


def _read(
    where: SetLocation, path: Path, wanted: str, find: Callable[[object], T | None]
) -> tuple[T, str]:
    """The result of ``find`` for the content of a file of ``torch.save``, and the file's hash.

    Raises:
        DataError: If the result is ``None``; says what the file contains instead of ``wanted``.
    """
    opened = open_torch(path)
    found = find(opened.content)
    if found is None:
        raise other(path, opened.content, format=where.format, wanted=wanted)
    return found, opened.sha256


def _experiments(where: SetLocation) -> ReadSet:
    """DC, DSA, DM: ``{"data": [[images, labels], ...], "accs_all_exps": ...}``."""
    number, count = where.choices.experiment or 0, 0

    def find(content: object) -> tuple[Tensor, Tensor] | None:
        nonlocal count
        held = cast(Mapping[str, object], content).get("data") if isinstance(content, dict) else 0
        if not isinstance(held, (list, tuple)) or not held:
            return None
        count = len(cast(Sequence[object], held))
        if not 0 <= number < count:
            raise ConfigError(
                f"experiment = {number}, but {where.file} holds {count} experiments. "
                f"Give one of 0..{count - 1}."
            )
        return _pair(where.file, cast(Sequence[object], held)[number])

    wanted = "a dictionary whose 'data' lists experiments of [images, labels]"
    (images, labels), digest = _read(where, where.file, wanted, find)
    facts = {"sha256": digest, "experiment": number, "experiments": count}
    return ReadSet(images=images, labels=labels, facts=facts)


def _one_pair(where: SetLocation) -> ReadSet:
    """IDC, DREAM, MDC, DANCE, NCFM: ``[images, labels]``."""
    wanted = "a pair of arrays, [images, labels]"
    (images, labels), digest = _read(
        where, where.file, wanted, lambda content: _pair(where.file, content)
    )
    return ReadSet(images=images, labels=labels, facts={"sha256": digest})


def _trajectories(where: SetLocation) -> ReadSet:
    """MTT, DATM, PAD: ``images_best.pt`` and ``labels_best.pt``, perhaps with ``lr_best.pt``.

    Large sets are published in parts: ``images_best_0.pt``, ``images_best_1.pt``, ...
    """
    rates = [path for path in _siblings(where.file, "lr", "syn_lr") if path.exists()]
    learned_lr, learned = None, dict[str, object]()
    if rates:
        wanted = "one finite number, the learned learning rate"
        learned_lr, digest = _read(where, rates[0], wanted, lambda held: _number(rates[0], held))
        learned = {"learned_lr_file": rates[0].name, "learned_lr_sha256": digest}
    images, digest = _array_of_torch(where, where.file, "images")
    labels_file = _beside(where)
    labels, labels_digest = _array_of_torch(where, labels_file, "labels")
    files = {where.file: (images, digest), labels_file: (labels, labels_digest)}
    facts: dict[str, object] = {"sha256": digest, "labels_file": labels_file.name}
    facts |= {"labels_sha256": labels_digest, **learned}
    notices: tuple[str, ...] = ()
    if joined := _joined(where, files):
        images, labels, facts["parts"] = joined
        names = ", ".join(str(part["file"]) for part in joined[2])
        notices = (
            f"{where.file} is one of {len(joined[2])} parts of a set. The parts were read "
            f"together: {names}.",
        )
    return ReadSet(
        images=images, labels=labels, facts=facts, learned_lr=learned_lr, notices=notices
    )


def _joined(
    where: SetLocation, read: dict[Path, tuple[Tensor, str]]
) -> tuple[Tensor, Tensor, list[dict[str, object]]] | None:
    """Images, labels and files of all parts of a set; ``None`` if the file is a set of its own.

    Files whose names differ only in a number are certainly parts of one set if one file contains
    the labels of all images, or if no class is in two of them. Files of several iterations or runs
    contain all classes each.

    Args:
        where: The file to read.
        read: Files that were read already, by path: the file, and that of its labels.
    """

    def array(path: Path, what: str) -> tuple[Tensor, str]:
        if path not in read:
            read[path] = _array_of_torch(where, path, what)
        return read[path]

    parts = _parts(where.file)
    (images, _), (labels, _) = read.values()
    of_all = len(labels) != len(images)
    if len(parts) == 1 or (where.choices.labels is not None and not of_all):
        return None
    files: list[dict[str, object]] = [{"file": path.name} for path in parts]
    own: list[Tensor] = []
    if not of_all:
        beside = [path for part in parts for path in _siblings(part, "labels")]
        if not beside or not all(path.exists() for path in beside):
            return None
        for file, path in zip(files, beside, strict=True):
            found, digest = array(path, "labels")
            own.append(found)
            file |= {"labels_file": path.name, "labels_sha256": digest}
        classes = [set(cast(list[int], found.reshape(-1).tolist())) for found in own]
        shared = sum(map(len, classes)) > len(set[int]().union(*classes))
        if shared or any(found.ndim != 1 for found in own):
            return None
        labels = torch.cat(own)
    held: list[Tensor] = []
    for file, path in zip(files, parts, strict=True):
        part, digest = array(path, "images")
        held.append(part)
        file |= {"sha256": digest, "rows": len(part)}
        if part.shape[1:] != images.shape[1:] or part.dtype != images.dtype:
            return None
    if own and [*map(len, held)] != [*map(len, own)]:
        return None
    rows = sum(map(len, held))
    if rows != len(labels):
        raise DataError(
            f"{where.file}: holds {len(images)} images, and the {len(parts)} files that are named "
            f"like it ({', '.join(path.name for path in parts)}) hold {rows} together, but there "
            f"are {len(labels)} labels. If these are parts of one set, put all of them into one "
            "folder; else give the right labels with --labels FILE (labels=)."
        )
    return torch.cat(held), labels, files


def _parts(file: Path) -> list[Path]:
    """The files whose names differ from a name only in the number at the end, by this number."""
    match = re.fullmatch(r"(.*_)(\d+)", file.stem)
    if match is None:
        return [file]
    pattern = re.compile(re.escape(match[1]) + r"(\d+)" + re.escape(file.suffix))
    found = ((pattern.fullmatch(path.name), path) for path in file.parent.iterdir())
    return [path for _, path in sorted((int(its[1]), path) for its, path in found if its)]


def _array_of_torch(where: SetLocation, path: Path, what: str) -> tuple[Tensor, str]:
    """The one array in a file of ``torch.save``, and the hash of the file."""

    def find(content: object) -> Tensor | None:
        if pair_of(content) is not None and _pair(path, content) is not None:
            return None  # images and labels: not to be taken for a list of one of them
        found = as_tensor(content, path=path, what=what)
        return None if found is None or found.ndim < (3 if what == "images" else 1) else found

    return _read(where, path, f"one array of {what}", find)


def _arrays(where: SetLocation) -> ReadSet:
    """KIP: ``images`` and ``labels`` of a ``.npz``, or a ``.npy`` of each."""
    opened = open_numpy(where.file)
    facts: dict[str, object] = {"sha256": opened.sha256}
    class_names = None
    if isinstance(opened.content, np.ndarray):
        images, beside = opened.content, _beside(where)
        second = open_numpy(beside)
        labels = second.content
        if isinstance(labels, dict) and "labels" in labels:
            labels = cast(Mapping[str, object], labels)["labels"]
        facts |= {"labels_file": beside.name, "labels_sha256": second.sha256}
    else:
        held = cast(Mapping[str, object], opened.content)
        pair = pair_of(held)
        if pair is None:
            listed = ", ".join(map(repr, held)) or "nothing"
            missing = next((key for key in ("images", "labels") if key not in held), "labels")
            raise DataError(
                f"{where.file}: holds {listed}, but no {missing!r}. An archive of KIP holds "
                "'images' and 'labels'. A data set is read with --data; a set in a file of another "
                "layout can be saved as numpy.savez(FILE, images=..., labels=...)."
            )
        if {"rank", "class_names"} <= set(held):
            raise DataError(
                f"{where.file}: is an archive that 'condensery export' wrote, not one of KIP. Give "
                "it with --format folder (format='folder')."
            )
        images, labels = pair
        names = held.get("class_names")
        if isinstance(names, np.ndarray) and names.dtype.kind == "U":
            class_names = tuple(map(str, names.reshape(-1)))
    return ReadSet(
        images=_tensor(where.file, images, "images"),
        labels=_tensor(where.file, labels, "labels"),
        facts=facts,
        class_names=class_names,
    )


def _folder(where: SetLocation) -> ReadSet:
    """``class/*.png``, sorted by name; or an export of ``condensery export`` in any form."""
    file = where.file
    if export := _export(file):
        return _exported(file, export)
    if file.is_file():
        raise DataError(
            f"{file}: is no folder. Give one with a subfolder of images per class, or a file "
            "that 'condensery export' wrote, with its export.json beside it."
        )
    if not file.is_dir():
        raise DataError(f"{file}: there is no such folder. Check the path.")
    source = folder.read(file, Decoding())
    if source.test is not None:
        raise DataError(
            f"{file}: holds a train and a test split, but a condensed set has one. Give the "
            f"folder of the classes themselves, such as {file / 'train'}."
        )
    notices, skipped = source.notices, list(source.skipped)
    if skipped:
        more = f", and {len(skipped) - 1} more" if len(skipped) > 1 else ""
        notices += (f"{file}: left out {skipped[0]}{more}.",)
    return ReadSet(
        images=source.train.images,
        labels=source.train.labels,
        facts={"sha256": hash_of_folder(file)},
        class_names=source.class_names,
        notices=notices,
    )


def _export(path: Path) -> Mapping[str, object] | None:
    """The content of ``export.json``; ``None`` if there is no such file."""
    mark = (path if path.is_dir() else path.parent) / "export.json"
    if not mark.is_file() or not (path.is_dir() or path.name in ("condensed.npz", "train.parquet")):
        return None
    try:
        facts = json.loads(mark.read_text(encoding="utf-8"))
        names = facts["class_names"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{mark}: cannot be read as what 'condensery export' writes ({error}). Export the set "
            "again; or remove this file, and the folders are read by their names."
        ) from error
    if not isinstance(names, list) or not all(
        isinstance(n, str) for n in cast(list[object], names)
    ):
        raise DataError(f"{mark}: its class_names are no list of names. Export the set again.")
    return cast(Mapping[str, object], facts)


def _exported(path: Path, export: Mapping[str, object]) -> ReadSet:
    """An export, whose ``export.json`` has the class names and the label of each folder."""
    root = path if path.is_dir() else path.parent
    names = tuple(cast(list[str], export["class_names"]))
    class_, archive, table = None, root / "condensed.npz", root / "train.parquet"
    soft, shards = None, sorted(p for p in root.glob("train-*.tar") if p.is_file())
    if archive.is_file():
        held = cast(Mapping[str, object], open_numpy(archive).content)
        if missing := next((key for key in ("images", "labels") if key not in held), None):
            raise DataError(f"{archive}: holds no {missing!r}. Export the set again.")
        images, labels = (_tensor(archive, held[key], key) for key in ("images", "labels"))
        if "soft_labels" in held:
            soft = _tensor(root, held["soft_labels"], "learned labels")
    elif shards:
        images, labels, soft = read_shards(shards)
    else:
        if table.is_file():
            source = parquet.read([table], Decoding(), title=str(path))
            soft = column_of_soft_labels(table)
        elif isinstance(folders := export.get("folders"), list):  # labels, whatever their names
            chosen = cast(list[str], folders)
            top = root / "train" if export.get("inside") == "train" else root
            inside = class_folders(top, root=root, chosen=chosen, divided=True)
            source = load(inside, Decoding())
        else:  # written before exports said which folder is which label
            source = folder.read(root, Decoding())
            names = source.class_names or names
        images, labels = source.train.images, source.train.labels
    if soft is not None:
        class_, labels = labels, soft
    return ReadSet(
        images=images,
        labels=labels,
        facts={"sha256": hash_of_folder(root)},
        class_=class_,
        class_names=names,
        decode=cast("Mapping[str, object] | None", export.get("decode")),
    )


def _pair(path: Path, content: object) -> tuple[Tensor, Tensor] | None:
    """The images and labels of one file; ``None`` if it does not contain both."""
    pair = pair_of(content)
    if pair is None:
        return None
    images = as_tensor(pair[0], path=path, what="images")
    labels = as_tensor(pair[1], path=path, what="labels")
    return None if images is None or labels is None or images.ndim < 3 else (images, labels)


def _tensor(path: Path, array: object, what: str) -> Tensor:
    found = as_tensor(array, path=path, what=what) if isinstance(array, np.ndarray) else None
    if found is None:
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else "no array"
        raise DataError(
            f"{path}: {what} are {kind}, but images are floats or bytes, and labels floats or "
            "integers."
        )
    return found


def _beside(where: SetLocation) -> Path:
    """The file of the labels: the given one, or the one whose name follows that of the images."""
    if where.choices.labels is not None:
        return Path(where.choices.labels).expanduser()
    own = _siblings(where.file, "labels")
    shared = [path.with_name(re.sub(r"_\d+(?=\.)", "", path.name)) for path in own]
    for path in (*own, *shared):  # of a part: its own, or those of all parts
        if path.exists():
            return path
    looked = f" (looked for {own[0].name!r} beside it)" if own else ""
    raise DataError(
        f"{where.file}: the labels are in a file of their own, which was not found{looked}. "
        "Give it with --labels FILE (labels=)."
    )


def _siblings(file: Path, *words: str) -> list[Path]:
    """``images_best.pt`` -> ``labels_best.pt``; ``images_zca_5000.pt`` -> ``labels_5000.pt``."""
    names = [re.sub(r"images(_zca)?", word, file.name, count=1) for word in words]
    return [file.with_name(name) for name in names if "images" in file.name]


def _number(path: Path, content: object) -> float | None:
    found = (
        None if isinstance(content, bool) else as_tensor(content, path=path, what="learning rate")
    )
    if found is None or found.numel() != 1 or not bool(torch.isfinite(found.double()).all()):
        return None
    return float(found)


_SPACE = ("mean", "std")
_OF_DC = ImportFormat(read=_experiments, stores="normalised", takes=("experiment", *_SPACE))
_OF_MTT = ImportFormat(
    read=_trajectories,
    stores="normalised",
    takes=("labels", *_SPACE, "zca", "learned_lr"),
    by_class=True,
)
_OF_DATM = replace(_OF_MTT, learned="logits")
_OF_IDC = ImportFormat(read=_one_pair, stores="pixels", takes=("factor", "order", *_SPACE))

FORMATS: Mapping[str, ImportFormat] = {
    "dc": _OF_DC,
    "dsa": _OF_DC,
    "dm": _OF_DC,
    "mtt": _OF_MTT,
    "datm": _OF_DATM,
    "pad": _OF_DATM,
    "idc": _OF_IDC,
    "dream": _OF_IDC,
    "mdc": replace(_OF_IDC, order="crop"),
    "dance": _OF_IDC,
    "ncfm": _OF_IDC,
    "kip": ImportFormat(
        read=_arrays,
        stores="standardised",
        takes=("labels", *_SPACE, "zca"),
        learned="centred",
    ),
    "folder": ImportFormat(read=_folder, stores="bytes", takes=("factor", "order")),
}
"""All formats, by the method that releases them."""
