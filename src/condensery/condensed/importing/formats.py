"""What each released code leaves behind, and how its files are laid out.

A reader returns images and labels as the file has them. Knows nothing about normalisation, nor
about the data set that the images were made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from condensery.condensed.importing.recognise import other, pair_of
from condensery.condensed.importing.safely import as_tensor, hash_of_folder, open_numpy, open_torch
from condensery.data.decoding.decode import Decoding
from condensery.data.readers.folders import folder
from condensery.data.readers.folders.class_folders import class_folders
from condensery.data.readers.folders.listing import load
from condensery.data.readers.parquet import read as parquet
from condensery.errors import ConfigError, DataError

__all__ = ["FORMATS", "Format", "Found", "Where"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which part of what is to be read.

    Attributes:
        format: Its format, a key of ``FORMATS``.
        file: The file, or the folder.
        labels: The file of the labels, or ``None`` for the one that lies beside.
        experiment: Position in a list of experiments.
    """

    format: str
    file: Path
    labels: Path | None
    experiment: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A set as stored.

    Attributes:
        images: Dense, on the CPU, of whatever shape and type.
        labels: As above.
        facts: For the record: hashes of files, which experiment.
        class_: The class of each row ``[row]``, where the file says it beside learned labels.
        class_names: Where the file knows them, in label order.
        step_size: That the set was learned with, or ``None``.
        decode: How the images decode, as a condensed file says it, where the file says it.
        notices: Whole sentences about how the file was read.
    """

    images: Tensor
    labels: Tensor
    facts: Mapping[str, object]
    class_: Tensor | None = None
    class_names: tuple[str, ...] | None = None
    step_size: float | None = None
    decode: Mapping[str, object] | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One layout.

    Attributes:
        read: Its reader.
        stores: ``"normalised"`` by the mean and deviation of the data set, ``"standardised"`` by
            measured ones, ``"pixels"`` in [0, 1] that may stray a little, or ``"bytes"``.
        takes: Names of the choices that mean something for it.
        whitened: Whether it may be ZCA-whitened instead.
        learned: What learned labels are: class probabilities, or ``"centred"`` (minus 1 / classes).
        by_class: Whether its code writes the rows class by class, as many of each.
        order: How sizes are counted where images are decoded, unless the user says.
    """

    read: Callable[[Where], Found]
    stores: Literal["normalised", "standardised", "pixels", "bytes"]
    takes: tuple[str, ...] = ()
    whitened: bool = False
    learned: Literal["probabilities", "centred"] = "probabilities"
    by_class: bool = False
    order: Literal["image", "crop"] = field(default="image")


def _experiments(where: Where) -> Found:
    """DC, DSA, DM: ``{"data": [[images, labels], ...], "accs_all_exps": ...}``."""
    opened = open_torch(where.file)
    content = opened.content
    held = cast(Mapping[str, object], content).get("data") if isinstance(content, dict) else None
    wanted = "a dictionary whose 'data' lists experiments of [images, labels]"
    if not isinstance(held, (list, tuple)) or not held:
        raise other(where.file, content, format=where.format, wanted=wanted)
    listed = cast(list[object], held)
    if not 0 <= where.experiment < len(listed):
        raise ConfigError(
            f"experiment = {where.experiment}, but {where.file} holds {len(listed)} experiments. "
            f"Give one of 0..{len(listed) - 1}."
        )
    found = _pair(where.file, listed[where.experiment])
    if found is None:
        raise other(where.file, content, format=where.format, wanted=wanted)
    facts = {
        "sha256": opened.sha256,
        "experiment": where.experiment,
        "experiments": len(listed),
    }
    return Found(images=found[0], labels=found[1], facts=facts)


def _one_pair(where: Where) -> Found:
    """IDC, DREAM, MDC: ``[images, labels]``."""
    opened = open_torch(where.file)
    found = _pair(where.file, opened.content)
    if found is None:
        raise other(
            where.file,
            opened.content,
            format=where.format,
            wanted="a pair of arrays, [images, labels]",
        )
    return Found(images=found[0], labels=found[1], facts={"sha256": opened.sha256})


