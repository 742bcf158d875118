"""Parquet files in the image layout of Hugging Face.

A column of images, each a struct of ``bytes`` and ``path`` (or just bytes), and a column of
class indices. Class names come from the schema's metadata (key ``huggingface``). Splits are told
apart by the names of files and their folders: ``train``, ``test``, ``val``, ``valid``,
``validation``; where there is a ``test`` split, a validation split is left alone.

Needs pyarrow, which is imported only when such a file is read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensery.data.decode import Encoded, decode
from condensery.data.labels import as_labels
from condensery.data.source import Part, Source
from condensery.data.store import Store
from condensery.errors import DataError

__all__ = ["read"]

_SPLITS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _File:
    """An open file (``pyarrow.parquet.ParquetFile``) and which of its columns matter."""

    path: Path
    content: Any
    image: str
    label: str
    features: dict[str, dict[str, Any]]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        names = self.features.get(self.label, {}).get("names")
        return tuple(str(name) for name in names) if names else None


def read(
    files: Sequence[Path],
    *,
    title: str,
    size: int | None,
    skip_corrupt: bool,
    store: Store | None = None,
) -> Source:
    """Read Parquet files of one data set.

    Args:
        files: The files; shards of a split are joined in this order.
        title: How errors call them together.
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        store: What to do with large sets; ``None`` holds all in memory.

    Raises:
        DataError: If pyarrow is absent, a file is no such Parquet, files belong to different
            data sets, or an image cannot be read.
    """
    pyarrow = _pyarrow(title)
    train, test = _splits(files, title=title)
    opened = [_file(path, pyarrow) for path in (*train, *test)]
    first = opened[0]
    for file in opened:
        if (file.label, file.class_names) != (first.label, first.class_names):
            raise DataError(
                f"{title}: {first.path.name!r} and {file.path.name!r} have different label "
                "columns or class names, so they belong to different data sets. Give the files "
                "of one as a list, or a pattern such as 'folder/cifar10-*.parquet'."
            )
    labels = [_labels(file, pyarrow) for file in opened]

    def blocks() -> Iterator[list[Encoded]]:
        for file in opened:
            yield from _blocks(file, pyarrow)

    paths = [file.path.absolute() for file in opened]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    how = f"{size} {skip_corrupt} {first.image}"
    decoded = decode(
        blocks,
        size=size,
        skip_corrupt=skip_corrupt,
        title=title,
        shelf=None if store is None else store.shelf(paths, root=root, how=how),
    )
    images, joined = decoded.images, torch.cat(labels)[decoded.kept]
    cut = int((decoded.kept < sum(len(part) for part in labels[: len(train)])).sum())
    return Source(
        title=title,
        train=Part(images=images[:cut], labels=joined[:cut]),
        test=Part(images=images[cut:], labels=joined[cut:]) if test else None,
        class_names=first.class_names,
        skipped=decoded.skipped,
        shelf=decoded.shelf,
    )


def _pyarrow(title: str) -> Any:  # noqa: ANN401 - an optional dependency has no types here
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise DataError(
            f"{title}: reading Parquet needs pyarrow, which is not installed. "
            "Install it with: pip install 'condensery[parquet]'"
        ) from error


def _splits(files: Sequence[Path], *, title: str) -> tuple[list[Path], list[Path]]:
    """Train and test files; files that name no split, or one split only, are all train.

    Only what tells the files apart counts: the names of folders that hold all of them do not.
    """
    root = os.path.commonpath([path.absolute().parent for path in files])
    of_split: dict[str, list[Path]] = {"train": [], "test": [], "val": [], "": []}
    for path in files:
        within = path.absolute().relative_to(root).with_suffix("").as_posix()
        words = re.split(r"[^a-z]+", within.lower())
        named = [_SPLITS[word] for word in reversed(words) if word in _SPLITS]
        of_split[named[0] if named else ""].append(path)
    unnamed, train, test = of_split[""], of_split["train"], of_split["test"] or of_split["val"]
    if unnamed and train:
        raise DataError(
            f"{title}: {train[0].name!r} is named as a train split, {unnamed[0].name!r} as none. "
            "Give the files to use as a list, or rename them."
        )
    return (train or unnamed or test), (test if train or unnamed else [])


def _file(path: Path, pyarrow: Any) -> _File:  # noqa: ANN401
    with _damage(path, pyarrow):
        file = pyarrow.parquet.ParquetFile(path)
    schema = file.schema_arrow
    types = {field.name: str(field.type) for field in schema}
    features = _features(schema.metadata or {})
    return _File(
        path=path,
        content=file,
        image=_choose("image", types, features, kind="Image", names=("image", "img"), path=path),
        label=_choose(
            "label", types, features, kind="ClassLabel", names=("label", "fine_label"), path=path
        ),
        features=features,
    )


def _features(metadata: dict[bytes, bytes]) -> dict[str, dict[str, Any]]:
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):  # another writer's file: only column names are known
        return {}
    return {name: kind for name, kind in features.items() if isinstance(kind, dict)}


def _choose(
    what: str,
    types: dict[str, str],
    features: dict[str, dict[str, Any]],
    *,
    kind: str,
    names: tuple[str, str],
    path: Path,
) -> str:
    """The column that goes by its usual name, else the only one declared to be of this kind."""
    declared = [name for name in types if features.get(name, {}).get("_type") == kind]
    if names[0] in types:
        return names[0]
    if len(declared) == 1:
        return declared[0]
    if names[1] in types:
        return names[1]
    raise DataError(
        f"{path}: its columns are {', '.join(types) or 'none'}, and none is known to hold the "
        f"{what}s. Name it {what!r}, as the image layout of Hugging Face does."
    )


def _labels(file: _File, pyarrow: Any) -> Tensor:  # noqa: ANN401
    with _damage(file.path, pyarrow):
        column = file.content.read(columns=[file.label]).column(0)
    title = f"{file.path}, column {file.label!r}"
    if column.null_count:
        raise DataError(
            f"{title}: {column.null_count} image(s) have no label. Leave them out, or label them."
        )
    return as_labels(column.to_numpy(), images=file.content.metadata.num_rows, title=title)


def _blocks(file: _File, pyarrow: Any) -> Iterator[list[Encoded]]:  # noqa: ANN401
    row = 0
    with _damage(file.path, pyarrow):
        for batch in file.content.iter_batches(batch_size=_BLOCK, columns=[file.image]):
            values = batch.column(0).to_pylist()
            yield [_encoded(value, row=row + i, file=file) for i, value in enumerate(values)]
            row += len(values)


def _encoded(value: object, *, row: int, file: _File) -> Encoded:
    """An image: a struct of bytes and path, or bytes; a path alone is relative to the file."""
    content, path = value, None
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
    name = f"{file.path.name}, row {row}" + (f" ({path})" if path else "")
    if isinstance(content, bytes):
        return Encoded(name=name, content=content)
    return Encoded(name=name, content=file.path.parent / path if isinstance(path, str) else None)


@contextmanager
def _damage(path: Path, pyarrow: Any) -> Generator[None]:  # noqa: ANN401
    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error}). It is truncated, or another format; "
            "fetch or save it again."
        ) from error
