"""The record of one trained and tested network, from which all figures and averages are computed.

Records are stored one per line (``observations.jsonl``) and never as averages. Knows nothing about
how a network is trained.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from condensery.errors import ArtifactError

Key = tuple[str, int, str, int, str, int | None, int | None, str, str]
"""Set, size, network, seed, protocol, epochs, steps, precision, fingerprint."""

WHOLE = "whole"
"""The name of the set of all real training images."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The test accuracy of one network.

    Attributes:
        set: ``"condensed"``, ``"random"`` real images of the same size, ``"whole"`` for all real
            images, or the name of another baseline.
        size: Images per class; for ``"whole"`` their mean over the classes, rounded down.
        network: Name of the architecture.
        seed: Seed of the network, its training and, for ``"random"``, the choice of images.
        protocol: Name of the protocol.
        epochs: Length of the training in epochs, or ``None`` if ``steps`` is given.
        steps: Length of the training in optimiser steps, or ``None`` if ``epochs`` is given.
        precision: ``"fp32"`` or ``"bf16"``.
        accuracy: Fraction of correct test images after the last step, in [0, 1].
        seconds: Wall time of training and testing, perhaps with other networks at the same time;
            of ``"whole"`` almost 0 if its result was in the cache.
        images: Number of training images after decoding.
        fingerprint: Hash of the training images, the protocol and the test images.
        device: The device that trained the network, such as ``"cpu (AVX512)"``, here or on a
            cluster; of ``"whole"`` also where its result was only read. ``None`` in older files.
        training_accuracy: Fraction of correct images among those that the network was trained on
            (``Outcome.training_accuracy``). ``None`` in older files, too.
    """

    set: str
    size: int
    network: str
    seed: int
    protocol: str
    epochs: int | None
    steps: int | None
    precision: str
    accuracy: float
    seconds: float
    images: int
    fingerprint: str
    device: str | None = None
    training_accuracy: float | None = None

    @property
    def key(self) -> Key:
        """Everything that decides the result; observations with equal keys are repetitions."""
        length = (self.epochs, self.steps)
        named = (self.set, self.size, self.network, self.seed, self.protocol)
        return (*named, *length, self.precision, self.fingerprint)


def append_observation(path: Path, observation: Observation) -> None:
    """Add one line to ``observations.jsonl``; removes an incomplete line of an interruption.

    The line is on the disk when the function returns.
    """
    line = json.dumps(asdict(observation), allow_nan=False).encode() + b"\n"
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        end = content.rfind(b"\n") + 1
        if _parse(content[end:]) is None:
            file.truncate(end)
        else:  # only the line break was lost
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_observations(path: Path) -> list[Observation]:
    """All observations of a file; an incomplete last line is skipped with a notice in the log.

    Returns:
        The observations in the order of the file; none if there is no such file.

    Raises:
        ArtifactError: If another line is damaged; names the line.
    """
    if not path.exists():
        return []
    *lines, tail = path.read_bytes().split(b"\n")
    found: list[Observation] = []
    for number, line in enumerate(lines, start=1):
        observation = _parse(line)
        if observation is None:
            raise ArtifactError(
                f"{path}, line {number} is no observation: {line[:80]!r}. Only the last line may "
                "be torn by an interruption; remove the line to go on without it."
            )
        found.append(observation)
    if tail:
        observation = _parse(tail)
        if observation is not None:
            found.append(observation)
        else:
            _log.warning(
                "%s: its last line was torn by an interruption and is left out; that network "
                "will be trained again.",
                path,
            )
    return found


def _parse(line: bytes) -> Observation | None:
    """The observation on a line, or ``None`` if the line is not one observation."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    record: dict[str, Any] = {"device": None, "training_accuracy": None, **record}
    if record.keys() != {f.name for f in fields(Observation)}:
        return None
    return Observation(**record)
