"""One trained and tested network: the record that every figure and average is made from.

Records are kept one per line (``observations.jsonl``), never averaged. Knows nothing about how
a network is trained.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from condensery.errors import ArtifactError

Key = tuple[str, int, str, int, str, int | None, int | None, str, str]
"""Set, size, network, seed, protocol, epochs, steps, precision, fingerprint."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The test accuracy of one network.

    Attributes:
        set: ``"condensed"``, ``"random"`` real images of the same size, or the name of another
            baseline.
        size: Images per class.
        network: Name of the architecture.
        seed: Of the network, its training and (for ``"random"``) the choice of images.
        protocol: Name of the training recipe.
        epochs: Its length in epochs, or ``None`` where ``steps`` is fixed.
        steps: Its length in optimiser steps, or ``None`` where ``epochs`` is fixed.
        precision: ``"fp32"`` or ``"bf16"``.
        accuracy: Fraction of the test images, in [0, 1], after the last step.
        seconds: Wall time of training and testing, others beside it or not.
        images: Images trained on, after decoding.
        fingerprint: Hash of what was trained on, how, and what was tested on.
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

    @property
    def key(self) -> Key:
        """What decides the result; two observations of one key measure the same thing."""
        length = (self.epochs, self.steps)
        named = (self.set, self.size, self.network, self.seed, self.protocol)
        return (*named, *length, self.precision, self.fingerprint)


def append_observation(path: Path, observation: Observation) -> None:
    """Add one line to ``observations.jsonl``; what an interruption left half-written is dropped.

    The line is on the disk when this returns.
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
    """All observations of a file; a torn last line is left out with a notice in the log.

    Returns:
        In the order they were made; none if there is no such file.

    Raises:
        ArtifactError: If another line is damaged; it is named.
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
    """The observation on a line, or ``None`` if it is not exactly one."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.keys() != {f.name for f in fields(Observation)}:
        return None
    return Observation(**record)
