"""A condensed-set file as the report sees it: NumPy arrays and the manifest.

Reads the file with the safetensors library alone, so a report is made where torch is not
wanted. Knows nothing about decoding, data sets or training: it shows the images that are
stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped, UInt8
from safetensors import SafetensorError, safe_open

from condensery.errors import ArtifactError

__all__ = ["CondensedFile", "from_arrays", "read_condensed"]

FORMATS = (1, 2)
_TENSORS = ("images", "labels", "rank")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CondensedFile:
    """The stored images of a condensed set, for showing.

    Attributes:
        name: File name, or the name given with the arrays.
        images: 0..255, ``[row, channel, height, width]``, sorted by rank, then class.
        labels: Class index ``[row]``.
        rank: 0-based ``[row]``: the row belongs to every size above its rank.
        class_names: One name a class.
        manifest: The file's JSON, whole; empty for arrays.
        rows: Rows of the sizes 1..N.
        bytes: Bytes of the tensors of the sizes 1..N.
        file_bytes: Length of the file; of the tensors alone for arrays.
    """

    name: str
    images: UInt8[np.ndarray, "row channel height width"]
    labels: Int[np.ndarray, "row"]
    rank: Int[np.ndarray, "row"]
    class_names: tuple[str, ...]
    manifest: Mapping[str, Any]
    rows: tuple[int, ...]
    bytes: tuple[int, ...]
    file_bytes: int

    @property
    def sizes(self) -> int:
        """The largest size: images per class of the whole file."""
        return len(self.rows)

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of a stored image."""
        return self.images.shape[2], self.images.shape[3]

    @property
    def examples_each(self) -> int:
        """Training images that a stored one decodes to."""
        return int(self.manifest.get("examples_each") or self.factor**2)

    @property
    def factor(self) -> int:
        """Crops per side of a stored image, which the page can show decoded; 1: it shows none."""
        decode: Mapping[str, Any] = self.manifest.get("decode") or {}
        return int((decode.get("inner") or decode).get("factor") or 1)

    @property
    def prefixes(self) -> bool:
        """Whether the set of every size is a prefix of the file; not if it decodes by crops."""
        decode: Mapping[str, Any] = self.manifest.get("decode") or {}
        return (decode.get("inner") or decode).get("order") != "crop"

    def tile(self, row: int) -> UInt8[np.ndarray, "height width 3"]:
        """Row ``row`` as RGB; grey and unusual channel counts become grey (the mean)."""
        image = self.images[row]
        if len(image) != 3:
            mean = np.rint(image.mean(axis=0, keepdims=True)).astype(np.uint8)
            image = np.repeat(mean, 3, axis=0)
        return np.ascontiguousarray(image.transpose(1, 2, 0))


def from_arrays(
    images: Shaped[np.ndarray, "row channel height width"],
    labels: Int[np.ndarray, "row"],
    rank: Int[np.ndarray, "row"],
    *,
    class_names: Sequence[str],
    name: str = "condensed set",
) -> CondensedFile:
    """Wrap arrays that are not in a file.

    Args:
        images: uint8, or floating point in [0, 1].
        labels: Class index of each row.
        rank: 0-based rank of each row, in any order: the rows are sorted by rank, then class.
        class_names: One name a class.
        name: What to call the set.

    Raises:
        ArtifactError: If the lengths disagree or a label has no name.
    """
    tensors = {"images": images, "labels": labels, "rank": rank}
    if len({len(tensor) for tensor in tensors.values()}) == 1:
        order = np.lexsort((labels, rank))
        tensors = {key: tensor[order] for key, tensor in tensors.items()}
    return _checked(tensors, name=name, manifest={"class_names": list(class_names)})


def read_condensed(path: str | Path) -> CondensedFile:
    """Read a condensed-set file.

    Raises:
        ArtifactError: If the file is absent, is not a condensed-set file, has another format
            number, or its tensors and its manifest disagree.
    """
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(
            f"{path}: there is no such file. Give the condensed.safetensors of a run."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            present = set(file.keys())
            tensors = {key: file.get_tensor(key) for key in _TENSORS if key in present}
    except (SafetensorError, OSError, TypeError) as error:
        raise ArtifactError(
            f"{path}: not a readable safetensors file ({error}). It may be truncated: "
            "copy it again, or condense again."
        ) from error
    manifest = _manifest(path, metadata)
    if "images" not in present and manifest.get("tensors"):  # what is stored are no pixels
        from condensery.artifact import CondensedSet

        whole = CondensedSet.load(path)
        tensors["images"] = whole.images.numpy()
        return _checked(tensors, name=path.name, manifest=manifest, file_bytes=path.stat().st_size)
    missing = [key for key in _TENSORS if key not in tensors]
    if missing:
        raise ArtifactError(
            f"{path}: has no tensor {missing[0]!r}, only {sorted(present)}. A condensed-set "
            f"file holds {', '.join(_TENSORS)}."
        )
    return _checked(tensors, name=path.name, manifest=manifest, file_bytes=path.stat().st_size)


def _manifest(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        manifest = json.loads(metadata["condensery"])
        found = manifest["format"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: its metadata holds no readable 'condensery' object, so it is no "
            "condensed-set file. Give a file written by condensery."
        ) from error
    if found not in FORMATS:
        raise ArtifactError(
            f"{path}: format is {found!r}, this library reads up to {FORMATS[-1]}. Update "
            "condensery."
        )
    return manifest


def _checked(
    tensors: Mapping[str, np.ndarray],
    *,
    name: str,
    manifest: Mapping[str, Any],
    file_bytes: int | None = None,
) -> CondensedFile:
    """Build the view; raise ArtifactError where parts disagree."""
    images, labels, rank = (tensors[key] for key in _TENSORS)
    if images.ndim != 4 or not len(images):
        raise ArtifactError(
            f"{name}: images has shape {list(images.shape)}, expected at least one "
            "[channel, height, width] image a row."
        )
    for key, tensor in (("labels", labels), ("rank", rank)):
        if tensor.shape != (len(images),):
            raise ArtifactError(
                f"{name}: {key} has shape {list(tensor.shape)} but there are {len(images)} "
                "images. The file is damaged."
            )
    names = tuple(str(class_name) for class_name in manifest.get("class_names") or ())
    if labels.min() < 0 or labels.max() >= len(names):
        raise ArtifactError(
            f"{name}: labels reach from {labels.min()} to {labels.max()} but class_names has "
            f"{len(names)} names. Every label needs a name."
        )
    if rank[0] != 0 or np.any(np.diff(rank) < 0):
        raise ArtifactError(f"{name}: rank does not rise from 0 row by row. The file is damaged.")
    rows = tuple(int((rank < size).sum()) for size in range(1, int(rank[-1]) + 2))
    recorded = manifest.get("rows")
    if recorded is not None and tuple(recorded) != rows:
        raise ArtifactError(
            f"{name}: rows says {list(recorded)} but rank gives {list(rows)}. The file is damaged."
        )
    a_row = sum(tensor[:1].nbytes for tensor in tensors.values())
    held = tuple(count * a_row for count in rows)
    stated = manifest.get("bytes") or ()
    stated_fits = len(stated) == len(rows)
    return CondensedFile(
        name=name,
        images=_as_bytes(images),
        labels=labels,
        rank=rank,
        class_names=names,
        manifest=manifest,
        rows=rows,
        bytes=tuple(int(count) for count in stated) if stated_fits else held,
        file_bytes=held[-1] if file_bytes is None else file_bytes,
    )


def _as_bytes(images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images.astype(np.float32), 0.0, 1.0) * 255.0).astype(np.uint8)
