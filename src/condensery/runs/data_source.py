"""The source of the data of a run, as stored in its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensery.data import Data, load_data
from condensery.data.decoding.cache import IMAGE_MEMORY
from condensery.data.known import EMBEDDED, KNOWN
from condensery.data.load import words_of
from condensery.data.skipped import by_reason, in_words
from condensery.errors import ArtifactError


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Data in files: the arguments of ``load_data`` that the user gave.

    Attributes:
        data: A name, a path, or several paths.
        test: The path of the test split, if it is another one.
        image_size: Side in pixels to which images are resized.
        skip_corrupt: Whether images that cannot be read are skipped.
        name: Name of the data set, if it differs from that of the source.
        folder: The folder to which relative paths belong.
        data_dir: The folder of data sets that are given by name.
        download: Whether an absent data set is downloaded.
        classes: Class folders to read in a folder of images; ``None`` is all.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.
        image_memory: Limit in bytes for decoded images in memory; larger sets go into a file.
    """

    data: tuple[str, ...]
    test: str | None = None
    image_size: int | None = None
    skip_corrupt: bool = False
    name: str | None = None
    folder: str = "."
    data_dir: str = "."
    download: bool = False
    classes: tuple[str, ...] | None = None
    value_range: tuple[float, float] | None = None
    image_memory: int = IMAGE_MEMORY

    def load(self) -> Data:
        """Read it; raises what ``load_data`` raises."""
        paths = [self._path(text) for text in self.data]
        return load_data(
            paths[0] if len(paths) == 1 else paths,
            image_size=self.image_size,
            skip_corrupt=self.skip_corrupt,
            name=self.name,
            test=None if self.test is None else self._path(self.test),
            data_dir=self._path(self.data_dir),
            download=self.download,
            classes=self.classes,
            value_range=self.value_range,
            image_memory=self.image_memory,
        )

    def _path(self, text: str) -> str:
        here = Path.cwd() == Path(self.folder).resolve()
        plain = here or text in (*EMBEDDED, *KNOWN) or text.startswith("~") or os.path.isabs(text)
        return text if plain else os.path.join(self.folder, text)


def load_source(data: object) -> tuple[DataSource | None, Data]:
    """The data of a run, and its source if it is in files.

    Returns:
        The source, and the data. The source is ``None`` for arrays and torch data sets.
    """
    if isinstance(data, DataSource):
        return data, data.load()
    loaded = data if isinstance(data, Data) else load_data(data)
    return None if loaded.loaded_by is None else DataSource(**loaded.loaded_by), loaded


def load_again(
    source: DataSource | None, facts: dict[str, Any], *, data: object, run: Path
) -> Data:
    """The same data as that of ``facts``.

    Args:
        source: The source at the start of the run; ``None`` if the data was not in files.
        facts: ``facts_of_data`` at the start of the run.
        data: The source now, as in ``load_source``; ``None`` if it is the same.
        run: Folder of the run.

    Raises:
        ArtifactError: If images or labels have changed, or the data was not in files.
    """
    name = facts["name"]  # decides the published mean, so it stays wherever the data is now
    words = words_of(data)
    if data is None and source is None:
        raise ArtifactError(
            f"{run}: was begun from Python with images in memory ({name}, {facts['images']:,} "
            "training images), which no file names. Give the same images: "
            f"condensery.resume({str(run)!r}, data=...), or --data DATA if they are in files."
        )
    if data is None and source is not None:
        found, where = replace(source, name=name).load(), " ".join(source.data)
    elif words is not None:
        moved = DataSource(data=words) if source is None else source
        found = replace(moved, data=words, name=name, folder=str(Path.cwd())).load()
        where = " ".join(words)
    elif isinstance(data, DataSource):
        found, where = replace(data, name=name).load(), " ".join(data.data)
    elif isinstance(data, Data):
        found, where = data, data.name
    else:
        found, where = load_data(data, name=name), "data"
    for key, value in facts_of_data(found).items():
        if value != facts[key]:
            raise ArtifactError(
                f"{where}: {key} is {value!r}, but the run was begun with {facts[key]!r}. The "
                "data has changed: bring it back, say where it is with --data (data=), or condense "
                "anew."
            )
    return found


def facts_of_data(data: Data) -> dict[str, Any]:
    """The facts that identify the data of a run, as JSON values."""
    return {
        "name": data.name,
        "images": len(data.train),
        "test_images": len(data.test),
        "classes": data.train.classes,
        "fingerprint": data.train.fingerprint,
        "test_fingerprint": data.test.fingerprint,
        "mean": list(data.train.mean),
        "std": list(data.train.std),
    }


def describe(data: Data) -> str:
    """The images that were read and those that were skipped, in lines for people."""
    train = data.train
    height, width = train.side
    kind = {1: "grey", 3: "colour"}.get(train.channels, f"{train.channels}-channel")
    lines = [
        f"{data.name}: {len(train):,} {kind} images of {height} x {width} pixels in "
        f"{train.classes} classes to condense, {len(data.test):,} to test on"
    ]
    if data.mapped is not None:
        lines.append(f"decoded images are stored in {data.mapped}")
    if data.skipped:
        reasons = "; ".join(in_words(by_reason(data.skipped)))
        lines.append(f"Left out {len(data.skipped)} images or files: {reasons}")
    return "\n".join(lines)