def _trajectories(where: Where) -> Found:
    """MTT: ``images_best.pt`` and ``labels_best.pt``, perhaps with ``lr_best.pt``.

    Large sets are published in parts: ``images_best_0.pt``, ``images_best_1.pt``, ...
    """
    facts: dict[str, object] = {}
    step_size = None
    if rate := next(
        (path for path in _siblings(where.file, "lr", "syn_lr") if path.exists()), None
    ):
        learned = open_torch(rate)
        step_size = _number(rate, learned.content, format=where.format)
        facts |= {"step_size_file": rate.name, "step_size_sha256": learned.sha256}
    images, digest = _array_of_torch(where, where.file, "images")
    labels_file = _beside(where, "labels")
    labels, labels_digest = _array_of_torch(where, labels_file, "labels")
    facts = {
        "sha256": digest,
        "labels_file": labels_file.name,
        "labels_sha256": labels_digest,
        **facts,
    }
    notices: tuple[str, ...] = ()
    read = {where.file: (images, digest), labels_file: (labels, labels_digest)}
    if joined := _joined(where, labels_file, read):
        images, labels, facts["parts"] = joined.images, joined.labels, joined.files
        names = ", ".join(str(part["file"]) for part in joined.files)
        notices = (
            f"{where.file} is one of {len(joined.files)} parts of a set. The parts were read "
            f"together: {names}.",
        )
    return Found(images=images, labels=labels, facts=facts, step_size=step_size, notices=notices)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Joined:
    """The parts of a set, one after the other."""

    images: Tensor
    labels: Tensor
    files: list[dict[str, object]]


def _parts(file: Path) -> list[Path]:
    """The files that are named like one but for the number at the end, in numeric order."""
    match = re.fullmatch(r"(.*_)(\d+)", file.stem)
    if match is None:
        return [file]
    pattern = re.compile(re.escape(match[1]) + r"(\d+)" + re.escape(file.suffix))
    numbered = [
        (int(found[1]), path)
        for path in file.parent.iterdir()
        if (found := pattern.fullmatch(path.name))
    ]
    return [path for _, path in sorted(numbered)] or [file]


def _joined(
    where: Where, labels_file: Path, read: dict[Path, tuple[Tensor, str]]
) -> _Joined | None:
    """All parts of a set, if the file is one of them; ``None`` if it is a set of its own.

    Files that are named alike but for a number are parts of one set for certain where one file
    holds the labels of all images, or where no class is in two of them. Files of several
    iterations, or of several runs, hold all classes each.

    Args:
        where: What is to be read.
        labels_file: The labels that belong to it.
        read: What was read already, by path: these two files.
    """

    def array(path: Path, what: str) -> tuple[Tensor, str]:
        if path not in read:
            read[path] = _array_of_torch(where, path, what)
        return read[path]

    parts = _parts(where.file)
    images, labels = read[where.file][0], read[labels_file][0]
    of_all = len(labels) != len(images)
    if len(parts) == 1 or (where.labels is not None and not of_all):
        return None
    files: list[dict[str, object]] = [{"file": path.name} for path in parts]
    found: list[tuple[Tensor, str]] = []
    if not of_all:
        owns = [_siblings(path, "labels")[:1] for path in parts]
        if not all(own and own[0].exists() for own in owns):
            return None
        found = [array(own[0], "labels") for own in owns]
        classes = [set(cast(list[int], labels.reshape(-1).tolist())) for labels, _ in found]
        shared = sum(map(len, classes)) > len(set[int]().union(*classes))
        if shared or any(labels.ndim != 1 for labels, _ in found):
            return None
        labels = torch.cat([labels for labels, _ in found])
        for file, own, (_, digest) in zip(files, owns, found, strict=True):
            file |= {"labels_file": own[0].name, "labels_sha256": digest}
    held = [array(path, "images") for path in parts]
    for file, (part, digest) in zip(files, held, strict=True):
        file |= {"sha256": digest, "rows": len(part)}
        if part.shape[1:] != images.shape[1:] or part.dtype != images.dtype:
            return None
    rows = sum(len(part) for part, _ in held)
    if not of_all and [len(part) for part, _ in held] != [len(part) for part, _ in found]:
        return None
    if rows != len(labels):
        raise DataError(
            f"{where.file}: holds {len(images)} images, and the {len(parts)} files that are named "
            f"like it ({', '.join(path.name for path in parts)}) hold {rows} together, but there "
            f"are {len(labels)} labels. If these are parts of one set, put all of them into one "
            "folder; else give the right labels with --labels FILE (labels=)."
        )
    return _Joined(images=torch.cat([part for part, _ in held]), labels=labels, files=files)


