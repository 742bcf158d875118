"""Data sets by name: in which layouts people have each on disk, and where it can be had.

Says where a set lies; the readers say what is in it. Never downloads anything (``hub`` does).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data import layouts
from condensery.data.folder import holds_images
from condensery.data.imagenet import IMAGENET_10, IMAGENET_100
from condensery.errors import DataError, nearest

__all__ = ["NAMED", "NamedSet", "find", "named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSet:
    """A data set of the literature that can be asked for by name.

    Attributes:
        name: What it is asked for by.
        stem: Matches what people call its folder, or the beginning of its files; lower case.
        places: Folders that its own download makes, in the order of preference.
        files: Parquet files of a folder of it that are read.
        classes: Folders of an ImageNet that it is made of, in the order of labels.
        side: Pixels that images of many sizes are brought to if nobody says.
        hub: Data set and configuration on the Hugging Face hub, where it is freely there.
        archive: Where it is published.
    """

    name: str
    stem: str
    archive: str
    places: tuple[str, ...] = ()
    files: str = "*.parquet"
    classes: tuple[str, ...] | None = None
    side: int | None = None
    hub: tuple[str, str] | None = None


_IMAGENET = r"imagenet([-_ ]?(1k|2012))?|ilsvrc([-_ ]?2012)?"
_BY_HAND = (
    "https://image-net.org/download.php (registration), with train and val images in one folder "
    "a class, such as train/n02869837 and val/n02869837"
)

_ALL = (
    NamedSet(
        name="mnist",
        stem=r"mnist",
        places=("MNIST/raw",),
        hub=("ylecun/mnist", "mnist"),
        archive="https://ossci-datasets.s3.amazonaws.com/mnist/ (the four .gz files)",
    ),
    NamedSet(
        name="fashion-mnist",
        stem=r"fashion[-_ ]?mnist",
        places=("FashionMNIST/raw",),
        hub=("zalando-datasets/fashion_mnist", "fashion_mnist"),
        archive="https://github.com/zalandoresearch/fashion-mnist (the four .gz files)",
    ),
    NamedSet(
        name="cifar10",
        stem=r"cifar[-_ ]?10",
        places=("cifar-10-batches-py", "cifar-10-batches-bin"),
        hub=("uoft-cs/cifar10", "plain_text"),
        archive="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
    NamedSet(
        name="cifar100",
        stem=r"cifar[-_ ]?100",
        places=("cifar-100-python", "cifar-100-binary"),
        hub=("uoft-cs/cifar100", "cifar100"),
        archive="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
    NamedSet(
        name="svhn",
        stem=r"svhn",
        places=("cropped_digits",),
        files="t*.parquet",  # train and test: the easier "extra" is left alone
        hub=("ufldl-stanford/svhn", "cropped_digits"),
        archive="http://ufldl.stanford.edu/housenumbers/train_32x32.mat and test_32x32.mat",
    ),
    NamedSet(
        name="imagenet-10",
        stem=rf"imagenet[-_ ]?10|{_IMAGENET}",
        places=("ILSVRC/Data/CLS-LOC",),
        classes=IMAGENET_10,
        side=224,
        archive=_BY_HAND,
    ),
    NamedSet(
        name="imagenet-100",
        stem=rf"imagenet[-_ ]?100|{_IMAGENET}",
        places=("ILSVRC/Data/CLS-LOC",),
        classes=IMAGENET_100,
        side=224,
        archive=_BY_HAND,
    ),
    NamedSet(
        name="imagenette",
        stem=r"imagenette2?([-_ ]?\d+)?",
        places=("imagenette2-160", "imagenette2-320", "imagenette2"),
        side=128,
        archive="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    ),
)

NAMED: Mapping[str, NamedSet] = {known.name: known for known in _ALL}
"""Every data set that is looked for by name; ``digits`` travels with the package instead."""


def named(source: object) -> NamedSet | None:
    """The data set that a source names; a path such as ``./cifar10`` names none."""
    return NAMED.get(source) if isinstance(source, str) else None


def find(name: str, data_dir: str | Path) -> str:
    """Where a data set of the literature lies under a folder.

    Looked at, in this order: folders that its download makes (such as ``cifar-10-batches-py``,
    ``MNIST/raw``, ``train_32x32.mat``), the folder itself if its path sounds like the set,
    folders called like it in any usual spelling, and Parquet and NumPy files called like it.

    Args:
        name: A key of ``NAMED``.
        data_dir: The folder; ``~`` is the home folder.

    Returns:
        What ``load_data`` reads: a folder, a file, or a pattern of Parquet files. An ImageNet may
        hold more classes than the set has; ``load_data(name, data_dir=...)`` reads only its own.

    Raises:
        DataError: If the name is unknown, or nothing of the set is there: with what was looked
            for, and where it can be had.
    """
    known = NAMED.get(name)
    if known is None:
        raise DataError(
            f"{name!r} is no data set that is known by name.{nearest(name, NAMED)} Known are "
            f"digits, {', '.join(NAMED)}; anything else is read from its path."
        )
    root = Path(data_dir).expanduser().absolute()
    found = next(_found(known, root), None) if root.is_dir() else None
    if found is None:
        raise _absent(known, root)
    return found


def _found(known: NamedSet, root: Path) -> Iterator[str]:
    yield from _within(known, root, itself=_sounds_like(known, root))
    entries = sorted(root.iterdir())
    for entry in entries:
        if entry.is_dir() and _is_called(known, entry.name):
            yield from _within(known, entry, itself=True)
    if known.classes is None:
        yield from _files(known, root, [entry.name for entry in entries])


def _files(known: NamedSet, root: Path, names: Sequence[str]) -> Iterator[str]:
    beginnings: dict[str, None] = {}
    for name in names:
        match = re.fullmatch(rf"({known.stem})([-_.].*)?\.(?P<kind>parquet|npz)", name.lower())
        if match and match["kind"] == "npz":
            yield str(root / name)
        elif match:
            beginnings[name[: match.end(1)]] = None
    if len(beginnings) > 1:
        one, two = list(beginnings)[:2]
        raise DataError(
            f"{root}: holds several editions of {known.name}: {one}*.parquet and {two}*.parquet. "
            f"Give the files of one, such as '{root / one}-*.parquet'."
        )
    for beginning in beginnings:
        yield glob.escape(str(root / beginning)) + "[-_.]*parquet"


def _within(known: NamedSet, folder: Path, *, itself: bool) -> Iterator[str]:
    """What a folder holds in the set's own places, then in the folder itself if it is the set's."""
    for place in (folder / name for name in known.places):
        yield from _readable(known, place)
    if known.name == "svhn" and layouts.svhn.holds_svhn(folder):
        yield str(folder)
    if itself:
        yield from _readable(known, folder)


def _readable(known: NamedSet, folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    if known.classes is not None:
        if all((folder / "train" / name).is_dir() for name in known.classes):
            yield str(folder)
        return
    if layouts.place(folder) is not None or holds_images(folder):
        yield str(folder)
    for within in ("", "*/"):
        pattern = glob.escape(f"{folder}/") + within + known.files
        if glob.glob(pattern):
            yield pattern


def _sounds_like(known: NamedSet, folder: Path) -> bool:
    """Whether the last part of a path that is called like any set is called like this one."""
    for part in reversed(folder.absolute().parts):
        if called := [each.name for each in _ALL if _is_called(each, part)]:
            return known.name in called
    return False


def _is_called(known: NamedSet, name: str) -> bool:
    return name in known.places or re.fullmatch(known.stem, name.lower()) is not None


def _absent(known: NamedSet, root: Path) -> DataError:
    """What was looked for and where, what was found in its place, and what would work."""
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        return DataError(
            f"{known.name} was to be found under {root}, which {what}. Give the folder that holds "
            f"data sets with --data-dir (data_dir=). {_how(known)}"
        )
    wanted = [f"{place}/" for place in known.places]
    if known.classes is not None:
        wanted = [f"train/{known.classes[0]}/ and the other {len(known.classes) - 1} classes"]
    elif known.name == "svhn":
        wanted = ["train_32x32.mat"]
    called = "imagenet" if known.classes is not None else known.name
    wanted.append(f"a folder called {called} in any usual spelling")
    if known.classes is None:
        wanted.append(f"{known.name}*.parquet")
    there = [folder.name for folder in sorted(root.iterdir()) if folder.is_dir()]
    empty = [f"{name}/" for name in there if _is_called(known, name)]
    held = f" There is {empty[0]}, but it does not hold it, or not all of it." if empty else ""
    return DataError(
        f"{known.name} was not found under {root}.{held} Looked for {', '.join(wanted)}. "
        f"{_how(known)} What lies elsewhere is given by its path (./{known.name} is a path)."
    )


def _how(known: NamedSet) -> str:
    fetched = f"Nothing is downloaded unasked. It is published at {known.archive}"
    if known.hub is None:
        return f"{fetched}."
    return (
        f"{fetched}; or ask for it with --download (download=True), which needs: "
        "pip install 'condensery[hub]'."
    )
