"""Files that survive a killed process: atomic writes, and checkpoints with a checksum.

A checkpoint is one safetensors file that contains the hash of its own content, so that a damaged
checkpoint is noticed and the one before it is used. Knows nothing about runs: a checkpoint has a
step number, named tensors and a JSON object of facts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from condensery.errors import ArtifactError, ConfigError

MAX_CHECKPOINTS = 2
"""Checkpoints that a folder keeps: the newest, and one more in case the newest is damaged."""

SHARE = 0.02
"""Largest share of the time that writing checkpoints takes, unless one alone takes longer."""

_KEY = "condensery-checkpoint"
_NAME = re.compile(r"checkpoint-(\d+)\.safetensors")
_LARGEST_HEADER = 100_000_000  # bytes; the safetensors library refuses longer ones, too


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """The state that a run stored at one step.

    Attributes:
        step: The step of the checkpoint.
        tensors: By name; contiguous, on the CPU, with the same bits as when they were saved.
        facts: A JSON object (tuples come back as lists).
    """

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The content of a file."""
        text = json.dumps({"format": 1, "step": self.step, "facts": self.facts})
        record = json.dumps({"content": text, "sha256": _hash(text, self.tensors)})
        return safetensors.torch.save(self.tensors, {_KEY: record})

    @staticmethod
    def from_bytes(content: bytes) -> Checkpoint:
        """Read what ``to_bytes`` returned in this or another process."""
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(json.loads(header["__metadata__"][_KEY])["content"])
        tensors = safetensors.torch.load(content)
        return Checkpoint(step=facts["step"], tensors=tensors, facts=facts["facts"])


