"""One trajectory in one safetensors file, with the facts of its training and a checksum.

Tensors are parameters by name, ``[snapshot, *shape]``; snapshot 0 is untrained. The metadata
contains the facts of the training, the loss and CPU seconds of every epoch, versions of software,
and a hash of everything. Knows nothing about training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from condensery import __version__
from condensery.checkpoint import read_safetensors, write_atomically
from condensery.errors import ArtifactError

__all__ = ["Trajectory", "read", "read_snapshots", "stored_seconds", "write"]

FORMAT = 2
_KEY = "condensery-expert"
_SHOWN = 3  # differences named in a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """The trajectory of an expert.

    Attributes:
        snapshots: Parameters after 0, 1, ... epochs.
        losses: The loss of every epoch.
        cpu_seconds: The CPU seconds of every epoch.
    """

    snapshots: list[dict[str, Tensor]]
    losses: list[float] = field(default_factory=list[float])
    cpu_seconds: list[float] = field(default_factory=list[float])


def write(path: Path, way: Trajectory, *, facts: Mapping[str, Any]) -> None:
    """Write a trajectory atomically.

    Args:
        path: Its folder is created if absent.
        way: The trajectory.
        facts: Everything that decides the trajectory, as JSON values.

    Raises:
        ArtifactError: If the file cannot be written.
    """
    stacked = {name: torch.stack([s[name] for s in way.snapshots]) for name in way.snapshots[0]}
    versions = {"condensery": __version__, "torch": torch.__version__}
    content = {"format": FORMAT, "facts": dict(facts), "losses": way.losses}
    content |= {"cpu_seconds": [round(s, 3) for s in way.cpu_seconds], "made_with": versions}
    text = json.dumps(content)
    record = json.dumps({"content": text, "blake2b": _digest(text, stacked)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{path.parent}: cannot be made a folder ({error}).") from error
    write_atomically(path, safetensors.torch.save(stacked, {_KEY: record}))


def stored_seconds(path: Path, facts: Mapping[str, Any]) -> list[float] | None:
    """CPU seconds of every epoch in a file, from its header; None if there is no file.

    Raises:
        ArtifactError: If it is another kind of file, or has other facts; names the differences.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        _, metadata = read_safetensors(path)  # says better what is wrong
    return _content(path, metadata, facts)["cpu_seconds"]


def read(path: Path, facts: Mapping[str, Any]) -> Trajectory:
    """The trajectory in a file.

    Raises:
        ArtifactError: As ``stored_seconds``, and if the content is damaged.
    """
    tensors, metadata = read_safetensors(path)
    content = _content(path, metadata, facts)
    record = json.loads(metadata[_KEY])
    if record["blake2b"] != _digest(record["content"], tensors):
        raise ArtifactError(
            f"{path}: is damaged: its contents do not have the hash that it says. Remove it, and "
            "the expert is trained again."
        )
    snapshots = [{name: t[i] for name, t in tensors.items()} for i in range(_length(tensors))]
    return Trajectory(
        snapshots=snapshots, losses=content["losses"], cpu_seconds=content["cpu_seconds"]
    )


def read_snapshots(path: Path, numbers: Sequence[int]) -> list[dict[str, Tensor]]:
    """Single snapshots of a verified file, without reading the others."""
    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return [{name: part[number] for name, part in slices.items()} for number in numbers]


def _length(tensors: Mapping[str, Tensor]) -> int:
    return len(next(iter(tensors.values())))


def _content(path: Path, metadata: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = json.loads(json.loads(metadata[_KEY])["content"])
        found, form, losses = content["facts"], content["format"], content["losses"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: holds no expert's trajectory ({error!r}). Give a folder that `condensery "
            "experts` made, or one that does not exist yet."
        ) from error
    if form != FORMAT or not isinstance(losses, list):
        raise ArtifactError(
            f"{path}: is of expert format {form!r}, this library reads {FORMAT}. Use the version "
            "of condensery that wrote it."
        )
    _check_same(path, found, facts)
    return content


def _check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    stored, wanted = dict(_flat(found)), dict(_flat(wanted))
    names = (stored.pop("data.name", None), wanted.pop("data.name", None))
    different = [key for key in {**wanted, **stored} if stored.get(key) != wanted.get(key)]
    if not different:
        return
    said = "; ".join(
        f"{key} is {stored.get(key)!r} there and {wanted.get(key)!r} here"
        for key in different[:_SHOWN]
    )
    more = f" (and {len(different) - _SHOWN} more)" if len(different) > _SHOWN else ""
    sets = f"; the data sets are {names[0]!r} and {names[1]!r}" if names[0] != names[1] else ""
    raise ArtifactError(
        f"{path}: was made for another use: {said}{more}{sets}. Use the same "
        "data and settings, or another folder for these experts (schedule.buffer, or --out)."
    )


def _flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inside in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _flat(inside, f"{name}.{key}" if name else str(key))  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield name, value


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
