"""One trial: a new network is trained on a set of images and then tested.

Knows nothing about other trials, and nothing about what the images are compared with.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.manifest import stored_tensors
from condensery.data import ImageData, resident
from condensery.devices import computing
from condensery.engines import can_train
from condensery.errors import ConfigError
from condensery.evaluation.kernel import kernel_accuracy
from condensery.evaluation.observation import Key
from condensery.evaluation.protocol import Protocol
from condensery.evaluation.teacher import TrainedTeacher
from condensery.networks import build
from condensery.parallel import check_cancelled
from condensery.parts import non_defaults
from condensery.placed import sent
from condensery.rng import global_stream, stream
from condensery.training import Trainer, accuracy, batches, share_right
from condensery.types import Examples

Network = str | Callable[..., nn.Module]

TRAINING_SAMPLE = 1000
"""The most training images that ``Outcome.training_accuracy`` is about."""


class Outcome(NamedTuple):
    """What a trial has measured.

    Attributes:
        accuracy: Fraction of the test images that the network classifies correctly after its last
            step.
        training_accuracy: The same fraction of the images that it was trained on, without
            augmentation; of more than ``TRAINING_SAMPLE`` of them, of so many at equal distances.
            ``None`` for a kernel regression, and for all real images.
    """

    accuracy: float
    training_accuracy: float | None


class TrainingPool(NamedTuple):
    """The normalised training images of a network, and their labels."""

    images: Float[Tensor, "example channel height width"]
    labels: Tensor

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The images and labels at these positions."""
        at = sent(self.images.device, index)
        return self.images[at], self.labels[at]


class RealPool:
    """Normalised real images as a pool; only the images of a batch are converted from bytes.

    Args:
        data: The images, normalised as the set.
        device: The device of the network.
    """

    def __init__(self, data: ImageData, device: torch.device) -> None:
        self.labels, self._data, self._device = data.labels, resident(data, device), device

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The images and labels at these positions."""
        images = self._data.normalise(self._data.pixels(index))
        return images.to(self._device), self.labels[index].to(self._device)


DECODED = 2**30
"""Bytes of decoded images up to which they are held in memory; larger sets are decoded by batch."""


class StoredPool:
    """The examples of a size as a pool; only the stored images of a batch are decoded.

    For parameterizations that decode ``by_row``. Arguments as in ``pool``.
    """

    def __init__(self, condensed: CondensedSet, size: int, *, test: ImageData, labels: str) -> None:
        device, part = test.images.device, condensed.parameterization
        rows = (condensed.rank < size).nonzero()[:, 0]
        soft = condensed.soft_labels if labels == "soft" else None
        self._test, self._part, self._shape = test, part, condensed.shape
        self._each, self._class = part.examples_each, condensed.labels[rows]
        self._row_labels = (self._class if soft is None else soft[rows]).to(device)
        kinds = stored_tensors(condensed.manifest)
        self._shared = {n: t for n, t in condensed.stored.items() if kinds[n] == "shared"}
        self._stored = {
            n: t[rows].to(device) for n, t in condensed.stored.items() if kinds[n] != "shared"
        }
        self.labels = self._class.repeat_interleave(self._each)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The images and labels at these positions."""
        device, row = self._test.images.device, index // self._each
        rows, place = row.unique(return_inverse=True)
        own = {name: tensor[sent(device, rows)] for name, tensor in self._stored.items()}
        images, shared = self._part.from_file(own | self._shared, shape=self._shape)
        class_ = self._class[rows]
        decoded = self._part.decode(
            Examples(
                images=images,
                labels=class_,
                class_=class_,
                rank=torch.zeros_like(class_),
                shared={name: tensor.to(device) for name, tensor in shared.items()},
            )
        ).images[sent(device, place * self._each + index % self._each)]
        return self._test.normalise(decoded.clamp(0, 1)), self._row_labels[sent(device, row)]


def pool(
    condensed: CondensedSet, size: int, *, test: ImageData, labels: str = "hard"
) -> TrainingPool:
    """The decoded set of size ``size``, normalised as ``test``, on its device.

    Labels are class indices, or with ``labels="soft"`` the learned labels if the set has any.
    """
    decoded = condensed.decode(size)
    device = test.images.device
    known = decoded.labels if labels == "soft" else decoded.class_
    return TrainingPool(test.normalise(decoded.images).to(device), known.to(device))