def save_checkpoint(
    folder: str | Path, *, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> Path:
    """Write ``checkpoint-<step>.safetensors``, and keep this checkpoint and the one before it.

    Files of later steps are removed, too: a run that writes step 250 did not resume from step 300,
    so the later checkpoint is damaged or belongs to a run that was given up.

    Args:
        folder: Created if absent.
        step: At least 0.
        tensors: Any names, shapes and dtypes, on any device; may share memory.
        facts: JSON values; NaN and infinity are allowed.

    Returns:
        The path of the new file.

    Raises:
        ConfigError: If ``step`` is negative.
        ArtifactError: If the folder cannot be written; the earlier checkpoints are kept.
    """
    if step < 0:
        raise ConfigError(f"step = {step}, but a checkpoint is of a step >= 0.")
    folder = Path(folder)
    path = folder / f"checkpoint-{step}.safetensors"
    text = json.dumps({"format": 1, "step": step, "facts": dict(facts)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be made a folder ({error}).") from error
    with _writing(path) as file:
        _stream(file, text, tensors)
    before = [old for old in _steps(folder) if old < step][: MAX_CHECKPOINTS - 1]
    for old in _steps(folder):
        if old != step and old not in before:
            (folder / f"checkpoint-{old}.safetensors").unlink(missing_ok=True)
    for part in folder.glob(".checkpoint-*.part"):  # left by a killed process
        part.unlink(missing_ok=True)
    return path


def load_latest(folder: str | Path, notice: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint that is not damaged.

    Args:
        folder: May be absent or empty.
        notice: Called with one line for each damaged checkpoint that is skipped, with the reason.

    Returns:
        The checkpoint, or ``None`` if there is no undamaged one.
    """
    folder = Path(folder)
    for step in _steps(folder):
        path = folder / f"checkpoint-{step}.safetensors"
        try:
            return _load(path, step)
        except ArtifactError as error:
            notice(f"Skipped a damaged checkpoint: {error}")
    return None


def _load(path: Path, step: int) -> Checkpoint:
    tensors, metadata = read_safetensors(path)
    try:
        record = json.loads(metadata[_KEY])
        text, stored = record["content"], record["sha256"]
        found = _hash(text, tensors)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: its {_KEY} metadata cannot be read ({error!r}).") from error
    if found != stored:
        raise ArtifactError(f"{path}: sha256 of its contents is {found}, but it says {stored}.")
    content = json.loads(text)
    if content["format"] != 1:
        raise ArtifactError(f"{path}: format is {content['format']}, but only 1 can be read.")
    if content["step"] != step:
        raise ArtifactError(f"{path}: holds step {content['step']}, but its name says {step}.")
    return Checkpoint(step=step, tensors=tensors, facts=content["facts"])


def _steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in ``folder``, newest first."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in matches if match), reverse=True)


class CheckpointTimer:
    """Says when the next checkpoint is due, so that all of them take a small share of the time.

    Args:
        every: Smallest number of seconds between two checkpoints, at least 0.
        clock: A clock in seconds.
    """

    def __init__(self, every: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._at, self._took = clock(), 0.0

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint, and in relation to its cost."""
        pause = max(self._every, self._took * (1 - SHARE) / SHARE) if self._every else 0.0
        return self._clock() - self._at >= pause

    @contextmanager
    def saving(self) -> Generator[None]:
        """The body writes a checkpoint."""
        begin = self._clock()
        yield
        self._at = self._clock()
        self._took = self._at - begin


_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Names in the header of a safetensors file."""


def _stream(file: IO[bytes], text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, one tensor after the other, without a copy of all.

    The hash is computed on the way, and then written into its place in the header.
    """
    header: dict[str, Any] = {_KEY: json.dumps({"content": text, "sha256": "0" * 64})}
    header, end = {"__metadata__": header}, 0
    for name, tensor in _in_order(tensors):
        begin, end = end, end + tensor.nbytes
        entry = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape)}
        header[name] = {**entry, "data_offsets": [begin, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # so that the tensors are aligned
    file.write(len(encoded).to_bytes(8, "little") + encoded)
    digest = hashlib.sha256(text.encode())
    for name, tensor in _in_order(tensors):
        file.write(_hashed(digest, name, tensor))
    header["__metadata__"][_KEY] = json.dumps({"content": text, "sha256": digest.hexdigest()})
    file.seek(8)
    file.write(json.dumps(header).encode())


def _in_order(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The order in a file: the largest elements first, so that all are aligned."""
    return sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))


def _hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in _in_order(tensors):
        _hashed(digest, name, tensor)
    return digest.hexdigest()


def _hashed(digest: Any, name: str, tensor: Tensor) -> memoryview:  # noqa: ANN401 - hashlib's
    """Add a tensor to the hash; returns its bytes, which are copied only from another device."""
    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
    digest.update(content)
    return content


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` into ``path`` completely, or leave the file as it was.

    Writes a temporary file in the same folder, waits until it is on the disk, and renames it.

    Raises:
        ArtifactError: If the folder is absent, full or not writable.
    """
    with _writing(path) as file:
        file.write(data)


@contextmanager
def _writing(path: Path) -> Generator[IO[bytes]]:
    """A file that replaces ``path`` after the body; see ``write_atomically``."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ArtifactError(
                f"{path}: cannot be written ({error}); what was there before is untouched. "
                "Give a path in an existing, writable folder with enough space."
            ) from error
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name, too, shall survive a power cut
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # some network file systems cannot
                os.fsync(handle)
        finally:
            os.close(handle)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors and the metadata of a safetensors file.

    Raises:
        ArtifactError: If the file is absent, truncated, inconsistent or of another kind; names
            the file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error}).") from error
    foreign = f"{path}: is not a safetensors file"
    length = int.from_bytes(data[:8], "little")
    if len(data) >= 9 and (data[8:9] != b"{" or length > _LARGEST_HEADER):
        raise ArtifactError(f"{foreign} (its first 16 bytes are {data[:16]!r}).")
    if len(data) < max(10, 8 + length):
        wanted = f"its header alone takes {8 + length}" if len(data) >= 8 else "at least 10"
        raise ArtifactError(f"{path}: is truncated: found {len(data)} bytes, but {wanted}.")
    try:
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        ends = [entry["data_offsets"][1] for entry in header.values()]
        wanted = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{foreign} (its header cannot be read: {error!r}).") from error
    if len(data) < wanted:
        raise ArtifactError(f"{path}: is truncated: found {len(data)} bytes, expected {wanted}.")
    try:
        return safetensors.torch.load(data), metadata
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: is damaged: {error}.") from error
