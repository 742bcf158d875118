"""What each released code leaves behind, and how its files are laid out.

A reader returns images and labels as the file has them. Knows nothing about normalisation, nor
about the data set that the images were made of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from condensery.data import folder
from condensery.errors import ConfigError, DataError
from condensery.importing.safely import Opened, hash_of_folder, open_numpy, open_torch

__all__ = ["FORMATS", "Format", "Found", "Where"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which part of what is to be read.

    Attributes:
        file: The file, or the folder.
        labels: The file of the labels, or ``None`` for the one that lies beside.
        experiment: Position in a list of experiments.
    """

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
        class_names: Where the file knows them, in label order.
        step_size: That the set was learned with, or ``None``.
    """

    images: Tensor
    labels: Tensor
    facts: Mapping[str, object]
    class_names: tuple[str, ...] | None = None
    step_size: float | None = None


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
        order: How sizes are counted where images are decoded, unless the user says.
    """

    read: Callable[[Where], Found]
    stores: Literal["normalised", "standardised", "pixels", "bytes"]
    takes: tuple[str, ...] = ()
    whitened: bool = False
    learned: Literal["probabilities", "centred"] = "probabilities"
    order: Literal["image", "crop"] = field(default="image")


def _experiments(where: Where) -> Found:
    """DC, DSA, DM: ``{"data": [[images, labels], ...], "accs_all_exps": ...}``."""
    opened = open_torch(where.file)
    content = opened.content
    held = cast(Mapping[str, object], content).get("data") if isinstance(content, dict) else None
    if not isinstance(held, (list, tuple)) or not held:
        raise _other(where.file, opened, "a dictionary whose 'data' lists experiments")
    if not 0 <= where.experiment < len(held):
        raise ConfigError(
            f"experiment = {where.experiment}, but {where.file} holds {len(held)} experiments. "
            f"Give one of 0..{len(held) - 1}."
        )
    images, labels = _pair(where.file, held[where.experiment], opened)
    facts = {
        "sha256": opened.sha256,
        "experiment": where.experiment,
        "experiments": len(held),
    }
    return Found(images=images, labels=labels, facts=facts)


def _one_pair(where: Where) -> Found:
    """IDC, DREAM, MDC: ``[images, labels]``."""
    opened = open_torch(where.file)
    images, labels = _pair(where.file, opened.content, opened)
    return Found(images=images, labels=labels, facts={"sha256": opened.sha256})


def _trajectories(where: Where) -> Found:
    """MTT: ``images_best.pt`` and ``labels_best.pt``, perhaps with ``lr_best.pt``."""
    opened = open_torch(where.file)
    if not isinstance(opened.content, Tensor):
        raise _other(where.file, opened, "a tensor of images")
    beside = _beside(where, "labels")
    labels = open_torch(beside)
    if not isinstance(labels.content, Tensor):
        raise _other(beside, labels, "a tensor of labels")
    facts: dict[str, object] = {
        "sha256": opened.sha256,
        "labels_file": beside.name,
        "labels_sha256": labels.sha256,
    }
    step_size = None
    if rate := next(
        (path for path in _siblings(where.file, "lr", "syn_lr") if path.exists()), None
    ):
        learned = open_torch(rate)
        step_size = _number(rate, learned)
        facts |= {"step_size_file": rate.name, "step_size_sha256": learned.sha256}
    return Found(
        images=_dense(where.file, opened.content, "images"),
        labels=_dense(beside, labels.content, "labels"),
        facts=facts,
        step_size=step_size,
    )


def _arrays(where: Where) -> Found:
    """KIP: ``images`` and ``labels`` of a ``.npz``, or a ``.npy`` of each."""
    opened = open_numpy(where.file)
    facts: dict[str, object] = {"sha256": opened.sha256}
    if isinstance(opened.content, np.ndarray):
        images, beside = opened.content, _beside(where, "labels")
        other = open_numpy(beside)
        labels = other.content
        facts |= {"labels_file": beside.name, "labels_sha256": other.sha256}
    else:
        held = cast(Mapping[str, object], opened.content)
        missing = [key for key in ("images", "labels") if key not in held]
        if missing:
            listed = ", ".join(map(repr, held)) or "nothing"
            raise DataError(
                f"{where.file}: holds {listed}, but no {missing[0]!r}. An archive of KIP holds "
                "'images' and 'labels'."
            )
        images, labels = held["images"], held["labels"]
    return Found(
        images=_tensor(where.file, images),
        labels=_tensor(where.file, labels),
        facts=facts,
    )


