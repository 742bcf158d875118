"""One Parquet file: open, with its columns chosen and its labels read.

Needs pyarrow, which is imported only when such a file is read.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from condensery.data.readers.parquet.columns import ImageColumn, Schema, describe
from condensery.errors import DataError

_UNLABELLED = -1  # what the package ``datasets`` writes for no label
_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParquetTable:
    """An open file, and which of its columns matter."""

    path: Path  # where it lies
    content: Any  # ``pyarrow.parquet.ParquetFile``
    image: ImageColumn  # the column of the images
    label: str | None  # name of the column of the labels; ``None`` if there is none
    names: tuple[str, ...] | None  # declared class names
    # the labels as they are written, one a row; ``None`` stands for no label
    values: Sequence[object] | np.ndarray

    @property
    def rows(self) -> int:
        """How many images there are."""
        return len(self.values)

    @property
    def unlabelled(self) -> int:
        """How many rows have no label."""
        if isinstance(self.values, np.ndarray):
            return int((self.values == _UNLABELLED).sum())
        return sum(value is None or value == _UNLABELLED for value in self.values)

    @property
    def are_names(self) -> bool:
        """Whether labels are written as text."""
        if isinstance(self.values, np.ndarray):
            return False
        return any(isinstance(value, str) for value in self.values)

    def images(self, batch_size: int = _BLOCK) -> Iterator[tuple[int, Any]]:
        """The column of the images, some rows at a time, each with the number of its first row."""
        row = 0
        with _damage_named(self.path):
            columns = [self.image.name]
            for batch in self.content.iter_batches(batch_size=batch_size, columns=columns):
                yield row, batch.column(0)
                row += len(batch)


def require_pyarrow(title: str) -> None:
    """Refuse to go on without the package pyarrow."""
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(
            f"{title}: reading Parquet needs pyarrow, which is not installed. "
            "Install it with: pip install 'condensery[parquet]'"
        ) from error


def opened(path: Path) -> tuple[Any, Schema]:
    """Open a file and read its schema."""
    with _damage_named(path):
        content = import_module("pyarrow.parquet").ParquetFile(path)
    return content, describe(path, content.schema_arrow)


def read_table(path: Path, *, label: str | None) -> ParquetTable:
    """Open a file, choose its columns and read its labels.

    ``label`` is the column of the train split, which a file of another split may lack; ``None``
    finds it.
    """
    content, schema = opened(path)
    image = schema.image_column()
    names = None
    values: Sequence[object] | np.ndarray = [None] * content.metadata.num_rows
    if label is not None and label not in schema.types:
        label = None
    else:
        label = label or schema.label_column()
        names, values = schema.class_names(label), _values(path, content, label)
    return ParquetTable(
        path=path, content=content, image=image, label=label, names=names, values=values
    )


def _values(path: Path, content: Any, label: str) -> Sequence[object] | np.ndarray:  # noqa: ANN401
    """Labels: numbers as an array, text and columns with gaps as a list."""
    with _damage_named(path):
        column = content.read(columns=[label]).column(0)
    types = import_module("pyarrow.types")
    if types.is_list(column.type) or types.is_large_list(column.type):
        raise DataError(
            f"{path}, column {label!r}: each image has a list of labels ({column.type}), but one "
            "class an image is needed. Keep the images with one label, or turn one-hot lists into "
            "indices with argmax."
        )
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_boolean(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    text = types.is_string(column.type) or types.is_large_string(column.type)
    return column.to_pylist() if text or column.null_count else column.to_numpy()


@contextmanager
def _damage_named(path: Path) -> Generator[None]:
    """Turn what pyarrow raises about a file into an error that names the file."""
    try:
        yield
    except (OSError, import_module("pyarrow").ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error}). It is truncated, or another format; "
            "fetch or save it again."
        ) from error
