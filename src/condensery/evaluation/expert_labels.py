"""Soft labels for the images of a set, by networks that were trained on real images.

The training of these experts ends early: for few images, the labels of a half-trained network are
better than those of a finished one. Knows nothing about how the images were made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery import networks
from condensery.augment import PerExample
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.manifest import bytes_by_size, stored_tensors
from condensery.data import Data, ImageData
from condensery.data.known import may_be_mirrored
from condensery.devices import computing, usable
from condensery.errors import ConfigError
from condensery.evaluation.normalisation import (
    check_whitening,
    normalised_as,
    normalised_train,
    train_as,
)
from condensery.experts import EXPERT_TRAINING, ExpertSet, ExpertTraining, cached, get_buffer
from condensery.experts import loaded as with_parameters
from condensery.training import accuracy

_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertLabels:
    """Which networks label images.

    Attributes:
        network: Architecture of the experts: a name, or ``"package.module:factory"``.
        epoch: Epochs of their training, at least 1.
        experts: Number of experts whose logits are averaged, at least 1.
        temperature: Divisor of the logits before the softmax, above 0.
        lr: Learning rate of their training, above 0.
        seed: Seed of the experts.
    """

    network: str = "convnet3"
    epoch: int = 10
    experts: int = 1
    temperature: float = 1.0
    lr: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epoch", "experts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}, but at least 1 is needed.")
        for name in ("temperature", "lr"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} = {getattr(self, name)}, but it must be above 0.")

    def trained_on(self, train: ImageData, *, device: str = "cpu") -> ExpertSet:
        """The experts on normalised real images, in the cache; missing ones are not trained yet.

        Raises:
            ConfigError: If the network has values besides parameters, as batch norm has.
        """
        if any(True for _ in self.untrained(train).buffers()):
            raise ConfigError(
                f"network = {self.network!r} has running statistics, which the snapshots of "
                "experts do not contain. Use a network with instance norm, such as convnet3."
            )
        flip = "flip_" if may_be_mirrored(train.name) else ""
        strategy = f"color_crop_cutout_{flip}scale_rotate"
        training = ExpertTraining(
            network=self.network,
            training=replace(
                EXPERT_TRAINING, lr=self.lr, augment=PerExample(strategy=strategy, mode="dsa")
            ),
            seed=self.seed,
        )
        buffer = get_buffer(training, train, cached(training, train))
        return ExpertSet(buffer=buffer, experts=self.experts, epochs=self.epoch, device=device)

    def untrained(self, train: ImageData) -> nn.Module:
        """The architecture of the experts, with any parameters."""
        return networks.build(
            self.network,
            channels=train.channels,
            classes=train.classes,
            side=train.side,
            seed=self.seed,
            path=("expert", 0),
        )


def relabel(
    condensed: CondensedSet,
    data: Data,
    *,
    labels: ExpertLabels | None = None,
    device: str = "cpu",
    on_epoch: Callable[[], object] = lambda: None,
) -> CondensedSet:
    """Give every stored image the class probabilities of early-stopped experts as its label.

    No pixel is changed, and the classes stay in the file: protocols with hard labels give the same
    numbers as before. Missing experts are trained and stored in the cache, and shared with all
    runs. Protocol ``teacher`` trains on the new labels, and gives its baselines labels of the same
    experts, because most of the accuracy comes from the labels.

    Args:
        condensed: Any set, also an imported or selected one.
        data: The data of the set.
        labels: The experts; ``None`` is ``ExpertLabels()``.
        device: The device of the training and of labelling, such as ``"cpu"``, ``"cuda"`` or
            ``"auto"``.
        on_epoch: Called after every epoch of an expert that is trained.

    Returns:
        The set; its manifest has, under ``relabelled``, the choices, the test accuracy of the
        experts together, their CPU seconds and the hash of the set before. It has no observations.

    Raises:
        ConfigError: If the network cannot be an expert.
        DataError: If the classes of set and data differ, or the whitening was fitted to other
            images.

    Source:
        Qin, Deng, Alvarez-Melis 2024, *A Label is Worth a Thousand Images*: labels of un-augmented
        images, temperature 1, experts by SGD without momentum, batch 256, with the augmentation of
        DSA. Differs: the label of a stored image that decodes to several training images is the
        mean of their probabilities; the learning rate is 0.01 for all data sets (released: 5e-4
        for CIFAR-10).

    Example:
        ``relabel(select(data.train, by="random", ipc=10), data, labels=ExpertLabels(epoch=40))``
    """
    own, device = labels or ExpertLabels(), usable(device)
    _check_classes(condensed, data)
    check_whitening(condensed, data)
    train = normalised_train(condensed, data)
    experts = own.trained_on(train, device=device)
    for _ in experts:
        on_epoch()
    ensemble = _Ensemble(own, experts, train).to(device).eval()
    test = normalised_as(condensed, replace(data, train=train_as(condensed, data))).to(device)
    with computing(device, "fp32"):
        share = accuracy(ensemble, test)
        soft = _labels(condensed, ensemble, train, own, device)
    how = asdict(own) | {
        "accuracy": share,
        "cpu_seconds": experts.record()["cpu_seconds"],
        "parent": hashlib.sha256(condensed.to_bytes()).hexdigest(),
    }
    return _labelled(condensed, soft, how)


def same_labels(
    relabelled: CondensedSet, other: CondensedSet, data: Data, *, device: str
) -> CondensedSet:
    """Another set with labels of the experts that labelled ``relabelled``."""
    how: Mapping[str, Any] = relabelled.manifest["relabelled"]
    choices = {name: how[name] for name in ExpertLabels.__dataclass_fields__}
    return relabel(other, data, labels=ExpertLabels(**choices), device=device)


class _Ensemble(nn.Module):
    """The mean of the logits of some experts."""

    def __init__(self, labels: ExpertLabels, experts: ExpertSet, train: ImageData) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            with_parameters(labels.untrained(train), experts.snapshots(index, labels.epoch)[0])
            for index in range(labels.experts)
        )

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([member(images) for member in self.members]).mean(dim=0)


@torch.no_grad()
def _labels(
    condensed: CondensedSet,
    ensemble: nn.Module,
    train: ImageData,
    labels: ExpertLabels,
    device: str,
) -> Float[Tensor, "row class_"]:
    images, row = condensed.decode_rows()
    found = torch.zeros(len(condensed), condensed.classes)
    for part, own in zip(images.split(_BATCH), row.split(_BATCH), strict=True):
        logits = ensemble(train.normalise(part).to(device)).float()
        found.index_add_(0, own, (logits / labels.temperature).softmax(dim=1).cpu())
    return found / found.sum(dim=1, keepdim=True)


def _labelled(
    condensed: CondensedSet, soft: Float[Tensor, "row class_"], how: Mapping[str, object]
) -> CondensedSet:
    before = condensed.manifest
    kinds = stored_tensors(before)
    return CondensedSet(
        stored=condensed.stored,
        labels=condensed.labels,
        rank=condensed.rank,
        soft_labels=soft.contiguous(),
        manifest={
            **before,
            "name": f"{condensed.name}-relabel",
            "bytes": bytes_by_size(condensed.stored, kinds, soft, condensed.rows),
            "observations": [],
            "relabelled": dict(how),
        },
    )


def _check_classes(condensed: CondensedSet, data: Data) -> None:
    ours, theirs = tuple(condensed.class_names), tuple(data.train.class_names)
    if ours != theirs:
        raise ConfigError(
            f"The set has the classes {', '.join(ours[:5])}, ... and {data.name} has "
            f"{', '.join(theirs[:5])}, ...: labels of experts would mean other classes. Give the "
            "data that the set was made of, with its classes in the same order."
        )
