"""What no reader of data sets knows of an export: WebDataset shards and learned labels."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensery.errors import DataError


def read_shards(shards: Sequence[Path]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Read tar files whose samples are ``KEY.png`` and ``KEY.json``; nothing is unpacked.

    Returns:
        Images ``[row, channel, height, width]``, classes ``[row]``, and learned labels
        ``[row, class_]`` if there are any.

    Raises:
        DataError: If a file is damaged.
    """
    samples = [sample for shard in shards for sample in _samples(shard)]
    try:
        labels = torch.tensor([facts["label"] for _, facts in samples])
        images = torch.from_numpy(np.stack([image for image, _ in samples]))
        learned = "soft_labels" in samples[0][1]
        soft = torch.tensor([facts["soft_labels"] for _, facts in samples]) if learned else None
    except (ValueError, LookupError, TypeError) as error:
        raise _damaged(shards[0].parent, error) from error
    return images.permute(0, 3, 1, 2).contiguous(), labels, soft


def _samples(shard: Path) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """Images ``[height, width, channel]`` and their facts, in the order of the file."""
    images: list[np.ndarray] = []
    facts: list[dict[str, Any]] = []
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                content = tar.extractfile(member)
                data = b"" if content is None else content.read()
                if member.name.endswith(".png"):
                    picture = np.asarray(Image.open(io.BytesIO(data)))
                    images.append(picture[:, :, None] if picture.ndim == 2 else picture)
                elif member.name.endswith(".json"):
                    facts.append(json.loads(data))
        return list(zip(images, facts, strict=True))
    except (OSError, tarfile.TarError, ValueError) as error:
        raise _damaged(shard, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be read as a shard that 'condensery export' writes ({error}). "
        "Export the set again."
    )


def column_of_soft_labels(table: Path) -> Tensor | None:
    """The learned labels in a Parquet file, ``[row, class_]``; ``None`` if it has none."""
    content = import_module("pyarrow.parquet").ParquetFile(table)
    if "soft_labels" not in content.schema_arrow.names:
        return None
    return torch.tensor(content.read(columns=["soft_labels"]).column(0).to_pylist())
