"""Every epoch of an expert in one safetensors file, with the facts of its training and a checksum.

The files of an expert are in one folder: ``epoch-0000.safetensors`` is untrained. Tensors are
parameters by name. The metadata contains the facts of the training, the loss and CPU seconds of
every epoch until then, versions of software, and a hash of everything. Knows nothing about
training.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
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
from condensery.parts import differences

FORMAT = 3
_NAME = re.compile(r"epoch-(\d+)\.safetensors")
_KEY = "condensery-expert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An expert after some epochs.

    Attributes:
        parameters: The parameters after ``len(losses)`` epochs.
        losses: The loss of every epoch until then.
        cpu_seconds: The CPU seconds of every epoch until then.
    """

    parameters: dict[str, Tensor]
    losses: list[float] = field(default_factory=list[float])
    cpu_seconds: list[float] = field(default_factory=list[float])


def write(folder: Path, expert: Trained, *, facts: Mapping[str, Any]) -> None:
    """Write the file of one epoch atomically.

    Args:
        folder: The folder of the expert, created if absent.
        expert: The expert after this epoch.
        facts: Everything that decides the trajectory, as JSON values.

    Raises:
        ArtifactError: If the file cannot be written.
    """
    versions = {"condensery": __version__, "torch": torch.__version__}
    content = {"format": FORMAT, "facts": dict(facts), "losses": expert.losses}
    content |= {"cpu_seconds": [round(s, 3) for s in expert.cpu_seconds], "made_with": versions}
    text = json.dumps(content)
    record = json.dumps({"content": text, "blake2b": _digest(text, expert.parameters)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be made a folder ({error}).") from error
    file = safetensors.torch.save(expert.parameters, {_KEY: record})
    write_atomically(_path(folder, len(expert.losses)), file)


def epochs(folder: Path) -> list[int]:
    """The epochs that have a file, ascending."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def remove(folder: Path, epoch: int) -> None:
    """Remove the file of an epoch, if it exists."""
    _path(folder, epoch).unlink(missing_ok=True)


def stored_seconds(folder: Path, facts: Mapping[str, Any]) -> list[float] | None:
    """CPU seconds of all stored epochs, from the header of the last file; None if there is none.

    Raises:
        ArtifactError: If it is another kind of file, or has other facts; names the differences.
    """
    known = epochs(folder)
    if not known:
        return None
    path = _path(folder, known[-1])
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        _, metadata = read_safetensors(path)  # says better what is wrong
    return _content(path, metadata, facts)["cpu_seconds"]


def read(folder: Path, epoch: int, facts: Mapping[str, Any]) -> Trained:
    """An expert after some epochs.

    Raises:
        ArtifactError: As ``stored_seconds``, and if the content is damaged.
    """
    path = _path(folder, epoch)
    parameters, metadata = read_safetensors(path)
    content = _content(path, metadata, facts)
    record = json.loads(metadata[_KEY])
    if record["blake2b"] != _digest(record["content"], parameters):
        raise ArtifactError(
            f"{path}: is damaged: its contents do not have the hash that it says. Remove it, and "
            "the expert is trained again from the epoch before."
        )
    return Trained(
        parameters=parameters, losses=content["losses"], cpu_seconds=content["cpu_seconds"]
    )


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:04}.safetensors"


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
    said = differences(found, wanted, besides=("data.name",))
    if not said:
        return
    names = [facts.get("data", {}).get("name") for facts in (found, wanted)]
    sets = f"; the data sets are {names[0]!r} and {names[1]!r}" if names[0] != names[1] else ""
    raise ArtifactError(
        f"{path}: was made for another use: {said}{sets}. Use the same "
        "data and settings, or another folder for these experts (schedule.buffer, or --out)."
    )


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
