"""Which column of a Parquet table holds the images and which the labels, and how.

Decided from the schema alone: the names of the columns, their types, and the features that the
package ``datasets`` notes in the metadata. Knows nothing about values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from condensery.errors import DataError

ENCODED = "encoded"
"""Encoded images: bytes, or structs of ``bytes`` and ``path``."""

PATH = "path"
"""Paths of image files, as text."""

PIXELS = "pixels"
"""Nested lists of numbers, or tensors: ``[height, width]``, with channels first or last."""

LIST = "list"
"""Lists of encoded images."""

_USUAL_IMAGES = (
    *("image", "img", "images", "pixel_values", "pixels", "photo", "picture", "jpg", "png"),
    *("file_name", "image_path"),
)
_USUAL_LABELS = (
    *("label", "fine_label", "labels", "class", "class_name", "category", "target", "cls"),
)
_RENAME = (
    "pyarrow.parquet.write_table(pyarrow.parquet.read_table(OLD, columns=[IMAGE, LABEL])"
    ".rename_columns(['image', 'label']), NEW)"
)

# Types as Arrow writes them.
_BYTES = re.compile(r"(large_)?binary|binary_view|fixed_size_binary\[\d+\]")
_TEXT = re.compile(r"(large_)?string|string_view|dictionary<values=(large_)?string(_view)?,.*")
_NUMBER = re.compile(r"u?int\d+|halffloat|float|double")


class ImageColumn(NamedTuple):
    """The column of the images, and its kind: ``ENCODED``, ``PATH``, ``PIXELS`` or ``LIST``."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schema:
    """The columns of one file."""

    path: Path  # the file
    types: Mapping[str, Any]  # the Arrow type of every column (``pyarrow.DataType``)
    # what the package ``datasets`` declares of columns, by name
    features: Mapping[str, Mapping[str, Any]]

    def image_column(self) -> ImageColumn:
        """Find the column that holds the images.

        A column of the usual name comes first (``image``), then the only column that is declared
        as images, then other usual names (``img``, ``images``, ...), then the only column of
        encoded images.
        """
        kinds = {name: _image_kind(type_) for name, type_ in self.types.items()}
        fitting = {name: kind for name, kind in kinds.items() if kind is not None}
        likely = [name for name, kind in fitting.items() if kind in (ENCODED, LIST)]
        found = self._choose("image", "Image", _USUAL_IMAGES, list(fitting), likely)
        if found is not None:
            return ImageColumn(found, fitting[found])
        named = next((name for name in _USUAL_IMAGES if name in self.types), None)
        if named is None:
            raise self._unknown("image")
        if _depth(self.types[named]) == 1:
            raise DataError(
                f"{self.path}: column {named!r} holds a flat list of numbers for each image "
                f"({self.types[named]}), and the file does not say their height and width. Save "
                "lists of rows, [height, width], or encoded images, or reshape them and give "
                "arrays (images, labels) in Python."
            )
        raise DataError(
            f"{self.path}: column {named!r} is of type {self.types[named]}, which holds no "
            "images. Images are bytes, structs of bytes and path, paths of image files, or "
            "lists of rows of numbers."
        )

    def label_column(self) -> str:
        """Find the column that holds the labels, as ``image_column`` does."""
        found = self._choose("label", "ClassLabel", _USUAL_LABELS, list(self.types), ())
        if found is None:
            raise self._unknown("label")
        return found

    @property
    def has_images(self) -> bool:
        """Whether a column holds images, not just paths of images."""
        kinds = {name: _image_kind(type_) for name, type_ in self.types.items()}
        return any(
            kind in (ENCODED, LIST) or (kind == PIXELS and name in _USUAL_IMAGES)
            for name, kind in kinds.items()
        )

    def class_names(self, label: str) -> tuple[str, ...] | None:
        """The class names that are declared for a column."""
        names = self.features.get(label, {}).get("names")
        return tuple(str(name) for name in names) if names else None

    def _choose(
        self,
        what: str,
        feature: str,
        usual: Sequence[str],
        fitting: Sequence[str],
        likely: Sequence[str],
    ) -> str | None:
        declared = [n for n in fitting if self.features.get(n, {}).get("_type") == feature]
        certain = [usual[0], *(declared if len(declared) == 1 else ()), usual[1]]
        if found := next((name for name in certain if name in fitting), None):
            return found
        candidates = declared or [name for name in usual if name in fitting] or list(likely)
        if len(candidates) > 1:
            raise DataError(
                f"{self.path}: the columns {', '.join(map(repr, candidates))} may all hold the "
                f"{what}s. Write a file in which only one does, called {what!r}: {_RENAME}"
            )
        return candidates[0] if candidates else None

    def _unknown(self, what: str) -> DataError:
        return DataError(
            f"{self.path}: its columns are {', '.join(self.types) or 'none'}, and none is known to "
            f"hold the {what}s. Name it {what!r}, as the image layout of Hugging Face does."
        )


def describe(path: Path, schema: Any) -> Schema:  # noqa: ANN401 - pyarrow has no types here
    """Read the columns and the declared features of an Arrow schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):  # another writer's file: only column names are known
        features = None
    held = features.items() if isinstance(features, dict) else ()
    return Schema(
        path=path,
        types={field.name: field.type for field in schema},
        features={name: kind for name, kind in held if isinstance(kind, dict)},
    )


def _image_kind(type_: Any) -> str | None:  # noqa: ANN401
    if _is_encoded(type_):
        return ENCODED
    if _TEXT.fullmatch(str(type_)):
        return PATH
    inner = _value_type(type_)
    if inner is not None and _is_encoded(inner):
        return LIST
    return PIXELS if _depth(type_) in (2, 3) else None


def _is_encoded(type_: Any) -> bool:  # noqa: ANN401
    """Whether values are bytes, or structs that hold ``bytes`` or, as text, a ``path``."""
    if not str(type_).startswith("struct<"):
        return _BYTES.fullmatch(str(type_)) is not None
    fields = [type_.field(i) for i in range(type_.num_fields)]
    types = {field.name: str(field.type) for field in fields}
    content, path = types.get("bytes", ""), types.get("path", "")
    return bool(content == "null" or _BYTES.fullmatch(content) or _TEXT.fullmatch(path))


def _depth(type_: Any) -> int | None:  # noqa: ANN401
    """How many lists are around numbers; the axes of a tensor; ``None`` for other types."""
    if str(type_).startswith("extension<arrow.fixed_shape_tensor"):
        return len(type_.shape)
    depth = 0
    while (inner := _value_type(type_)) is not None:
        type_, depth = inner, depth + 1
    return depth if _NUMBER.fullmatch(str(type_)) else None


def _value_type(type_: Any) -> Any:  # noqa: ANN401
    """What a list is a list of; ``None`` if it is no list."""
    type_ = getattr(type_, "storage_type", type_)  # of an extension, such as Array2D
    is_list = re.match(r"(large_|fixed_size_)?list<", str(type_))
    return type_.value_type if is_list else None