def _folder(where: Where) -> Found:
    """``class/*.png``: sorted by name, the first image of a class is its smallest set."""
    if not where.file.is_dir():
        raise DataError(f"{where.file}: is no folder. Give one with a subfolder of images a class.")
    source = folder.read(where.file, size=None, skip_corrupt=False)
    if source.test is not None:
        raise DataError(
            f"{where.file}: holds a train and a test split, but a condensed set has one. Give the "
            f"folder of the classes themselves, such as {where.file / 'train'}."
        )
    return Found(
        images=source.train.images,
        labels=source.train.labels,
        facts={"sha256": hash_of_folder(where.file)},
        class_names=source.class_names,
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


def _pair(path: Path, content: object, opened: Opened) -> tuple[Tensor, Tensor]:
    pair = cast(list[object], content) if isinstance(content, (list, tuple)) else []
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise _other(path, opened, "a pair of tensors, [images, labels]")
    images, labels = cast(list[Tensor], pair)
    return _dense(path, images, "images"), _dense(path, labels, "labels")


def _dense(path: Path, tensor: Tensor, what: str) -> Tensor:
    """A plain tensor whose numbers are all in the file: none repeated, sparse or absent."""
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.is_complex():
        raise DataError(
            f"{path}: {what} are a {tensor.dtype} tensor of layout {tensor.layout} on "
            f"{tensor.device}, but only plain dense numbers are read."
        )
    held = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > held:
        raise DataError(
            f"{path}: {what} claim the shape {tuple(tensor.shape)}, but the file holds only "
            f"{held:,} bytes of numbers for them. Save them with .clone()."
        )
    return tensor.detach()


def _tensor(path: Path, array: object) -> Tensor:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else "no array"
        raise DataError(
            f"{path}: holds {kind} where images are floats, and labels floats or integers."
        )
    return torch.from_numpy(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))


def _beside(where: Where, what: str) -> Path:
    """The file of the labels: the one given, or the one named like that of the images."""
    if where.labels is not None:
        return where.labels
    candidates = _siblings(where.file, what)
    for path in candidates:
        if path.exists():
            return path
    looked = f" (looked for {candidates[0].name!r} beside it)" if candidates else ""
    raise DataError(
        f"{where.file}: the labels are in a file of their own, which was not found{looked}. "
        "Give it with labels (--labels FILE)."
    )


def _siblings(file: Path, *words: str) -> list[Path]:
    """``images_best.pt`` -> ``labels_best.pt``; ``images_zca_5000.pt`` -> ``labels_5000.pt``."""
    if "images" not in file.name:
        return []
    names = [re.sub(r"images(_zca)?", word, file.name, count=1) for word in words]
    return [file.with_name(name) for name in names]


def _number(path: Path, opened: Opened) -> float:
    content = opened.content
    single = isinstance(content, Tensor) and content.numel() == 1 and not content.is_complex()
    value = float(cast(Tensor, content).detach()) if single else content
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _other(path, opened, "one finite number, the learned step size")
    return float(value)


def _other(path: Path, opened: Opened, wanted: str) -> DataError:
    content = opened.content
    hint = ""
    if isinstance(content, dict):
        keys = ", ".join(repr(key) for key in list(cast(Mapping[object, object], content))[:5])
        found = f"a dictionary with the keys {keys or 'none'}"
        hint = " It may be of format dc (dsa, dm)." if "data" in content else ""
    elif isinstance(content, Tensor):
        found = f"a tensor of shape {tuple(content.shape)}"
        hint = " It may be of format mtt." if content.ndim == 4 else ""
    elif isinstance(content, (list, tuple)):
        found = f"a {type(content).__name__} of {len(cast(list[object], content))}"
        hint = " It may be of format idc (dream, mdc)." if len(content) == 2 else ""
    else:
        found = f"a {type(content).__name__}"
    return DataError(f"{path}: holds {found}, but this format holds {wanted}.{hint}")
