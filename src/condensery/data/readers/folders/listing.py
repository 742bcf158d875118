"""Image files and their labels, as a layout of folders or lists gives them, become a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from condensery.data.classes import ClassList, check_chosen, choose, match
from condensery.data.decoding.decode import Decoding, EncodedImage, blocks_of, decode
from condensery.data.readers.folders.walk import name_of, readable
from condensery.data.skipped import Skipped
from condensery.data.source import Source, divided
from condensery.errors import DataError


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The image files of one split."""

    where: str  # how errors call it
    # folder names or labels, as they are written, in the order of the labels
    class_names: tuple[str, ...]
    images: tuple[Path, ...]  # paths
    labels: tuple[int, ...]  # of each image, its position in ``class_names``

    @property
    def classes(self) -> ClassList:
        """Its classes, to be compared with others."""
        return ClassList(title=self.where, names=tuple(map(readable, self.class_names)))

    def chosen(self, labels: Sequence[int]) -> SplitFiles:
        """The split of some of the classes, in the order in which they are given."""
        names = {old: self.class_names[old] for old in labels}
        rows = zip(self.images, self.labels, strict=True)
        named = [(path, names[label]) for path, label in rows if label in names]
        return SplitFiles.of_names(self.where, named, list(names.values()))

    @staticmethod
    def of_names(where: str, named: Sequence[tuple[Path, str]], order: Sequence[str]) -> SplitFiles:
        """A split of images, each with the name of its class; all names in ``order``."""
        label = {name: i for i, name in enumerate(order)}
        images = tuple(path for path, _ in named)
        return SplitFiles(where, tuple(order), images, tuple(label[name] for _, name in named))


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
    train: SplitFiles
    test: SplitFiles | None = None
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()

    def chosen(self, names: Sequence[str] | None) -> Listing:
        """The data set of some of the classes, in the order given; ``None`` is all of them."""
        if names is None:
            return self
        check_chosen(names)
        labels = choose(replace(self.train.classes, title=readable(self.root)), names)
        test = None if self.test is None else self.test.chosen(labels)
        return replace(self, train=self.train.chosen(labels), test=test)


def together(train: SplitFiles, test: SplitFiles) -> SplitFiles:
    """Bring the classes of a test split into the order of the train split."""
    order = match(train.classes, test.classes)
    labels = tuple(order[label] for label in test.labels)
    return replace(test, class_names=train.class_names, labels=labels)


def load(listing: Listing, how: Decoding) -> Source:
    """Decode the images of a listing, of both splits together: they are grey only if all are."""
    root, title = listing.root, readable(listing.root)
    splits = [listing.train] if listing.test is None else [listing.train, listing.test]
    paths = [path for split in splits for path in split.images]
    encoded = [EncodedImage(name=name_of(path, root), content=path) for path in paths]
    source = divided(
        decode(blocks_of(encoded), how, title=title, files=paths, root=root),
        torch.tensor([label for split in splits for label in split.labels]),
        title=title,
        train=len(listing.train.images),
        test=listing.test is not None,
        class_names=tuple(map(readable, listing.train.class_names)),
    )
    notices = (*listing.notices, *_undecoded_names(listing, paths), *source.notices)
    return replace(source, skipped=(*listing.skipped, *source.skipped), notices=notices)


def _undecoded_names(listing: Listing, paths: Sequence[Path]) -> tuple[str, ...]:
    """One sentence about names that are not UTF-8, if there are any."""
    names = [name for name in listing.train.class_names if readable(name) != name]
    what = "class" if names else "file"
    names = names or [path.name for path in paths if readable(path.name) != path.name]
    if not names:
        return ()
    title = readable(listing.root)
    twice = Counter(map(readable, listing.train.class_names)).most_common(1)[0]
    if twice[1] > 1:
        raise DataError(
            f"{title}: two class names are both written {twice[0]!r}. Rename one of the folders."
        )
    return (
        f"{title}: {len(names)} {what} name{'s are' if len(names) > 1 else ' is'} not UTF-8, as "
        "in an archive that was packed with another encoding; every byte that is none is written "
        f"as \\xNN, such as {readable(names[0])!r}. Rename the "
        f"{'classes' if what == 'class' else 'files'} to have other names, for example with "
        "convmv.",
    )
