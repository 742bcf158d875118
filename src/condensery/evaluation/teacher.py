"""The teacher of a protocol, which is trained when it labels its first batch.

Knows nothing about the networks that are trained with its labels.
"""

from __future__ import annotations

import math
from threading import Lock

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.data import ImageData
from condensery.evaluation.protocol import Teacher
from condensery.networks import build
from condensery.rng import stream
from condensery.training import Trainer, real_batches


class TrainedTeacher:
    """Labels images with a network that was trained on real images.

    Args:
        teacher: The network, and how it is trained.
        data: Real training images, normalised as the batches.
    """

    def __init__(self, teacher: Teacher, data: ImageData) -> None:
        self.data = data
        self._teacher = teacher
        self._lock = Lock()
        self._network: nn.Module | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Another process trains its own, with the same bits."""
        return TrainedTeacher, (self._teacher, self.data)

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "example ..."]) -> Float[Tensor, "example class_"]:
        """Class probabilities of augmented images.

        The network is trained on the device of the first images.
        """
        with self._lock:  # one thread trains it, the others wait
            if self._network is None:
                self._network = self._trained(images.device)
        logits = self._network(images).float()
        return (logits / self._teacher.temperature).softmax(dim=1)

    def untrained(self) -> nn.Module:
        """The network before its training; raises the errors of building it."""
        data = self.data
        return build(
            self._teacher.network,
            channels=data.channels,
            classes=data.classes,
            side=data.side,
            seed=self._teacher.seed,
            path=("teacher", "network"),
        )

    @torch.enable_grad()
    def _trained(self, device: torch.device) -> nn.Module:
        own = self._teacher
        trainer = Trainer(self.untrained().to(device), own.training)
        rng = stream(own.seed, "teacher", "train")
        batches = real_batches(self.data, own.training, steps=own.steps, rng=rng)
        for step, batch in enumerate(batches):
            trainer.set_lr(own.training.lr * (1 + math.cos(math.pi * step / own.steps)) / 2)
            trainer.step(batch.images.to(device), batch.labels.to(device), rng=rng)
        return trainer.network.eval()
