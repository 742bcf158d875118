"""The order of images in a training: random permutations of a pool, divided into batches.

Knows nothing about networks or losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.data import ImageData
from condensery.errors import ConfigError, DataError
from condensery.training.base import Training


class Batch(NamedTuple):
    """Normalised images ``[example, channel, height, width]`` and their labels."""

    images: Float[Tensor, "example channel height width"]
    labels: Tensor


def batches(
    count: int, size: int, *, rng: torch.Generator, full: bool = False
) -> Iterator[Int[Tensor, "example"]]:
    """Positions of batches without end, from one random permutation per epoch.

    Every position occurs once in an epoch. The last batch of an epoch is smaller if ``size`` does
    not divide ``count``; a ``size`` above ``count`` gives the whole pool each time.

    Args:
        count: Images in the pool, at least 1.
        size: Images per batch, at least 1.
        rng: Random stream, used once in an epoch.
        full: Whether the images that remain at the end of an epoch are the start of the first batch
            of the next one, so that every batch has ``size`` positions (or ``count`` if smaller).

    Yields:
        Positions ``[example]``, at most ``size`` of them.

    Raises:
        DataError: If the pool is empty.
        ConfigError: If ``size < 1``.
    """
    if count < 1:
        raise DataError("There is no image to train on: a pool needs at least 1 image.")
    if size < 1:
        raise ConfigError(f"batch = {size}, but a step needs at least 1 image.")
    return _batches(count, min(size, count), rng, full=full)


def _batches(count: int, size: int, rng: torch.Generator, *, full: bool) -> Iterator[Tensor]:
    left = torch.empty(0, dtype=torch.int64)
    while True:
        order = torch.cat([left, torch.randperm(count, generator=rng)])
        whole = len(order) // size * size if full else len(order)
        yield from order[:whole].split(size)
        left = order[whole:]


def real_batches(
    data: ImageData, choices: Training, *, steps: int, rng: torch.Generator
) -> Iterator[Batch]:
    """``steps`` normalised batches of real images for ``Trainer.step``.

    Only the images of a batch are converted from uint8, so a large set needs no more memory.
    """
    for index in islice(batches(len(data), choices.batch, rng=rng), steps):
        yield Batch(data.normalise(data.pixels(index)), data.labels[index])