def network_and_lr(network: Network) -> tuple[Network, float | None]:
    """The network, and its own learning rate if its name ends with one: ``timm:vit_b@0.001``.

    Raises:
        ConfigError: If what stands behind the ``@`` is no number.
    """
    if not isinstance(network, str) or "@" not in network:
        return network, None
    name, _, text = network.rpartition("@")
    try:
        return name, float(text)
    except ValueError:
        raise ConfigError(
            f"network {network!r}: {text!r} is no learning rate. The form is NETWORK@RATE, such as "
            "timm:vit_tiny_patch16_224@0.001; without @RATE, the protocol's counts."
        ) from None


def protocol_of(network: Network, protocol: Protocol) -> Protocol:
    """The protocol with the learning rate of a network, if it has its own.

    Raises:
        ConfigError: If the learning rate cannot work.
    """
    lr = network_and_lr(network)[1]
    if lr is None:
        return protocol
    training: Any = protocol.training
    try:
        return replace(protocol, training=replace(training, lr=lr))
    except TypeError as error:  # a training of a user
        raise ConfigError(
            f"network {network!r}: the training of protocol {protocol.name!r} has no field lr, so "
            "a network cannot have its own. Leave @RATE out."
        ) from error


def fresh(network: Network, test: ImageData, *, size: int, seed: int) -> nn.Module:
    """An untrained network, which is the same for all sets of one size."""
    return build(
        network_and_lr(network)[0],
        channels=test.channels,
        classes=test.classes,
        side=test.side,
        seed=seed,
        path=("evaluate", "network", size),
    ).to(test.images.device)


