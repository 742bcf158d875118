"""The content of a file of ``torch.save`` in words, and its format.

For error messages about files of another format, checkpoints of networks, and similar files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from torch import Tensor

from condensery.condensed.importing.safely import as_tensor
from condensery.errors import DataError

_IMAGES = ("images", "image", "imgs", "img", "data", "x", "syn_images", "image_syn", "images_syn")
_LABELS = ("labels", "label", "targets", "target", "y", "syn_labels", "label_syn", "labels_syn")
_CHECKPOINT = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "ema")

_OF_DC = (
    "DC, DSA and DM write such files: give --format dc, dsa or dm (format='dc'), the one whose "
    "code wrote it."
)
_OF_IDC = (
    "IDC, DREAM, MDC, DANCE and NCFM write such files: give --format idc, dream, mdc, dance or "
    "ncfm (format='idc'), the one whose code wrote it, with --factor (factor=)."
)
_OF_MTT = (
    "MTT, DATM and PAD write images and labels in a file of each: give the file of the images with "
    "--format mtt, datm or pad (format='mtt'), the one whose code wrote it."
)
_NO_SET = "It is no condensed set: give the file of the images."
_AS_IDC = "give --format idc --factor 1 (format='idc', factor=1)."
_SAVE = (
    "If it holds a set of images, load it yourself and save [images, labels] as plain tensors with "
    f"torch.save; then {_AS_IDC}"
)


def pair_of(content: object) -> tuple[object, object] | None:
    """Images and labels in the content of a file: as a pair, or under usual names."""
    if isinstance(content, (list, tuple)):
        parts = cast(Sequence[object], content)
        return (parts[0], parts[1]) if len(parts) == 2 else None
    if not isinstance(content, Mapping):
        return None
    held = cast(Mapping[object, object], content)
    images, labels = (
        [key for key in held if isinstance(key, str) and key.lower() in usual]
        for usual in (_IMAGES, _LABELS)
    )
    return (held[images[0]], held[labels[0]]) if len(images) == len(labels) == 1 else None


def other(path: Path, content: object, *, format: str, wanted: str) -> DataError:
    """The error for a file whose content is not the ``wanted`` content of its format."""
    if isinstance(content, Mapping):
        found, way = _dictionary(path, cast(Mapping[object, object], content))
    elif isinstance(content, (list, tuple)):
        found, way = _sequence(path, cast(Sequence[object], content), type(content).__name__)
    elif (tensor := as_tensor(content, path=path, what="its content")) is None:
        found, way = f"a {type(content).__name__}", _NO_SET
    elif tensor.ndim:
        what = "images" if tensor.ndim >= 3 else "labels"
        found, way = f"one array of shape {list(tensor.shape)}, which may be {what}", _OF_MTT
    else:
        found = f"one number, {tensor.item():g}"
        way = f"It may be a learned learning rate of MTT. {_NO_SET}"
    return DataError(f"{path}: holds {found}, but a file of format {format} holds {wanted}. {way}")


def _dictionary(path: Path, held: Mapping[object, object]) -> tuple[str, str]:
    if weights := _weights(held):
        return weights, f"This is a checkpoint of a network. {_NO_SET}"
    for name in _CHECKPOINT:
        if _weights(held.get(name)):
            return f"the checkpoint of a network, with its weights under {name!r}", _NO_SET
    listed = held.get("data")
    if isinstance(listed, (list, tuple)) and listed and _is_pair(path, listed[0]):
        many = len(cast(Sequence[object], listed))
        plural = "s" * (many > 1)
        return (
            f"a dictionary whose 'data' lists {many} experiment{plural} of [images, labels]",
            _OF_DC,
        )
    if _is_pair(path, pair_of(held)):
        return "a dictionary of images and labels", _OF_IDC
    keys = ", ".join(repr(key) for key in list(held)[:5]) + (", ..." if len(held) > 5 else "")
    return f"a dictionary with the keys {keys or 'none'}", _SAVE


def _sequence(path: Path, parts: Sequence[object], kind: str) -> tuple[str, str]:
    if _is_pair(path, parts):
        return "a pair of images and labels", _OF_IDC
    if parts and all(isinstance(part, (list, tuple)) for part in parts):
        inside = [cast(Sequence[object], part) for part in parts]
        if all(len(part) == 3 and _is_pair(path, part[:2]) for part in inside):
            return (
                f"{len(parts)} steps of [images, labels, learning rate]",
                "Dataset Distillation (Wang et al. 2018) writes such files. Its steps train a "
                "network in their order, so they are no condensed set, and are not read.",
            )
        first = inside[0][0] if inside[0] else None
        if isinstance(first, (list, tuple)) and first and isinstance(first[0], Tensor):
            return (
                f"a list of {len(parts)} lists of lists of tensors",
                "MTT writes such files for the training trajectories of its expert networks "
                f"(replay_buffer_*.pt). {_NO_SET}",
            )
        if all(_is_pair(path, part) for part in inside):
            return f"a list of {len(parts)} pairs of images and labels", (
                "Load it yourself and save the pair that you need as [images, labels] with "
                "torch.save."
            )
    if len(parts) > 2 and _is_pair(path, parts[:2]):
        return f"a {kind} of {len(parts)} that begins with images and labels", (
            "Load it yourself, save the first two parts as [images, labels] with torch.save, and "
            + _AS_IDC
        )
    if len(parts) == 2 and _is_pair(path, [parts[1], parts[0]]):
        return "a pair in the order [labels, images]", (
            f"Load it yourself, save [images, labels] with torch.save, and {_AS_IDC}"
        )
    shown = f", {' and '.join(_part(path, part) for part in parts)}" if len(parts) == 2 else ""
    return f"a {kind} of {len(parts)}{shown}", _SAVE


def _part(path: Path, value: object) -> str:
    """One part of a sequence in words."""
    if (tensor := _tensor(path, value)) is not None:
        return f"an array of shape {list(tensor.shape)}"
    if isinstance(value, (list, tuple)) and value:
        return f"a {type(value).__name__} of {type(cast(Sequence[object], value)[0]).__name__}"
    return f"a {type(value).__name__}"


def _is_pair(path: Path, value: object) -> bool:
    """Whether these are images with at least 3 axes, and equally many labels with 1 or 2 axes."""
    if not isinstance(value, (list, tuple)) or len(cast(Sequence[object], value)) != 2:
        return False
    images, labels = (_tensor(path, part) for part in cast(Sequence[object], value))
    if images is None or labels is None:
        return False
    return images.ndim >= 3 and labels.ndim in (1, 2) and len(images) == len(labels)


def _tensor(path: Path, value: object) -> Tensor | None:
    try:
        return as_tensor(value, path=path, what="a part")
    except DataError:
        return None


def _weights(value: object) -> str | None:
    """The parameters of a network in words; ``None`` if the content is something else."""
    if not isinstance(value, Mapping):
        return None
    held = cast(Mapping[object, object], value)
    names = [key for key in held if isinstance(key, str)]
    named = [key for key in names if key.rpartition(".")[2] in ("weight", "bias")]
    if not named or not all(isinstance(held[key], Tensor) for key in named):
        return None
    wrapped = " (saved from DataParallel)" if named[0].startswith("module.") else ""
    return f"the weights of a network{wrapped}: {len(held)} tensors such as {named[0]!r}"