def _array_of_torch(where: Where, path: Path, what: str) -> tuple[Tensor, str]:
    """The one array in a file of ``torch.save``, and the hash of the file."""
    opened = open_torch(path)
    if pair_of(opened.content) is not None and _pair(path, opened.content) is not None:
        found = None  # images and labels: not to be taken for a list of one of them
    else:
        found = as_tensor(opened.content, path=path, what=what)
    if found is None or (what == "images" and found.ndim < 3) or not found.ndim:
        wanted = f"one array of {what}"
        raise other(path, opened.content, format=where.format, wanted=wanted)
    return found, opened.sha256


def _arrays(where: Where) -> Found:
    """KIP: ``images`` and ``labels`` of a ``.npz``, or a ``.npy`` of each."""
    opened = open_numpy(where.file)
    facts: dict[str, object] = {"sha256": opened.sha256}
    class_names = None
    if isinstance(opened.content, np.ndarray):
        images, beside = opened.content, _beside(where, "labels")
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
        class_names = _names(held.get("class_names"))
    return Found(
        images=_tensor(where.file, images, "images"),
        labels=_tensor(where.file, labels, "labels"),
        facts=facts,
        class_names=class_names,
    )


def _folder(where: Where) -> Found:
    """``class/*.png``, sorted by name; or what ``condensery export`` wrote, in any of its forms."""
    if export := _export(where.file):
        return _exported(where.file, export)
    if where.file.is_file():
        raise DataError(
            f"{where.file}: is no folder. Give one with a subfolder of images per class, or a file "
            "that 'condensery export' wrote, with its export.json beside it."
        )
    if not where.file.is_dir():
        raise DataError(f"{where.file}: there is no such folder. Check the path.")
    source = folder.read(where.file, Decoding())
    if source.test is not None:
        raise DataError(
            f"{where.file}: holds a train and a test split, but a condensed set has one. Give the "
            f"folder of the classes themselves, such as {where.file / 'train'}."
        )
    notices = source.notices
    skipped = list(source.skipped)
    if skipped:
        more = f", and {len(skipped) - 1} more" if len(skipped) > 1 else ""
        notices += (f"{where.file}: left out {skipped[0]}{more}.",)
    return Found(
        images=source.train.images,
        labels=source.train.labels,
        facts={"sha256": hash_of_folder(where.file)},
        class_names=source.class_names,
        notices=notices,
    )


def _export(path: Path) -> Mapping[str, object] | None:
    """What ``export.json`` of an export says; ``None`` where there is none."""
    mark = (path if path.is_dir() else path.parent) / "export.json"
    if not mark.is_file() or not (path.is_dir() or path.name in ("condensed.npz", "train.parquet")):
        return None
    try:
        facts = json.loads(mark.read_text(encoding="utf-8"))
        names = facts["class_names"]
        plain = isinstance(names, list) and all(
            isinstance(n, str) for n in cast(list[object], names)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{mark}: cannot be read as what 'condensery export' writes ({error}). Export the set "
            "again; or remove this file, and the folders are read by their names."
        ) from error
    if not plain:
        raise DataError(f"{mark}: its class_names are no list of names. Export the set again.")
    return cast(Mapping[str, object], facts)


def _exported(path: Path, export: Mapping[str, object]) -> Found:
    """An export: ``export.json`` says the class names, and which folder is which label."""
    root = path if path.is_dir() else path.parent
    names = tuple(cast(list[str], export["class_names"]))
    decode = cast("Mapping[str, object] | None", export.get("decode"))
    class_ = None
    if (root / "condensed.npz").is_file():
        held = cast(Mapping[str, object], open_numpy(root / "condensed.npz").content)
        if missing := next((key for key in ("images", "labels") if key not in held), None):
            raise DataError(
                f"{root / 'condensed.npz'}: holds no {missing!r}. Export the set again."
            )
        images = _tensor(root / "condensed.npz", held["images"], "images")
        labels = _tensor(root / "condensed.npz", held["labels"], "labels")
        if "soft_labels" in held:
            class_, labels = labels, _tensor(root, held["soft_labels"], "learned labels")
    else:
        if (root / "train.parquet").is_file():
            source = parquet.read([root / "train.parquet"], Decoding(), title=str(path))
        else:
            folders = export.get("folders")
            if isinstance(folders, list):  # which are labels, whatever they are called
                chosen = cast(list[str], folders)
                inside = class_folders(root, root=root, chosen=chosen, divided=True)
                source = load(inside, Decoding())
            else:  # written before exports said which folder is which label
                source = folder.read(root, Decoding())
                names = source.class_names or names
        images, labels = source.train.images, source.train.labels
    return Found(
        images=images,
        labels=labels,
        facts={"sha256": hash_of_folder(root)},
        class_=class_,
        class_names=names,
        decode=decode,
    )


