"""Training images as torch data sets of pairs (image, label)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from condensery.types import Examples


def as_dataset(
    examples: Examples,
    *,
    normalise: Callable[[Tensor], Tensor] | None,
    transform: Callable[[Tensor], Tensor] | None,
) -> Dataset[tuple[Tensor, ...]]:
    """Examples as a map-style data set.

    Args:
        examples: Images in [0, 1].
        normalise: Called with a batch of images; ``None`` does nothing.
        transform: Called with one image when it is read, before ``normalise``; ``None`` does
            nothing, and then all images are normalised at once.

    Returns:
        A data set of (image, label).
    """
    images, labels = examples.images, examples.labels
    if transform is None:
        return TensorDataset(images if normalise is None else normalise(images), labels)
    return TransformedDataset(
        images=images, labels=labels, transform=transform, normalise=normalise
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransformedDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs (image, label) whose image is transformed, and then normalised, when it is read."""

    images: Tensor
    labels: Tensor
    transform: Callable[[Tensor], Tensor]
    normalise: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.transform(self.images[index])
        if self.normalise is not None:
            image = self.normalise(image[None])[0]
        return image, self.labels[index]


@dataclass(frozen=True, slots=True)
class PerChannel:
    """Subtracts a mean from every channel and divides it by a deviation; can be pickled."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, images: Tensor) -> Tensor:
        """``[example, channel, height, width]`` in [0, 1] to mean 0 and deviation 1."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (images - mean[:, None, None]) / std[:, None, None]
