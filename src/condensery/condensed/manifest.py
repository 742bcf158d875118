"""The manifest of a condensed file, and the checks that its tensors agree with it.

The keys are those of docs/artifact.md. Knows nothing about files: it checks tensors and a JSON
object, and raises ``ArtifactError`` with the field and both values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from condensery.errors import ArtifactError, ConfigError
from condensery.parameterizations import decoder
from condensery.types import Examples

FORMAT = 2
"""The format of new files, and the newest format that can be read."""

KEY = "condensery"
"""The key of the manifest in the ``__metadata__`` of the file."""

REQUIRED = ("labels", "rank")
OPTIONAL = ("soft_labels",)
"""The tensors of a file are those that the manifest names as stored, all of ``REQUIRED``, and any
of ``OPTIONAL``."""

IMAGE_DTYPES = (torch.uint8, torch.float16, torch.float32)
"""The allowed dtypes of stored images."""

_FIELDS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "library_version": (str,),
    "name": (str,),
    "class_names": (list,),
    "sizes": (int,),
    "rows": (list,),
    "decode": (dict,),
    "mean": (list,),
    "std": (list,),
    "zca": (object,),
    "learned_lr": (int, float, type(None)),
    "method": (str,),
    "recipe": (dict,),
    "seed": (int,),
    "data": (dict,),
    "observations": (list,),
    "bytes": (list,),
    "created": (str,),
}


_SINCE_2: dict[str, tuple[type, ...]] = {
    "tensors": (dict,),
    "shape": (list,),
    "examples_each": (int,),
}


def stored_tensors(manifest: Mapping[str, Any]) -> dict[str, str]:
    """``{name: "rows" or "shared"}`` of the stored tensors."""
    return dict(manifest.get("tensors") or {"images": "rows"})  # format 1 held images alone


def check(tensors: Mapping[str, Tensor], manifest: dict[str, Any]) -> None:
    """Refuse tensors and a manifest that do not describe one condensed set.

    Raises:
        ArtifactError: Names the field, the found value and the expected one.
    """
    check_format(manifest)
    _check_fields(manifest)
    _check_values(tensors, stored_tensors(manifest), classes=len(manifest["class_names"]))
    _check_order(tensors["rank"], tensors["labels"], classes=len(manifest["class_names"]))
    _check_agreement(tensors, manifest)
    _check_decoding(tensors, manifest)


def check_format(manifest: dict[str, Any]) -> None:
    """Refuse a format that this library cannot read; must be the first check.

    Raises:
        ArtifactError: If the format is newer, or is not a format.
    """
    found = manifest.get("format")
    if type(found) is not int or found < 1:
        raise ArtifactError(f"format: found {found!r}, expected {FORMAT}.")
    if found > FORMAT:
        raise ArtifactError(
            f"format: found {found}, but this library ({library_version()}) reads up to {FORMAT}. "
            "Update condensery."
        )


def _check_fields(manifest: dict[str, Any]) -> None:
    fields = _FIELDS if manifest["format"] == 1 else _FIELDS | _SINCE_2
    for field, types in fields.items():
        wanted = " or ".join("null" if t is type(None) else t.__name__ for t in types)
        if field not in manifest:
            raise ArtifactError(f"{field}: found nothing, expected a {wanted}.")
        value = manifest[field]
        if not isinstance(value, types) or (isinstance(value, bool) and object not in types):
            raise ArtifactError(f"{field}: found {value!r}, expected a {wanted}.")
    for name, kind in stored_tensors(manifest).items():
        if kind not in ("rows", "shared") or name in (*REQUIRED, *OPTIONAL):
            raise ArtifactError(
                f"tensors: found {manifest['tensors']!r}, expected names of stored tensors with "
                '"rows" or "shared".'
            )
    shape = manifest.get("shape", [1, 1, 1])
    if len(shape) != 3 or not all(type(x) is int and x > 0 for x in shape):
        raise ArtifactError(f"shape: found {shape!r}, expected three whole numbers above 0.")
    names = manifest["class_names"]
    if not names or not all(isinstance(name, str) for name in names):
        raise ArtifactError(f"class_names: found {names!r}, expected one name or more.")
    for field in ("mean", "std"):
        if not all(type(x) in (int, float) and math.isfinite(x) for x in manifest[field]):
            raise ArtifactError(f"{field}: found {manifest[field]!r}, expected finite numbers.")
    if not all(x > 0 for x in manifest["std"]):
        raise ArtifactError(f"std: found {manifest['std']!r}, expected numbers above 0.")
    if manifest["data"].get("classes") != len(names):
        found = manifest["data"].get("classes")
        raise ArtifactError(
            f"class_names: found {len(names)} names, expected {found!r} (data.classes)."
        )
    for i, record in enumerate(manifest["observations"]):
        size = record.get("size") if isinstance(record, dict) else None
        if type(size) is not int or not 1 <= size <= manifest["sizes"]:
            raise ArtifactError(
                f"observations[{i}].size: found {size!r}, expected 1..{manifest['sizes']}."
            )
    try:
        decoder(manifest["decode"])
    except ConfigError as error:
        raise ArtifactError(f"decode: {error}") from error


def _check_values(tensors: Mapping[str, Tensor], kinds: Mapping[str, str], *, classes: int) -> None:
    dims = {"images": 4, "labels": 1, "rank": 1, "soft_labels": 2}
    dtypes = {"labels": torch.int64, "rank": torch.int32, "soft_labels": torch.float32}
    first = next((name for name, kind in kinds.items() if kind == "rows"), "labels")
    count = len(tensors[first]) if tensors[first].ndim else 0
    for name, tensor in tensors.items():
        if name == "images" and tensor.dtype not in IMAGE_DTYPES:
            raise ArtifactError(
                f"images.dtype: found {tensor.dtype}, expected {words(IMAGE_DTYPES)}."
            )
        _same(f"{name}.dtype", tensor.dtype, dtypes.get(name, tensor.dtype))
        _same(f"{name}.ndim", tensor.ndim, dims.get(name, tensor.ndim))
        if kinds.get(name) != "shared":
            _same(f"{name}: rows", len(tensor) if tensor.ndim else 0, count)
        if tensor.numel() == 0:
            raise ArtifactError(f"{name}: found shape {list(tensor.shape)}, expected no 0 in it.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ArtifactError(f"{name}: found NaN or infinite values, expected none.")
    labels, rank, images = tensors["labels"], tensors["rank"], tensors.get("images")
    if (
        images is not None
        and images.is_floating_point()
        and not 0 <= float(images.min()) <= float(images.max()) <= 1
    ):
        found = f"{float(images.min())}..{float(images.max())}"
        raise ArtifactError(f"images: found values in {found}, expected 0..1.")
    if "soft_labels" in tensors:
        _same("soft_labels: classes", tensors["soft_labels"].shape[1], classes)
    for name, tensor, end in (("labels", labels, classes), ("rank", rank, len(rank))):
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high >= end:
            why = f" (class_names has {classes})" if name == "labels" else ""
            raise ArtifactError(
                f"{name}: found {low}..{high}, expected values in 0..{end - 1}{why}."
            )


def _check_order(rank: Tensor, labels: Tensor, *, classes: int) -> None:
    place = rank.long() * classes + labels
    wrong = (place[1:] <= place[:-1]).nonzero()
    if len(wrong):
        row = int(wrong[0]) + 1
        here, before = (f"(rank {int(rank[i])}, class {int(labels[i])})" for i in (row, row - 1))
        raise ArtifactError(
            f"order: row {row} is {here} after {before}, expected rows sorted by rank, then "
            "class, one row each."
        )
    counts = torch.bincount(labels, minlength=classes)
    top = torch.full((classes,), -1).scatter_reduce(0, labels, rank.long(), "amax")
    for class_ in (counts != top + 1).nonzero()[:1].flatten().tolist():
        raise ArtifactError(
            f"rank: class {class_} has {int(counts[class_])} rows, but its highest rank is "
            f"{int(top[class_])}, expected ranks 0, 1, 2, ... without a gap."
        )


def _check_agreement(tensors: Mapping[str, Tensor], manifest: dict[str, Any]) -> None:
    rank, kinds = tensors["rank"], stored_tensors(manifest)
    sizes = int(rank.max()) + 1
    _same("sizes", manifest["sizes"], sizes)
    rows, stored = nested_rows(rank), {name: tensors[name] for name in kinds}
    held = bytes_by_size(stored, kinds, tensors.get("soft_labels"), rows)
    for field, expected in (("rows", rows), ("bytes", held)):
        _same(f"{field}: entries", len(manifest[field]), sizes)
        for k, (found, wanted) in enumerate(zip(manifest[field], expected, strict=True)):
            _same(f"{field}[{k}]", found, wanted)
    for field in ("mean", "std"):
        channels = manifest["shape"][0] if "shape" in manifest else stored["images"].shape[1]
        _same(f"{field}: channels", len(manifest[field]), channels)


def _check_decoding(tensors: Mapping[str, Tensor], manifest: dict[str, Any]) -> None:
    """Check that the first row can be decoded and has the shape in the manifest."""
    parameterization, kinds = decoder(manifest["decode"]), stored_tensors(manifest)
    first = {
        name: tensors[name][:1] if kind == "rows" else tensors[name] for name, kind in kinds.items()
    }
    shape = tuple(manifest["shape"]) if "shape" in manifest else first["images"].shape[1:]
    try:
        images, shared = parameterization.from_file(first, shape=shape)
        row = Examples(
            images=images,
            labels=tensors["labels"][:1],
            class_=tensors["labels"][:1],
            rank=tensors["rank"][:1].long(),
            shared=shared,
        )
        found = tuple(parameterization.decode(row).images.shape[1:])
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise ArtifactError(
            f"tensors: found {words(list(kinds))}, which decode = {manifest['decode']} cannot read "
            f"({error!r})."
        ) from error
    _same("shape", list(shape), list(found))
    if "examples_each" in manifest:
        _same("examples_each", manifest["examples_each"], parameterization.examples_each)


def _same(field: str, found: object, expected: object) -> None:
    if type(found) is not type(expected) or found != expected:
        raise ArtifactError(f"{field}: found {found!r}, expected {expected!r}.")


def cut(manifest: Mapping[str, Any], ipc: int) -> dict[str, Any]:
    """The manifest of the prefix of size ``ipc``.

    Raises:
        ConfigError: If the size is not in the set, or sizes are no prefixes of its rows.
    """
    check_size(ipc, sizes=manifest["sizes"])
    if ipc < manifest["sizes"] and not decoder(manifest["decode"]).prefixes:
        raise ConfigError(
            f"take({ipc}): this set decodes crop by crop (decode order 'crop'), so its size {ipc} "
            f"is spread over parts of more than {ipc} stored images and is no prefix of the file's "
            f"bytes. Use decode({ipc}) or as_dataset({ipc}), or condense with order 'image'."
        )
    return {
        **manifest,
        "sizes": ipc,
        "rows": manifest["rows"][:ipc],
        "bytes": manifest["bytes"][:ipc],
        "observations": [x for x in manifest["observations"] if x["size"] <= ipc],
    }


def check_size(ipc: int, *, sizes: int) -> None:
    """Refuse a size that a set does not have.

    Raises:
        ConfigError: Names the sizes that the set has.
    """
    if not 1 <= ipc <= sizes:
        raise ConfigError(
            f"ipc = {ipc}, but this set holds the sizes 1..{sizes} (images per class)."
        )


def nested_rows(rank: Tensor) -> list[int]:
    """Number of rows of the sizes 1, 2, ... for rows with these ranks."""
    return torch.bincount(rank).cumsum(0).tolist()


def bytes_by_size(
    stored: Mapping[str, Tensor],
    kinds: Mapping[str, str],
    soft_labels: Tensor | None,
    rows: Sequence[int],
) -> list[int]:
    """Bytes of the sizes 1, 2, ...: of all tensors of their rows, and of the shared tensors.

    Args:
        stored: The stored tensors by name.
        kinds: ``stored_tensors`` of the manifest.
        soft_labels: Learned labels, if there are any.
        rows: ``nested_rows`` of the set.
    """
    soft = 0 if soft_labels is None else soft_labels.shape[1] * 4
    each = sum(
        math.prod(tensor.shape[1:]) * tensor.element_size()
        for name, tensor in stored.items()
        if kinds[name] == "rows"
    )
    once = sum(tensor.nbytes for name, tensor in stored.items() if kinds[name] == "shared")
    each += 8 + 4 + soft  # a label has 8 bytes, and a rank 4
    return [count * each + once for count in rows]


def dumps(value: object) -> str:
    """The JSON text of a value: compact, with the order of its keys, without NaN."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def words(values: Sequence[object]) -> str:
    """Values in words for a message."""
    return ", ".join(str(value) for value in values) or "nothing"


def library_version() -> str:
    """The version of this library."""
    try:
        return version("condensery")
    except PackageNotFoundError:  # run from its sources
        return "unknown"
