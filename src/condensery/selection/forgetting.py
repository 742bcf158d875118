"""Forgetting: the images that a network learns and forgets most often in training come first."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.selection.order import Orders, RuleOptions
from condensery.selection.training import TRAINING, drawn, logits_of, training_steps


def check_forgetting(data: ImageData, steps: int) -> None:
    """Refuse a training in which no image is seen twice.

    Raises:
        ConfigError: If ``steps`` makes fewer than two epochs.
    """
    least = 2 * -(-len(data) // TRAINING.batch)
    if steps < least:
        raise ConfigError(
            f"train_steps = {steps}, but to be forgotten an image has to be seen at least twice: "
            f"{least} steps for the {len(data)} images of {data.name}. Give more, or choose by "
            "herding, k-center or k-means."
        )


def forgetting_orders(data: ImageData, options: RuleOptions) -> Orders:
    """The images of every class, sorted by how often they were forgotten; stable for ties.

    Images that were never learned come before all others.

    Source:
        Toneva et al. 2019, *An Empirical Study of Example Forgetting during Deep Neural Network
        Learning*. Differs: the training is that of IDC (augmentation, CutMix); before each step,
        the image without augmentation is classified.
    """
    score = forgotten(data, options)
    orders: list[Tensor] = []
    for class_ in range(data.classes):
        own = data.of_class(class_)
        by_score = score[own.cpu()].argsort(descending=True, stable=True)
        orders.append(own[by_score.to(own.device)])
    return orders


def forgotten(data: ImageData, options: RuleOptions) -> Int[Tensor, "image"]:
    """How often each image was classified correctly, and wrongly the next time.

    Returns:
        Counts; for images that were never correct, one more than the largest possible count.
    """
    network = drawn(data, options)
    events = torch.zeros(len(data), dtype=torch.int64)
    right = torch.zeros(len(data), dtype=torch.bool)
    learned = torch.zeros(len(data), dtype=torch.bool)
    logits = logits_of(network, data, options)
    for step in training_steps(network, data, options):
        now = (logits(step.images).argmax(dim=1) == step.labels).cpu()
        events[step.positions] += right[step.positions] & ~now
        learned[step.positions] |= now
        right[step.positions] = now
    return events.where(learned, options.steps + 1)