_RELEASED_BY_DC = Format(
    read=_experiments, stores="normalised", takes=("experiment", "mean", "std")
)
_DECODED = ("factor", "order", "mean", "std")
_RELEASED_BY_IDC = Format(read=_one_pair, stores="pixels", takes=_DECODED)

FORMATS: Mapping[str, Format] = {
    "dc": _RELEASED_BY_DC,
    "dsa": _RELEASED_BY_DC,
    "dm": _RELEASED_BY_DC,
    "mtt": Format(
        read=_trajectories,
        stores="normalised",
        takes=("labels", "mean", "std", "zca", "step_size"),
        whitened=True,
        by_class=True,
    ),
    "idc": _RELEASED_BY_IDC,
    "dream": _RELEASED_BY_IDC,
    "mdc": Format(read=_one_pair, stores="pixels", takes=_DECODED, order="crop"),
    "kip": Format(
        read=_arrays,
        stores="standardised",
        takes=("labels", "mean", "std", "zca"),
        whitened=True,
        learned="centred",
    ),
    "folder": Format(read=_folder, stores="bytes", takes=("factor", "order")),
}
"""Every layout that is read, by the method that releases it."""


def _pair(path: Path, content: object) -> tuple[Tensor, Tensor] | None:
    """Images and labels that a file holds together; ``None`` if it does not."""
    pair = pair_of(content)
    if pair is None:
        return None
    images = as_tensor(pair[0], path=path, what="images")
    labels = as_tensor(pair[1], path=path, what="labels")
    if images is None or labels is None or images.ndim < 3:
        return None
    return images, labels


def _tensor(path: Path, array: object, what: str) -> Tensor:
    found = as_tensor(array, path=path, what=what) if isinstance(array, np.ndarray) else None
    if found is None:
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else "no array"
        raise DataError(
            f"{path}: {what} are {kind}, but images are floats or bytes, and labels floats or "
            "integers."
        )
    return found


def _names(array: object) -> tuple[str, ...] | None:
    if not isinstance(array, np.ndarray) or array.dtype.kind != "U":
        return None
    return tuple(str(name) for name in cast(list[object], array.reshape(-1).tolist()))


def _beside(where: Where, what: str) -> Path:
    """The file of the labels: the one given, or the one named like that of the images."""
    if where.labels is not None:
        return where.labels
    candidates = _siblings(where.file, what)
    shared = [path.with_name(re.sub(r"_\d+(?=\.)", "", path.name)) for path in candidates]
    for path in (*candidates, *shared):  # of a part: its own, or those of all parts
        if path.exists():
            return path
    looked = f" (looked for {candidates[0].name!r} beside it)" if candidates else ""
    raise DataError(
        f"{where.file}: the labels are in a file of their own, which was not found{looked}. "
        f"Give it with --{what} FILE ({what}=)."
    )


def _siblings(file: Path, *words: str) -> list[Path]:
    """``images_best.pt`` -> ``labels_best.pt``; ``images_zca_5000.pt`` -> ``labels_5000.pt``."""
    if "images" not in file.name:
        return []
    names = [re.sub(r"images(_zca)?", word, file.name, count=1) for word in words]
    return [file.with_name(name) for name in names]


def _number(path: Path, content: object, *, format: str) -> float:
    found = None if isinstance(content, bool) else as_tensor(content, path=path, what="step size")
    if found is None or found.numel() != 1 or not bool(torch.isfinite(found.double()).all()):
        wanted = "one finite number, the learned step size"
        raise other(path, content, format=format, wanted=wanted)
    return float(found)
