"""The predictions of a network for every example of a set, in every epoch of a training.

Knows nothing about their use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from condensery.engines import FusedLoss, can_train, pays_to_compile
from condensery.engines.toolchain import Fallback
from condensery.parallel import check_cancelled
from condensery.training import Trainer, Training, batches


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dynamics:
    """The record of one training.

    Attributes:
        error: Euclidean distance between predicted class probabilities and the label.
        margin: Probability of the class of the example minus that of the most probable other class.
        right: Whether the class of the example is the most probable one.
        entropy: Entropy of the prediction for the unaugmented example after the last epoch, in
            nats.
    """

    error: Float[Tensor, "epoch example"]
    margin: Float[Tensor, "epoch example"]
    right: Bool[Tensor, "epoch example"]
    entropy: Float[Tensor, "example"]


def watched(
    network: nn.Module,
    images: Float[Tensor, "example channel height width"],
    labels: Float[Tensor, "example class_"],
    *,
    training: Training,
    epochs: int,
    order: torch.Generator,
    view: torch.Generator,
    on_step: Callable[[], None],
) -> Dynamics:
    """Train a network, and record its predictions for each batch before the step.

    The predictions are for the images of the step, augmented and perhaps mixed with others; they
    are compared with the label of each example. In fp32, compiled if that saves time.

    Args:
        network: Trained in place. Batch norm predicts with its running statistics.
        images: Normalised images on the device of the network.
        labels: Class probabilities.
        training: How the network is trained; the learning rate is constant.
        epochs: Number of epochs, at least 1.
        order: Random stream of the batches.
        view: Random stream of augmentation and CutMix.
        on_step: Called after every step.
    """
    count = len(images)
    error, margin = (torch.zeros(epochs, count) for _ in range(2))
    right = torch.zeros(epochs, count, dtype=torch.bool)
    own = labels.argmax(dim=1)
    per_epoch = -(-count // training.batch)
    compiled = can_train(network) and pays_to_compile(
        network, side=(images.shape[2], images.shape[3]), updates=epochs * per_epoch
    )
    said = _probabilities(network, compiled=compiled)
    at = torch.empty(0, dtype=torch.int64)
    epoch = 0

    def look(seen: Tensor) -> None:
        told = said(seen)
        error[epoch, at] = torch.linalg.vector_norm(told - labels[at], dim=1).cpu()
        others = told.scatter(1, own[at][:, None], -torch.inf).amax(dim=1)
        margin[epoch, at] = (told.gather(1, own[at][:, None])[:, 0] - others).cpu()
        right[epoch, at] = (told.argmax(dim=1) == own[at]).cpu()

    trainer = Trainer(network, training, compiled=compiled, watch=look)
    steps = islice(batches(count, training.batch, rng=order), epochs * per_epoch)
    for step, at in enumerate(steps):
        check_cancelled()
        epoch = step // per_epoch
        trainer.step(images[at], labels[at], rng=view)
        on_step()
    last = torch.cat([said(part) for part in images.split(training.batch)])
    entropy = torch.special.entr(last).sum(dim=1).cpu()
    return Dynamics(error=error, margin=margin, right=right, entropy=entropy)


def _probabilities(network: nn.Module, *, compiled: bool) -> Callable[[Tensor], Tensor]:
    """Class probabilities of a batch, without gradient and without changing the network."""

    def eager(images: Tensor) -> Tensor:
        network.eval()
        try:
            return network(images)
        finally:
            network.train()

    logits = eager
    if compiled:
        fused = FusedLoss(network, precision="fp32", compile=True)
        logits = Fallback(fused.logits, eager, what="Reranking")

    @torch.no_grad()
    def probabilities(images: Tensor) -> Tensor:
        return functional.softmax(logits(images).float(), dim=1)

    return probabilities
