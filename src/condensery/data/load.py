"""``load_data`` for every source: a built-in name, a path, arrays or a torch data set.

Chooses the reader of a source, and checks the result: two splits with equal classes, channels and
side. Knows nothing about file formats.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensery.data import hub
from condensery.data.classes import ClassList, check_chosen, choose, counts, match, moved
from condensery.data.decoding.cache import IMAGE_MEMORY, CacheFile, ImageCache
from condensery.data.decoding.decode import Decoding
from condensery.data.decoding.pictures import fit_all
from condensery.data.decoding.values import ValueRange
from condensery.data.holdout import hold_out
from condensery.data.image_data import Data, ImageData
from condensery.data.known import EMBEDDED, KNOWN, KnownSet, known_by_name, known_by_path
from condensery.data.labels import check_classes, count_from_zero, default_names
from condensery.data.locate import find
from condensery.data.readers import arrays, embedded, path, torch_dataset
from condensery.data.source import Source, Split
from condensery.data.statistics import measure
from condensery.errors import DataError, DataWarning


def load_data(
    source: object,
    *,
    image_size: int | None = None,
    skip_corrupt: bool = False,
    name: str | None = None,
    test: object = None,
    data_dir: str | Path = ".",
    download: bool = False,
    classes: Sequence[str] | None = None,
    value_range: tuple[float, float] | None = None,
    image_memory: int = IMAGE_MEMORY,
) -> Data:
    """Load a labelled image data set; nothing is downloaded without ``download``.

    A source is one of:

    * ``"fashion-mini"``: 5,000 training and 1,000 test images of Fashion-MNIST, and ``"digits"``:
      1,797 handwritten digits, 8 x 8; both are in the package;
    * a name in ``KNOWN``, such as ``"cifar10"``: searched below ``data_dir`` in all usual layouts.
      This is always the name and never a folder: ``"./cifar10"`` is the path. Images of ImageNet-10
      and ImageNet-100 are resized to a side of 224, and those of Imagenette to 128, unless
      ``image_size`` is given;
    * a path (``str`` or ``Path``) of a folder of images (``class/*.png``, or ``train/class`` with
      ``test/class``), a folder of IDX files, of CIFAR-10 or CIFAR-100 (binary or Python version)
      or of SVHN (``train_32x32.mat``) as downloaded, Parquet files in the image layout of
      Hugging Face (a file, a folder and its subfolders, a pattern such as
      ``"cifar10-*.parquet"``), or a ``.npz`` file;
    * a list of Parquet files;
    * ``(images, labels)``: NumPy arrays or tensors, NHW, NCHW or NHWC, ``uint8`` or floats in
      [0, 1], which are rounded to bytes;
    * a loaded data set (``Data``), of which ``classes`` takes some without reading files again;
    * a map-style torch data set that yields ``(image, class)`` or dicts of both, such as those of
      Hugging Face; a class is an index or a name.

    **Test split.** If neither ``test`` nor the source gives one, a fifth of every class is held
    out: ``max(1, n // 5)`` of ``n >= 2`` images, and none of a single image. The choice comes from
    ``stream(0, "holdout")``, so it is the same in every run and for every seed.

    **Normalisation.** A data set with the path (or ``name``) of one in ``KNOWN``, and with its
    number of classes and channels, gets the canonical name and, if there is one, the published mean
    and deviation (CIFAR-100 those of CIFAR-10, as in IDC). All others get the values of their train
    images.

    Args:
        source: See above.
        image_size: Height and width of all images: the shorter side is resized, then the centre is
            cropped. ``None`` does not change images; all must then have one size.
        skip_corrupt: Whether images that cannot be read are skipped; ``Data.skipped`` names them.
        name: Name of the data set; ``None`` takes it from the source.
        test: A second source for the test split. Its test split is used, or all of it if it has
            none. Replaces the test split of ``source``.
        data_dir: The folder of data sets that are given by name.
        download: Whether an absent data set is downloaded once from the Hugging Face hub into
            ``data_dir``; needs the extra ``hub``.
        classes: Names of the classes in the order of the labels; ``None`` takes those of the
            source. If the source names its classes, only these are read, in this order. A source
            with only numbers gets these names: label 0 is ``classes[0]``.
        value_range: The stored pixel values ``(low, high)`` that become 0 and 255 in both splits:
            values at or below ``low`` become 0, at or above ``high`` 255, and linear between,
            before images are resized. With it, numbers of any real type are read. ``None`` keeps
            bytes, and makes 65535 of 16-bit pictures and 1.0 of floats 255.
        image_memory: Limit in bytes for decoded images of image files and Parquet files in memory.
            Larger sets are decoded once into a mapped file: memory then contains a block of 1,024
            images while decoding, and afterwards as much as the system decides.

    Raises:
        DataError: If a source cannot be read or found, a class has no image, there is only one
            class, or the splits disagree in classes, channels or side.
    """
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise DataError(
            f"--image-size {image_size!r} (image_size=): the side of an image is a whole number of "
            "pixels, such as 32."
        )
    scale = ValueRange.of(value_range)
    loaded = source if isinstance(source, Data) else None
    word = loaded.name if loaded else source
    asked = KNOWN.get(word) if isinstance(word, str) else None
    reading = _LoadOptions(
        decoding=Decoding(
            size=image_size,
            skip_corrupt=skip_corrupt,
            value_range=scale,
            image_cache=ImageCache(memory=image_memory),
        ),
        data_dir=Path(data_dir).expanduser(),
        download=download,
        classes=None if classes is None else tuple(classes),
        name=asked.name if asked and name is None else name,
    )
    loaded_by = _loaded_by(
        source,
        test,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
        name=name,
        data_dir=str(data_dir),
        download=download,
        classes=reading.classes,
        value_range=None if value_range is None else tuple(value_range),
        image_memory=image_memory,
    )
    read = _read(source, reading)
    title, skipped, notices = read.title, read.skipped, read.notices
    name = reading.name
    count = check_classes(read.train.labels, names=read.class_names, part="train", title=title)
    known, listed = _recognised(read, name, classes=count, split="train")
    if asked and name == asked.name and known is None and classes is None:
        raise DataError(
            f"{title} was found for {name}, but it holds {count} classes of "
            f"{read.train.images.shape[1]}-channel images, or classes of other names. It is "
            "another data set: give it by its path."
        )
    names = listed.known_names or listed.names
    train, held, second = read.train, read.test, read
    if test is not None:
        second = _read(test, reading)
        held, changed = _counted_as(listed, second, name=name)
        skipped += second.skipped
        notices += (*second.notices, *changed)
    if held is None:
        keep, away = hold_out(train.labels, title=title)
        train, held = read.part("train", keep), read.part("test", away)
    else:
        check_classes(held.labels, names=names, part="test", title=title)
    ours, theirs = tuple(train.images.shape[1:]), tuple(held.images.shape[1:])
    if ours != theirs:
        same = ours[0] == theirs[0]
        way = (
            "Give --image-size (image_size=)." if same else "Convert all to grey or all to colour."
        )
        raise DataError(
            f"{title}: train images are {ours} and test images {theirs} (channels, height, "
            f"width), but both must be the same. {way}"
        )
    stored_range = (scale.low, scale.high) if scale else loaded and loaded.train.value_range
    statistics = (known and known.statistics) or measure(train.images)
    called = known.name if known else name or _plain(title)
    if asked and known is None:  # some of its classes, which the user chose
        called = f"{asked.name}-{count}-classes"
    splits = [
        ImageData(
            name=called,
            images=part.images,
            labels=part.labels,
            class_names=names,
            mean=statistics.mean,
            std=statistics.std,
            skipped=skipped,
            notices=notices,
            value_range=stored_range,
        )
        for part in (train, held)
    ]
    if loaded_by is not None:
        choices = {key: value for key, value in loaded_by.items() if key != "folder"}
        splits = [
            _hashed(split, file.cache_file, part=f"{part} {choices}")
            for split, file, part in zip(splits, (read, second), ("train", "test"), strict=True)
        ]
    for notice in notices:
        warnings.warn(notice, DataWarning, stacklevel=2)
    return Data(
        name=called,
        train=splits[0],
        test=splits[1],
        skipped=skipped,
        notices=notices,
        mapped=None if read.cache_file is None else str(read.cache_file.path),
        loaded_by=loaded_by,
    )


def _hashed(data: ImageData, file: CacheFile | None, *, part: str) -> ImageData:
    """The data with a fingerprint that a file of mapped images keeps for the next process.

    Args:
        data: Images of the file.
        file: Their file; None: they are in memory, and are hashed when they are asked for.
        part: What decides which images of the file they are, besides labels and classes.
    """
    if file is None:
        return data
    labels = hashlib.blake2b(data.labels.numpy().tobytes(), digest_size=12).hexdigest()
    what = f"{part} {data.class_names} {tuple(data.images.shape)} {labels}"
    return data.with_fingerprint(file.kept(what, lambda: data.fingerprint))


def _loaded_by(source: object, test: object, **choices: object) -> dict[str, Any] | None:
    """The arguments that give the same data again, if they can be written as text."""
    words = words_of(source)
    held = str(test) if isinstance(test, (str, Path)) else None
    if words is None or (test is not None and held is None):
        return None
    return {"data": words, "test": held, "folder": str(Path.cwd()), **choices}


def words_of(source: object) -> tuple[str, ...] | None:
    """Names and paths as text; ``None`` for anything else."""
    entries: Sequence[object] = source if isinstance(source, (list, tuple)) else [source]
    if entries and all(isinstance(entry, (str, Path)) for entry in entries):
        return tuple(map(str, entries))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoadOptions:
    """How sources are read; see ``load_data``."""

    decoding: Decoding
    data_dir: Path
    download: bool
    classes: tuple[str, ...] | None
    name: str | None


def _read(source: object, how: _LoadOptions) -> Source:
    return _chosen(count_from_zero(_as_given(source, how)), how)


def _as_given(source: object, how: _LoadOptions) -> Source:
    decoding, classes = how.decoding, how.classes
    words = words_of(source)
    if isinstance(source, str) and source in EMBEDDED:
        read = arrays.examined(embedded.read(source), decoding.value_range)
    elif isinstance(source, str) and (known := KNOWN.get(source)) is not None:
        decoding = replace(decoding, size=decoding.size or known.side)
        read = path.read(_located(known, how), decoding, classes or known.folders)
    elif isinstance(source, Data):
        read = _source_of(source)
        read = arrays.examined(read, scale) if (scale := decoding.value_range) else read
    elif isinstance(source, (str, Path)):
        read = path.read(str(source), decoding, classes)
    elif words is not None:
        files = list(map(Path, words))
        read = path.read_list(files, decoding, title=str(files[0]))
    elif isinstance(source, (list, tuple)) and len(source) == 2:
        read = arrays.read(source[0], source[1], value_range=decoding.value_range)
    elif isinstance(source, torch_dataset.MapStyle) and not isinstance(
        source, (Mapping, np.ndarray, Tensor, list, tuple)
    ):
        return torch_dataset.read(source, decoding)
    else:
        torch_dataset.refuse_stream(source)
        raise DataError(
            f"a {type(source).__name__} is not a data set that can be read. Give 'digits', a name "
            "such as 'cifar10', a path, a pair (images, labels) of arrays, or a map-style torch "
            "data set of (image, class index)."
        )
    # Arrays are brought to the side here; images that were decoded have it already.
    return read if (size := decoding.size) is None else read.mapped(lambda x: fit_all(x, size))


def _source_of(data: Data) -> Source:
    """A loaded data set as a source."""
    if data.train.whitening is not None:
        raise DataError(
            f"{data.name} is whitened, and load_data gives plain images. Give the data from which "
            "it was made, and whiten the result."
        )
    return Source(
        title=data.name,
        train=Split(images=data.train.images, labels=data.train.labels),
        test=Split(images=data.test.images, labels=data.test.labels),
        class_names=data.train.class_names,
        skipped=data.skipped,
        notices=data.notices,
    )


def _located(known: KnownSet, how: _LoadOptions) -> str:
    """The place of a data set with a name; it is downloaded if it is absent and wanted."""
    try:
        return find(known.name, how.data_dir)
    except DataError:
        if not how.download:
            raise
    hub.fetch(known, how.data_dir)
    return find(known.name, how.data_dir)


def _plain(title: str) -> str:
    """The name of an unknown data set: that of its file or folder."""
    last = Path(title).expanduser().resolve().name
    return re.sub(r"\.(parquet|npz)$|[*?\[\]]", "", last).strip("-_. ") or "data"


def _recognised(
    read: Source, name: str | None, *, classes: int, split: str
) -> tuple[KnownSet | None, ClassList]:
    """The known data set of a source, by the name of the user or by its path; and its classes."""
    recognise = known_by_path if name is None else known_by_name
    channels, names = read.train.images.shape[1], read.class_names
    known = recognise(name or read.title, classes=classes, channels=channels, names=names)
    return known, ClassList(
        title=f"{read.title} ({split} split)",
        names=names or default_names(classes),
        numbering=known.numbering() if known else None,
    )


def _counted_as(
    train: ClassList, second: Source, *, name: str | None
) -> tuple[Split, tuple[str, ...]]:
    """The test split of another source, with the labels of the train split.

    Returns:
        The split, and a notice if its labels were changed.
    """
    part = second.test or second.train
    numbers = _highest(second) + 1
    if second.class_names is None and train.only_numbers:
        if numbers > len(train.names):
            return part, ()  # ``check_classes`` refuses the label
        numbers = len(train.names)  # a test split may lack the last classes
    theirs = len(second.class_names) if second.class_names else numbers
    _, listed = _recognised(second, name, classes=theirs, split="test")
    order = match(train, listed)
    if (notice := moved(train, listed, order)) is None:
        return part, ()
    return replace(part, labels=torch.tensor(order)[part.labels]), (notice,)


def _chosen(source: Source, how: _LoadOptions) -> Source:
    """A source with only the classes that the user names, in this order."""
    classes = how.classes
    if classes is None or source.class_names == classes:
        return source
    check_chosen(classes)
    names = source.class_names or default_names(_highest(source) + 1)
    if counts(names) and not set(classes) <= set(names):
        _, listed = _recognised(source, how.name, classes=len(names), split="train")
        if set(classes) <= set(listed.known_names or ()):
            names = listed.known_names or names
    if counts(names) and not set(classes) <= set(names):
        if len(names) != len(classes):
            raise DataError(
                f"{source.title}: there are {len(names)} classes, numbered {names[0]} to "
                f"{names[-1]}, but {len(classes)} were named. Name every class, in the order of "
                "the numbers, with --classes NAME,NAME,... (classes=[...])."
            )
        return replace(source, class_names=classes)
    new = torch.full((len(names),), -1, dtype=torch.int64)
    labels = choose(ClassList(title=source.title, names=names), classes)
    new[list(labels)] = torch.arange(len(classes))
    return replace(source.relabelled(new), class_names=classes)


def _highest(source: Source) -> int:
    return max((int(part.labels.max()) for part in source.parts if len(part.labels)), default=-1)
