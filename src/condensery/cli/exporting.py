"""Images of a condensed set in the layouts of other tools.

``export.json`` beside them says where they come from and how to normalise them; it also marks a
folder as an export, which alone ``--overwrite`` replaces. Values are rounded to bytes.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from condensery.artifact import CondensedSet
from condensery.cli.files import check_writable, existing_ancestor, holds_files
from condensery.errors import ConfigError

__all__ = ["Pictures", "check_out", "collect", "write"]

_MARK = "export.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """What is exported.

    Attributes:
        images: ``[example, height, width, channel]``.
        labels: ``[example]``.
        rank: ``[example]``: the example belongs to every size above it.
        class_names: In label order.
        soft_labels: Learned labels ``[example, class_]``, or ``None``.
        facts: For ``export.json``.
    """

    images: UInt8[np.ndarray, "example height width channel"]
    labels: Int[np.ndarray, "example"]
    rank: Int[np.ndarray, "example"]
    class_names: tuple[str, ...]
    soft_labels: np.ndarray | None
    facts: Mapping[str, Any]


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something other than an export that may be replaced.

    Raises:
        ConfigError: Saying what is there.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file, but a folder is made. Give another name.")
    if holds_files(out):
        if not (out / _MARK).exists():
            raise ConfigError(
                f"--out {out}: holds other things, which are never removed. Give another folder."
            )
        if not overwrite:
            raise ConfigError(
                f"--out {out}: holds an export already. Give --overwrite to replace it, or "
                "another folder."
            )
    above = existing_ancestor(out.absolute().parent)
    if not above.is_dir():
        raise ConfigError(f"--out {out}: {str(above)!r} is no folder. Give another path.")
    check_writable(above, given=out)


def collect(file: Path, *, ipc: int | None, stored: bool) -> Pictures:
    """The images of a condensed file.

    Args:
        file: To read.
        ipc: The size, or ``None`` for all of it.
        stored: Whether to give the images as stored; else as training sees them.
    """
    condensed = CondensedSet.load(file)
    if stored:
        cut = condensed if ipc is None else condensed.take(ipc)
        images, labels, rank, soft = cut.images, cut.labels, cut.rank, cut.soft_labels
        if images.is_floating_point():
            images = (images.float() * 255).round().byte()
    else:
        examples = condensed.decode(ipc)
        images = (examples.images * 255).round().byte()
        labels, rank = examples.class_, examples.rank
        soft = examples.labels if examples.labels.ndim == 2 else None
    return Pictures(
        images=images.permute(0, 2, 3, 1).contiguous().numpy(),
        labels=labels.numpy(),
        rank=rank.numpy(),
        class_names=condensed.class_names,
        soft_labels=None if soft is None else soft.numpy(),
        facts={
            "from": file.name,
            "name": condensed.name,
            "images_per_class": condensed.sizes if ipc is None else ipc,
            "stored": stored,
            "class_names": list(condensed.class_names),
            "mean": list(condensed.mean),
            "std": list(condensed.std),
        },
    )


def write(pictures: Pictures, *, form: str, out: Path) -> None:
    """Write an export; the folder appears, or is exchanged, when it is whole.

    Args:
        pictures: What.
        form: ``"folder"``, ``"npz"`` or ``"parquet"``.
        out: Passed ``check_out``.

    Raises:
        ConfigError: If the form cannot hold such images, or needs what is not installed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.absolute().parent) as around:
        new = Path(around) / "new"
        new.mkdir()
        _FORMS[form](pictures, new)
        facts = json.dumps(pictures.facts, indent=1, ensure_ascii=False) + "\n"
        (new / _MARK).write_text(facts, encoding="utf-8")
        old = Path(around) / "old"  # goes with the temporary folder
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise


def _folder(pictures: Pictures, into: Path) -> None:
    names = _folder_names(pictures.class_names)
    for name in names:
        (into / name).mkdir()
    for png, label, file in zip(_png(pictures), pictures.labels, _files(pictures), strict=True):
        (into / names[label] / file).write_bytes(png)


def _npz(pictures: Pictures, into: Path) -> None:
    arrays: dict[str, Any] = {
        "images": pictures.images,
        "labels": pictures.labels,
        "rank": pictures.rank,
        "class_names": np.array(pictures.class_names),
    }
    if pictures.soft_labels is not None:
        arrays["soft_labels"] = pictures.soft_labels
    np.savez_compressed(into / "condensed.npz", **arrays)


def _parquet(pictures: Pictures, into: Path) -> None:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            "--to parquet needs pyarrow, which is not installed. Install it with: "
            "pip install 'condensery[parquet]'; or export --to folder or npz."
        ) from error
    cells = [
        {"bytes": png, "path": file}
        for png, file in zip(_png(pictures), _files(pictures), strict=True)
    ]
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(pictures.class_names), "_type": "ClassLabel"},
    }
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    schema = arrow.schema(
        [("image", image), ("label", arrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    table = arrow.table({"image": cells, "label": pictures.labels}, schema=schema)
    parquet.write_table(table, into / "train.parquet")


_FORMS: Mapping[str, Callable[[Pictures, Path], None]] = {
    "folder": _folder,
    "npz": _npz,
    "parquet": _parquet,
}


def _png(pictures: Pictures) -> list[bytes]:
    channels = pictures.images.shape[-1]
    if channels not in (1, 3, 4):
        raise ConfigError(
            f"--to folder and parquet hold PNG pictures of 1, 3 or 4 channels; these have "
            f"{channels}. Export --to npz."
        )
    encoded: list[bytes] = []
    for image in pictures.images:
        buffer = io.BytesIO()
        Image.fromarray(image[:, :, 0] if channels == 1 else image).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    return encoded


def _files(pictures: Pictures) -> list[str]:
    """Names by rank: the first files of a class, by name, are its smaller sets."""
    seen: dict[tuple[int, int], int] = {}
    names: list[str] = []
    digits = len(str(int(pictures.rank.max())))
    for label, rank in zip(pictures.labels.tolist(), pictures.rank.tolist(), strict=True):
        part = seen[label, rank] = seen.get((label, rank), -1) + 1
        names.append(f"{rank:0{digits}}-{part:02}.png")
    return names


def _folder_names(class_names: tuple[str, ...]) -> list[str]:
    """Class names as folder names: no separators, nothing hidden, no two alike."""
    names: list[str] = []
    for label, name in enumerate(class_names):
        plain = re.sub(r"[^\w\- .()]+", "_", name).strip(" .").lstrip("_") or str(label)
        alike = plain.lower() in (taken.lower() for taken in names)
        names.append(f"{plain} ({label})" if alike else plain)
    return names
