"""The images of Parquet tables: encoded, in files that the table names, or as lists of numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from condensery.data.decoding.decode import EncodedImage
from condensery.data.decoding.pixels import as_bytes, channels_first
from condensery.data.decoding.values import Conversion
from condensery.data.readers.parquet.columns import LIST, PATH
from condensery.data.readers.parquet.table import ParquetTable
from condensery.errors import DataError

_EMBED = (
    "datasets.load_dataset('parquet', data_files=...).cast_column('image', datasets.Image()), then "
    "to_parquet(...)"
)


def files_outside(files: Sequence[ParquetTable], *, title: str, skip_corrupt: bool) -> str:
    """Check image files that tables only name; what identifies them, empty if there are none."""
    facts = hashlib.blake2b(digest_size=8)
    missing: list[Path] = []
    count = rows = 0
    for block in (block for file in files if _names_files(file) for block in encoded_blocks(file)):
        rows += len(block)
        for path in (image.content for image in block if isinstance(image.content, Path)):
            count += 1
            try:
                stat = path.stat()
                facts.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
            except (OSError, ValueError):
                missing.append(path)
    if missing and not (skip_corrupt and len(missing) < rows):
        raise DataError(
            f"{title}: the table holds paths of image files, not the images, and {len(missing)} of "
            f"{count} files are missing, such as {str(missing[0])!r}. Paths are relative to the "
            f"folder of the Parquet file. Put the files there, or save the images into the table: "
            f"{_EMBED}."
        )
    return f" {facts.hexdigest()}" if count else ""


def _names_files(file: ParquetTable) -> bool:
    """Whether the first image of a table is a path without bytes."""
    if file.image.kind == PATH:
        return True
    for _, column in file.images(batch_size=1):
        value = column[0].as_py()
        value = value[0] if isinstance(value, list) and value else value
        return isinstance(value, dict) and not isinstance(value.get("bytes"), bytes)
    return False


def encoded_blocks(file: ParquetTable) -> Iterator[list[EncodedImage]]:
    """The encoded images of a table, some rows at a time."""
    for row, column in file.images():
        yield [_encoded(v, row=i, file=file) for i, v in enumerate(column.to_pylist(), row)]


def _encoded(value: object, *, row: int, file: ParquetTable) -> EncodedImage:
    """An image: a struct of bytes and path, or bytes; a path alone is relative to the file."""
    if file.image.kind == LIST and isinstance(value, list):
        if len(value) != 1:
            raise DataError(
                f"{file.path}: column {file.image.name!r} holds a list of images in each row, and "
                f"row {row} holds {len(value)}. One image a row is needed: keep one of each list, "
                "or give every image a row of its own."
            )
        value = value[0]
    content, path = value, None
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
    elif isinstance(value, str):
        path = value
    name = f"{file.path.name}, row {row}" + (f" ({path})" if path else "")
    if isinstance(content, bytes):
        return EncodedImage(name=name, content=content)
    if not isinstance(path, str):
        return EncodedImage(name=name, content=None)
    if re.match(r"[a-z0-9+]+://|data:", path):
        raise DataError(
            f"{file.path}: row {row} holds the address {path[:80]!r} in place of an image. Nothing "
            f"is downloaded unasked. Save the images into the table: {_EMBED}."
        )
    return EncodedImage(name=name, content=file.path.parent / path)


def pixels(files: Sequence[ParquetTable], *, title: str, values: Conversion) -> Tensor:
    """Images that are nested lists of numbers, ``uint8`` ``[image, channel, height, width]``."""
    blocks: list[np.ndarray] = []
    for file in files:
        for row, column in file.images():
            blocks.append(_stacked(column, file=file, row=row))
            if blocks[-1].shape[1:] != blocks[0].shape[1:]:
                raise _sizes(file, blocks[0].shape[1:], row=row)
    if not blocks:
        raise DataError(f"{title}: holds no image at all. Every class needs at least one.")
    whole = values.value_range is None and all(block.dtype.kind in "iu" for block in blocks)
    if whole and all(block.min() >= 0 and block.max() <= 255 for block in blocks):
        blocks = [block.astype(np.uint8) for block in blocks]  # often written as 64-bit integers
    name = f"{title}, column {files[0].image.name!r}"
    pixels = as_bytes(np.concatenate(blocks), title=name, values=values)
    return channels_first(pixels, title=name).contiguous()


def _stacked(column: Any, *, file: ParquetTable, row: int) -> np.ndarray:  # noqa: ANN401
    """Nested lists as one array."""
    if hasattr(column, "to_numpy_ndarray"):  # a column of tensors of one shape
        return column.to_numpy_ndarray()
    if hasattr(column, "storage"):  # another extension type: its storage says it all
        column = column.storage
    measure = import_module("pyarrow.compute").list_value_length
    shape = [len(column)]
    while hasattr(column.type, "value_type"):
        if column.null_count:
            raise DataError(f"{file.path}: a row between {row} and {row + shape[0]} has no image.")
        lengths = measure(column).to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            raise _sizes(file, (*shape[1:], int(lengths[0])), row=row)
        shape.append(int(lengths[0]) if len(lengths) else 0)
        column = column.flatten()
    if column.null_count:
        raise DataError(f"{file.path}: an image of rows {row} to {row + shape[0]} lacks a pixel.")
    return column.to_numpy(zero_copy_only=False).reshape(shape)


def _sizes(file: ParquetTable, shape: Sequence[int], *, row: int) -> DataError:
    return DataError(
        f"{file.path}: column {file.image.name!r} holds images as lists of numbers, and after row "
        f"{row} one has another size than the first ({' x '.join(map(str, shape))}). Bring them to "
        "one size, or save them as encoded images, which --image-size (image_size=) resizes."
    )
