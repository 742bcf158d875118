"""What an export contains: pictures as bytes, with labels and ranks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.data import ImageData
from condensery.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """The pictures of one split.

    Attributes:
        split: ``"train"`` or ``"test"``.
        images: ``[example, height, width, channel]``.
        labels: ``[example]``.
        rank: ``[example]``; the example belongs to every size above its rank. ``None`` for real
            images.
        soft_labels: Learned labels ``[example, class_]``, or ``None``.
    """

    split: str
    images: UInt8[np.ndarray, "example height width channel"]
    labels: Int[np.ndarray, "example"]
    rank: Int[np.ndarray, "example"] | None = None
    soft_labels: Float[np.ndarray, "example class_"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, start: int, stop: int) -> Pictures:
        """The pictures from ``start`` to ``stop``, without a copy."""
        rank, soft = self.rank, self.soft_labels
        return Pictures(
            split=self.split,
            images=self.images[start:stop],
            labels=self.labels[start:stop],
            rank=None if rank is None else rank[start:stop],
            soft_labels=None if soft is None else soft[start:stop],
        )

    def png(self) -> Iterator[bytes]:
        """Every picture as a PNG file."""
        for image in self.images:
            buffer = io.BytesIO()
            plain = np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image)
            Image.fromarray(plain).save(buffer, format="PNG")
            yield buffer.getvalue()

    def stems(self) -> list[str]:
        """Names of files without an ending, different in every class.

        The names of condensed images begin with the rank: the first files of a class, sorted by
        name, are its smaller sets. Real images are numbered.
        """
        if self.rank is None:
            return [f"{position:06}" for position in range(len(self))]
        seen: dict[tuple[int, int], int] = {}
        names: list[str] = []
        digits = len(str(int(self.rank.max())))
        for label, rank in zip(self.labels.tolist(), self.rank.tolist(), strict=True):
            part = seen[label, rank] = seen.get((label, rank), -1) + 1
            names.append(f"{rank:0{digits}}-{part:02}")
        return names


def check_channels(channels: int, *, given: str) -> None:
    """Refuse images that no PNG file can hold.

    Args:
        channels: Channels of an image.
        given: The option or the function that needs PNG files.
    """
    if channels not in (1, 3, 4):
        raise ConfigError(
            f"{given} holds PNG pictures of 1, 3 or 4 channels; these have {channels}. "
            "Export --to npz (form='npz')."
        )


def condensed_pictures(
    condensed: CondensedSet, *, ipc: int | None = None, stored: bool = False
) -> Pictures:
    """The images of a condensed set, rounded to bytes.

    Args:
        condensed: The set.
        ipc: The size, or ``None`` for the full size.
        stored: Whether to take the stored images; otherwise the decoded training images.
    """
    if stored:
        cut = condensed if ipc is None else condensed.take(ipc)
        images, labels, rank, soft = cut.images, cut.labels, cut.rank, cut.soft_labels
        if images.is_floating_point():
            images = _bytes(images.float())
    else:
        examples = condensed.decode(ipc)
        images, labels, rank = _bytes(examples.images), examples.class_, examples.rank
        soft = examples.labels if examples.labels.ndim == 2 else None
    return Pictures(
        split="train",
        images=_channels_last(images),
        labels=labels.numpy(),
        rank=rank.numpy(),
        soft_labels=None if soft is None else soft.numpy(),
    )


def real_pictures(test: ImageData) -> Pictures:
    """The real images of a test split."""
    return Pictures(
        split="test",
        images=_channels_last(test.images.cpu()),
        labels=test.labels.cpu().numpy(),
    )


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round().byte()


def _channels_last(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()  # a view: test images may be a mapped file
