"""Pictures as a Parquet file in the layout of the package ``datasets``.

Needs pyarrow, which is imported only when such a file is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from condensery.errors import ConfigError
from condensery.sharing.class_names import distinct
from condensery.sharing.pictures import Pictures

_BLOCK = 256  # pictures that are encoded at a time


def require_pyarrow(given: str) -> None:
    """Refuse to go on without the package pyarrow.

    Args:
        given: The option or the function that needs it.

    Raises:
        ConfigError: Says how to install it.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            f"{given} needs pyarrow, which is not installed. Install it with: pip install "
            "'condensery[parquet]'; or export --to folder, npz or webdataset."
        ) from error


def write_parquet(
    pictures: Pictures, path: Path, *, class_names: Sequence[str], learned: bool
) -> None:
    """Write pictures with the columns ``image``, ``label``, ``rank`` and perhaps ``soft_labels``.

    The metadata declares the columns for the package ``datasets``: images are decoded when they are
    read, and labels are of type ``ClassLabel``. ``rank`` and ``soft_labels`` of real images are
    null.

    Args:
        pictures: What is written.
        path: The file.
        class_names: Names of the classes in the order of the labels.
        learned: Whether there is a column ``soft_labels``.
    """
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    names = distinct(class_names)
    columns: dict[str, Any] = {
        "image": arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]),
        "label": arrow.int64(),
        "rank": arrow.int32(),
    }
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
        "rank": {"dtype": "int32", "_type": "Value"},
    }
    if learned:
        # A list without a fixed length: pyarrow before 22 cannot read nulls of one with it.
        columns["soft_labels"] = arrow.list_(arrow.float32())
        features["soft_labels"] = {  # every version reads this word; it became "List" in 4.0
            "feature": {"dtype": "float32", "_type": "Value"},
            "_type": "Sequence",
        }
    note = json.dumps({"info": {"features": features}})
    schema = arrow.schema(list(columns.items()), metadata={"huggingface": note})
    files = [f"{stem}.png" for stem in pictures.stems()]
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, len(pictures), _BLOCK):
            part = pictures.rows(start, start + _BLOCK)
            cells = {
                "image": [
                    {"bytes": png, "path": file}
                    for png, file in zip(part.png(), files[start:], strict=False)
                ],
                "label": part.labels,
                "rank": [None] * len(part) if part.rank is None else part.rank,
            }
            if learned:
                soft = part.soft_labels
                cells["soft_labels"] = [None] * len(part) if soft is None else soft.tolist()
            writer.write_table(arrow.table(cells, schema=schema))