def train(
    network: nn.Module,
    on: TrainingPool | StoredPool | RealPool,
    *,
    protocol: Protocol,
    seed: int,
    precision: str = "fp32",
    compiled: bool = False,
    teacher: TrainedTeacher | None = None,
) -> nn.Module:
    """Train a network by a protocol, to its last step.

    Args:
        network: Trained in place, and returned.
        on: The training images.
        protocol: The protocol of the training.
        seed: Seed of the order of the images, their augmentation and CutMix.
        precision: ``"fp32"``, ``"tf32"`` or ``"bf16"``.
        compiled: See ``Trainer``.
        teacher: The teacher of the protocol, if it has one.
    """
    count = len(on.labels)

    def begun() -> Trainer:
        return Trainer(
            network,
            protocol.training,
            precision=precision,
            compiled=compiled,
            loss=protocol.loss,
            teacher=teacher,
        )

    trainer = begun()
    order = batches(
        count,
        protocol.training.batch,
        rng=stream(seed, "evaluate", "order"),
        full=protocol.full_batches,
    )
    rng = stream(seed, "evaluate", "view")
    for step, index in enumerate(islice(order, protocol.total_steps(count))):
        check_cancelled()
        if protocol.restarts(step, images=count):
            trainer = begun()
        trainer.set_lr(protocol.lr(step, images=count))
        trainer.step(*on.batch(index), rng=rng)
    return network


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial(ABC):
    """One training and test: how a network is trained, and the test images."""

    set: str  # ``"condensed"``, ``"random"``, ``"whole"`` or the name of another baseline
    test: ImageData  # normalised as the set was made for
    size: int  # images per class
    network: Network  # the architecture
    seed: int  # of the network and its training
    protocol: Protocol  # how to train, and how long
    precision: str  # ``"fp32"``, ``"tf32"`` or ``"bf16"``
    compiles: bool = False  # whether compiled code may train it, where that saves time
    teacher: TrainedTeacher | None = None  # labels every batch; of a protocol that names one

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of training images after decoding."""

    @abstractmethod
    def pool(self) -> TrainingPool | StoredPool | RealPool:
        """The training images."""

    @abstractmethod
    def content_hash(self) -> str:
        """See ``fingerprint``."""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides the accuracy except network and seed, 16 hex digits."""
        return self.content_hash()

    def run(self, *, compiled: bool) -> Outcome:
        """Train and test."""
        with computing(self.test.images.device, self.precision):
            return self._run(compiled=compiled)

    def _run(self, *, compiled: bool) -> Outcome:
        on, regression = self.pool(), self.protocol.regression
        if regression is not None:
            assert isinstance(on, TrainingPool)
            return Outcome(kernel_accuracy(regression, on.images, on.labels, self.test), None)
        # Dropout draws from the global state. What is compiled has none, and runs in threads.
        draws = nullcontext() if compiled else global_stream(self.seed, "evaluate", "dropout")
        with draws:
            network = train(
                self.untrained(),
                on,
                protocol=self.protocol,
                seed=self.seed,
                precision=self.precision,
                compiled=compiled,
                teacher=self.teacher,
            )
        share = partial(share_right, network, precision=self.precision, compiled=compiled)
        return Outcome(
            accuracy(network, self.test, precision=self.precision, compiled=compiled),
            None if isinstance(on, RealPool) else share(self._some(on)),
        )

    def _some(self, on: TrainingPool | StoredPool) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of the training images that ``Outcome.training_accuracy`` is about."""
        some = min(len(on.labels), TRAINING_SAMPLE)
        index = torch.arange(some) * len(on.labels) // some
        return (on.batch(part) for part in index.split(self.protocol.training.batch))

    def untrained(self) -> nn.Module:
        """The network before its training."""
        return fresh(self.network, self.test, size=self.size, seed=self.seed)

    @property
    def name(self) -> str:
        """The name of the network: as given, or ``module:factory``."""
        if isinstance(self.network, str):
            return self.network
        kind = type(self.network)
        own = getattr(self.network, "__qualname__", kind.__qualname__)
        return f"{getattr(self.network, '__module__', kind.__module__)}:{own}"

    @property
    def swept(self) -> bool:
        """Whether compiled code supports batches of any length, and testing (``can_train``)."""
        if self.protocol.loss != "cross-entropy" or self.protocol.teacher is not None:
            return False  # the teacher's network calls modules
        return can_train(self.untrained())

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self.protocol.total_steps(self.count)

    @property
    def full_batches(self) -> int:
        """Steps with a batch of full size."""
        if self.protocol.full_batches:
            return self.steps
        count, batch = self.count, self.protocol.training.batch
        share = (count // batch) / -(-count // batch)
        return int(self.steps * share)

    @cached_property
    def key(self) -> Key:
        """The key that the observation will have."""
        recipe = self.protocol
        named = (self.set, self.size, self.name, self.seed, recipe.name)
        return (*named, *recipe.length, self.precision, self.fingerprint)


@dataclass(frozen=True, eq=False, kw_only=True)
class SetTrial(Trial):
    """A training on a size of a condensed set or of a baseline."""

    images: CondensedSet  # the set; its size ``size`` is trained on

    @property
    def count(self) -> int:
        """See ``Trial.count``."""
        part = self.images.parameterization
        if part.by_row:
            return int((self.images.rank < self.size).sum()) * part.examples_each
        return len(self.images.decode(self.size))

    def pool(self) -> TrainingPool | StoredPool:
        """See ``Trial.pool``; a whitening multiplies matrices, whose bits depend on the batch."""
        by_batch = self.images.parameterization.by_row and self.test.whitening is None
        large = 4 * self.count * math.prod(self.images.shape) > DECODED
        made = StoredPool if by_batch and large and not self.protocol.regression else pool
        return made(self.images, self.size, test=self.test, labels=self.protocol.labels)

    def content_hash(self) -> str:
        """See ``Trial.fingerprint``.

        It contains the stored images and how they decode, the protocol, and the test images.
        """
        condensed, test = self.images, self.test
        decode = sorted(condensed.manifest["decode"].items())
        # Decoded crop by crop, a size reads parts of all images.
        rows = condensed.rows[self.size - 1] if condensed.prefixes else len(condensed.labels)
        content = hashlib.blake2b(digest_size=8)
        told_ = non_defaults(self.protocol)
        content.update(repr((decode, self.size, told_, test.mean, test.std)).encode())
        content.update(test.fingerprint.encode())
        taught_on = None if self.teacher is None else self.teacher.data.fingerprint
        for rare in (taught_on, test.whitening and test.whitening.to_json()):
            content.update(b"" if rare is None else repr(rare).encode())
        learned = condensed.soft_labels if self.protocol.labels == "soft" else None
        kinds = stored_tensors(condensed.manifest)
        tensors = {**condensed.tensors, "soft_labels": learned}
        for name, tensor in tensors.items():
            if tensor is not None:
                own = tensor if kinds.get(name) == "shared" else tensor[:rows]
                content.update(f"{name} {tensor.dtype}".encode())
                content.update(own.contiguous().numpy().tobytes())
        return content.hexdigest()
