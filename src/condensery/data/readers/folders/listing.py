"""Image files and their labels, as a layout of folders or lists gives them, become a source.

Knows nothing about layouts: it decodes the files that a layout has listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from condensery.data.classes import ClassList, choose, match
from condensery.data.decoding.cache import Store
from condensery.data.decoding.decode import Encoded, blocks_of, decode
from condensery.data.decoding.values import ValueRange
from condensery.data.readers.folders.walk import name_of, readable
from condensery.data.skipped import Skipped
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["Decoding", "Listing", "Split", "load", "together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How image files are decoded.

    Attributes:
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.
        store: What to do with large sets; ``None`` holds all in memory.
    """

    size: int | None = None
    skip_corrupt: bool = False
    value_range: ValueRange | None = None
    store: Store | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The image files of one split.

    Attributes:
        where: How errors call it.
        class_names: Folder names or labels, as they are written, in the order of the labels.
        images: Paths.
        labels: Of each image, its position in ``class_names``.
    """

    where: str
    class_names: tuple[str, ...]
    images: tuple[Path, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images, but {len(self.labels)} labels")

    @property
    def classes(self) -> ClassList:
        """Its classes, to be compared with others."""
        return ClassList(title=self.where, names=tuple(map(readable, self.class_names)))

    def chosen(self, labels: Sequence[int]) -> Split:
        """The split of some of the classes, in the order in which they are given."""
        new = {old: label for label, old in enumerate(labels)}
        rows = [i for i, label in enumerate(self.labels) if label in new]
        return replace(
            self,
            class_names=tuple(self.class_names[old] for old in labels),
            images=tuple(self.images[i] for i in rows),
            labels=tuple(new[self.labels[i]] for i in rows),
        )

    @staticmethod
    def of_names(where: str, named: Sequence[tuple[Path, str]], order: Sequence[str]) -> Split:
        """A split of images whose classes are given by name.

        Args:
            where: How errors call it.
            named: Each image and the name of its class.
            order: All names, in the order of the labels.
        """
        label = {name: i for i, name in enumerate(order)}
        return Split(
            where=where,
            class_names=tuple(order),
            images=tuple(path for path, _ in named),
            labels=tuple(label[name] for _, name in named),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The image files of a data set.

    Attributes:
        root: The folder that holds all of them.
        train: The only split, where a layout does not tell its splits apart.
        test: ``None`` where the layout has no such split. Its classes are those of ``train``, in
            the same order.
        skipped: What was left out.
        notices: Whole sentences about doubtful input.
    """

    root: Path
    train: Split
    test: Split | None = None
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()

    def chosen(self, names: Sequence[str] | None) -> Listing:
        """The data set of some of the classes, in the order given; ``None`` is all of them.

        Raises:
            DataError: If a name is none of the classes, or there are fewer than two.
        """
        if names is None:
            return self
        if len(names) < 2:
            raise DataError(
                f"classes = {', '.join(names) or 'none'}: name two classes or more, each once."
            )
        labels = choose(replace(self.train.classes, title=readable(str(self.root))), names)
        test = None if self.test is None else self.test.chosen(labels)
        return replace(self, train=self.train.chosen(labels), test=test)


def together(train: Split, test: Split) -> Split:
    """Bring the classes of a test split into the order of the train split.

    Raises:
        DataError: If the two do not have the same classes.
    """
    order = match(train.classes, test.classes)
    labels = tuple(order[label] for label in test.labels)
    return replace(test, class_names=train.class_names, labels=labels)


def load(listing: Listing, how: Decoding) -> Source:
    """Decode the images of a listing.

    All images of both splits are decoded together: they are grey only if all are.

    Args:
        listing: The files.
        how: How to decode them.

    Raises:
        DataError: If there is no image, an image cannot be read, or sizes differ.
    """
    root, title = listing.root, readable(str(listing.root))
    splits = [listing.train] if listing.test is None else [listing.train, listing.test]
    paths = [path for split in splits for path in split.images]
    encoded = [Encoded(name=name_of(path, root), content=path) for path in paths]
    details = f"{how.size} {how.skip_corrupt} {how.value_range}"
    decoded = decode(
        blocks_of(encoded),
        size=how.size,
        skip_corrupt=how.skip_corrupt,
        title=title,
        value_range=how.value_range,
        shelf=None if how.store is None else how.store.shelf(paths, root=root, how=details),
    )
    labels = torch.tensor([label for split in splits for label in split.labels])
    images, labels = decoded.images, labels[decoded.kept]
    cut = int((decoded.kept < len(listing.train.images)).sum())
    names = tuple(map(readable, listing.train.class_names))
    return Source(
        title=title,
        train=Part(images=images[:cut], labels=labels[:cut]),
        test=None if listing.test is None else Part(images=images[cut:], labels=labels[cut:]),
        class_names=names,
        skipped=(*listing.skipped, *decoded.skipped),
        notices=(*listing.notices, *_undecoded_names(listing, paths), *decoded.notices),
        shelf=decoded.shelf,
    )


def _undecoded_names(listing: Listing, paths: Sequence[Path]) -> tuple[str, ...]:
    """One sentence about names that are not UTF-8, if there are any."""
    names = [name for name in listing.train.class_names if readable(name) != name]
    what = "class" if names else "file"
    names = names or [path.name for path in paths if readable(path.name) != path.name]
    if not names:
        return ()
    twice = Counter(map(readable, listing.train.class_names)).most_common(1)[0]
    if twice[1] > 1:
        raise DataError(
            f"{readable(str(listing.root))}: two class names are both written {twice[0]!r}. "
            "Rename one of the folders."
        )
    count = f"{len(names)} {what} name{'s are' if len(names) > 1 else ' is'}"
    return (
        f"{readable(str(listing.root))}: {count} not UTF-8, as in an archive that was packed with "
        f"another encoding; every byte that is none is written as \\xNN, such as "
        f"{readable(names[0])!r}. Rename the {what}s to have other names, for example with convmv.",
    )
