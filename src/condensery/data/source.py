"""The result of every reader, before it becomes a data set: splits as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Int, UInt8
from torch import Tensor

from condensery.data.decoding.cache import CacheFile, DecodedImages
from condensery.data.skipped import Skipped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """The images of one split, and equally many labels.

    Attributes:
        images: ``uint8``, ``[image, channel, height, width]``.
        labels: ``int64``, ``[image]``, at least 0.
    """

    images: UInt8[Tensor, "image channel height width"]
    labels: Int[Tensor, "image"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A data set as read.

    Attributes:
        title: Name of the source in errors: the path, or the kind of object.
        train: The train split, or the only split of the source.
        test: ``None`` if the source has no such split.
        class_names: ``None`` if the source has no names.
        skipped: Images and files that were skipped, each with the reason.
        notices: Sentences about doubtful input: what it is, why it is doubtful, and which option
            decides it.
        cache_file: The file of the images, if they are not in memory.
    """

    title: str
    train: Split
    test: Split | None = None
    class_names: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()
    cache_file: CacheFile | None = None

    @property
    def parts(self) -> tuple[Split, ...]:
        """The existing splits."""
        return (self.train,) if self.test is None else (self.train, self.test)

    def relabelled(self, new: Int[Tensor, "class_"]) -> Source:
        """The same source with a new label for each old one; images with -1 are dropped."""

        def change(name: str, part: Split) -> Split:
            labels = new[part.labels]
            kept = (labels >= 0).nonzero()[:, 0]
            if len(kept) == len(labels):
                return replace(part, labels=labels)
            digest = hashlib.blake2b(new.numpy().tobytes(), digest_size=6).hexdigest()
            images = self._rows(part.images, kept, part=f"{name}-{digest}")
            return Split(images=images, labels=labels[kept])

        test = None if self.test is None else change("chosen-test", self.test)
        return replace(self, train=change("chosen-train", self.train), test=test)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Source:
        """The same source with other pixels in both splits."""
        train = replace(self.train, images=change(self.train.images))
        test = None if self.test is None else replace(self.test, images=change(self.test.images))
        return replace(self, train=train, test=test)

    def part(self, name: str, index: Int[Tensor, "row"]) -> Split:
        """Some of the train images, in memory or in a cache file as the others."""
        images = self._rows(self.train.images, index, part=name)
        return Split(images=images, labels=self.train.labels[index])

    def _rows(self, images: Tensor, index: Tensor, *, part: str) -> Tensor:
        return (
            images[index]
            if self.cache_file is None
            else self.cache_file.rows(images, index, part=part)
        )


def divided(
    decoded: DecodedImages,
    labels: Int[Tensor, "encoded"],
    *,
    title: str,
    train: int,
    test: bool,
    class_names: tuple[str, ...] | None,
) -> Source:
    """A source from images of both splits that were decoded together; some may be dropped.

    The first ``train`` encoded images belong to the train split, the others to the test split.
    """
    kept = decoded.kept
    images, labels, cut = decoded.images, labels[kept], int((kept < train).sum())
    return Source(
        title=title,
        train=Split(images=images[:cut], labels=labels[:cut]),
        test=Split(images=images[cut:], labels=labels[cut:]) if test else None,
        class_names=class_names,
        skipped=decoded.skipped,
        notices=decoded.notices,
        cache_file=decoded.cache_file,
    )
