"""The training on all real images: the accuracy that every size is measured by.

The network is trained by the settings of the protocol, on the true classes. A result is stored in
the cache folder, so that all runs on the same data share it. Knows nothing about condensed sets.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from condensery import __version__, cache
from condensery.checkpoint import write_atomically
from condensery.data import ImageData
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation.observation import WHOLE
from condensery.evaluation.protocol import Protocol, hard_name
from condensery.evaluation.trial import Outcome, RealPool, Trial
from condensery.parts import non_defaults

PASSES = 20
"""Passes over all images in a training on the whole data."""

LEAST_STEPS = 5000
"""Steps of such a training if 20 passes are fewer."""

_log = logging.getLogger(__name__)


def whole_protocol(protocol: Protocol, *, images: int, steps: int | None = None) -> Protocol:
    """The protocol for all images: the same settings, hard labels, another length.

    The published numbers of epochs are meant for few images, and a thousand passes over 60,000
    images would take days. A training has 20 passes, but at least 5,000 steps. This length does not
    depend on the set, so that all sets and sizes share one result.

    Args:
        protocol: The protocol of the set.
        images: Number of training images.
        steps: Another number of steps, at least 1; ``None`` is the number above.

    Raises:
        ConfigError: If the protocol trains no network, or ``steps`` is below 1.
    """
    if protocol.regression is not None:
        raise ConfigError(
            f"whole: protocol {protocol.name!r} trains no network but solves a regression, which "
            f"for {images:,} images needs a matrix of {images:,} x {images:,} numbers. Leave whole "
            "out, or use a protocol that trains networks, such as idc."
        )
    passes = replace(
        protocol,
        name=hard_name(protocol.name),
        labels="hard",
        teacher=None,
        steps=None,
        epochs=PASSES,
        extra=0,
        late=0,
    )
    if steps is None:
        steps = max(LEAST_STEPS, passes.total_steps(images))
    elif steps < 1:
        raise ConfigError(f"whole = {steps}, but a training on all images has at least 1 step.")
    return replace(passes, steps=steps)


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeTrial(Trial):
    """A training on all real images, whose result is looked for in the cache first."""

    data: ImageData  # all training images, normalised as ``test``
    set: str = WHOLE

    @property
    def count(self) -> int:
        """See ``Trial.count``."""
        return len(self.data)

    def pool(self) -> RealPool:
        """See ``Trial.pool``."""
        return RealPool(self.data, self.test.images.device)

    def content_hash(self) -> str:
        """See ``Trial.fingerprint``.

        It contains the training and test images, and the protocol except its name.
        """
        data, test = self.data, self.test
        settings = non_defaults(replace(self.protocol, name=WHOLE))
        whitening = test.whitening and test.whitening.to_json()
        content = (settings, test.mean, test.std, data.fingerprint, test.fingerprint, whitening)
        return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()

    def run(self, *, compiled: bool) -> Outcome:
        """The accuracy from the cache, or else of a training, which is then stored there.

        Raises:
            ArtifactError: If the file in the cache is damaged.
        """
        file = self.file
        if file.exists():
            return Outcome(_read(file), None)
        begin = time.perf_counter()
        outcome = super().run(compiled=compiled)
        self._store(file, outcome.accuracy, seconds=time.perf_counter() - begin)
        return outcome

    @cached_property
    def file(self) -> Path:
        """The file of the result in the cache; it may not exist yet.

        Its name contains a hash of the untrained network, because the code of a network may change
        while its name stays the same.
        """
        network = self.untrained()
        content = hashlib.blake2b(repr(network).encode(), digest_size=6)
        for name, tensor in network.state_dict().items():
            content.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        words = (self.data.name, self.name, self.protocol.name, f"{self.protocol.steps}-steps")
        named = re.sub(r"[^\w.+-]+", "-", "-".join(words)).strip("-.")[:100]
        own = f"{named}-{self.fingerprint}-{content.hexdigest()}-{self.precision}"
        return cache.place("whole") / f"{own}-seed{self.seed}.json"

    def _store(self, file: Path, accuracy: float, *, seconds: float) -> None:
        record: dict[str, Any] = {
            "accuracy": accuracy,
            "images": self.count,
            "steps": self.steps,
            "seconds": round(seconds, 3),
            "data": self.data.name,
            "network": self.name,
            "protocol": non_defaults(self.protocol),
            "precision": self.precision,
            "seed": self.seed,
            "made_with": {"condensery": __version__, "torch": torch.__version__},
        }
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(record, indent=2).encode())
        except (OSError, ArtifactError) as error:
            _log.warning("The training on all images cannot be kept for other runs: %s", error)


def _read(file: Path) -> float:
    try:
        accuracy = float(json.loads(file.read_bytes())["accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{file}: is damaged ({error!r}). Remove it, and the network is trained again."
        ) from error
    return accuracy
