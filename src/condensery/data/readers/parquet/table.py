"""One Parquet file: open, with its columns chosen and its labels read.

Needs pyarrow, which is imported only when such a file is read.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from condensery.data.readers.parquet.columns import ImageColumn, Schema, describe
from condensery.errors import DataError

__all__ = ["Table", "damage_named", "opened", "pyarrow_for", "read_table"]

_UNLABELLED = -1  # what the package ``datasets`` writes for no label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """An open file, and which of its columns matter.

    Attributes:
        path: Where it lies.
        content: ``pyarrow.parquet.ParquetFile``.
        image: The column of the images.
        label: Name of the column of the labels; ``None`` if there is none.
        names: Declared class names.
        values: The labels as they are written, one a row; ``None`` stands for no label.
    """

    path: Path
    content: Any
    image: ImageColumn
    label: str | None
    names: tuple[str, ...] | None
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


def pyarrow_for(title: str) -> Any:  # noqa: ANN401 - an optional dependency has no types here
    """The package pyarrow.

    Raises:
        DataError: If it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise DataError(
            f"{title}: reading Parquet needs pyarrow, which is not installed. "
            "Install it with: pip install 'condensery[parquet]'"
        ) from error


def opened(path: Path, pyarrow: Any) -> tuple[Any, Schema]:  # noqa: ANN401
    """Open a file and read its schema.

    Raises:
        DataError: If it is no Parquet file, or damaged.
    """
    with damage_named(path, pyarrow):
        content = pyarrow.parquet.ParquetFile(path)
    return content, describe(path, content.schema_arrow)


def read_table(path: Path, pyarrow: Any, *, label: str | None) -> Table:  # noqa: ANN401
    """Open a file, choose its columns and read its labels.

    Args:
        path: Where it lies.
        pyarrow: The package.
        label: Column of the labels of the train split, which a file of another split may lack;
            ``None`` finds the column.

    Raises:
        DataError: If the file cannot be read, or the column of the images or of the labels is
            missing or uncertain.
    """
    content, schema = opened(path, pyarrow)
    image = schema.image_column()
    if label is None or label in schema.types:
        label = label or schema.label_column()
        values = _values(path, content, label, pyarrow)
        return Table(
            path=path,
            content=content,
            image=image,
            label=label,
            names=schema.class_names(label),
            values=values,
        )
    missing: list[object] = [None] * content.metadata.num_rows
    return Table(path=path, content=content, image=image, label=None, names=None, values=missing)


def _values(path: Path, content: Any, label: str, pyarrow: Any) -> Sequence[object] | np.ndarray:  # noqa: ANN401
    """Labels: numbers as an array, text and columns with gaps as a list."""
    with damage_named(path, pyarrow):
        column = content.read(columns=[label]).column(0)
    title = f"{path}, column {label!r}"
    types = import_module("pyarrow.types")
    if types.is_list(column.type) or types.is_large_list(column.type):
        raise DataError(
            f"{title}: each image has a list of labels ({column.type}), but one class an image is "
            "needed. Keep the images with one label, or turn one-hot lists into indices with "
            "argmax."
        )
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_boolean(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    if types.is_integer(column.type) and not column.null_count:
        return column.to_numpy()
    if types.is_string(column.type) or types.is_large_string(column.type) or column.null_count:
        return column.to_pylist()
    return column.to_numpy()


@contextmanager
def damage_named(path: Path, pyarrow: Any) -> Generator[None]:  # noqa: ANN401
    """Turn what pyarrow raises about a file into an error that names the file."""
    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error}). It is truncated, or another format; "
            "fetch or save it again."
        ) from error
