"""Images of a condensed set in the layouts of other tools.

The file ``export.json`` in the same folder says where the images come from, how to normalise them,
and which folder has which label, so that ``condensery import --format folder`` can read an export
of any form. It also marks a folder as an export; ``--overwrite`` replaces only marked folders.
Values are rounded to bytes.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from condensery.condensed.artifact import CondensedSet
from condensery.errors import ConfigError
from condensery.files import check_writable, existing_ancestor, holds_files

_MARK = "export.json"
_LONGEST = 100  # bytes of a folder name; file systems hold 143 (encrypted) to 255
_RESERVED = frozenset(
    [
        *("con", "prn", "aux", "nul"),  # names of devices on Windows, with any ending
        *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
        "export",  # export.json stands beside the folders
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedPictures:
    """The content of an export.

    Attributes:
        images: ``[example, height, width, channel]``.
        labels: ``[example]``.
        rank: ``[example]``; the example belongs to every size above its rank.
        class_names: Names of the classes in the order of the labels.
        soft_labels: Learned labels ``[example, class_]``, or ``None``.
        facts: Content of ``export.json``.
    """

    images: UInt8[np.ndarray, "example height width channel"]
    labels: Int[np.ndarray, "example"]
    rank: Int[np.ndarray, "example"]
    class_names: tuple[str, ...]
    soft_labels: np.ndarray | None
    facts: Mapping[str, Any]


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that contains something other than an export that may be replaced.

    Raises:
        ConfigError: Says what the folder contains.
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


def collect(file: Path, *, ipc: int | None, stored: bool) -> ExportedPictures:
    """The images of a condensed file.

    Args:
        file: Path of the condensed file.
        ipc: The size, or ``None`` for the full size.
        stored: Whether to export stored images; otherwise decoded training images.
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
    return ExportedPictures(
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
            "decode": dict(condensed.manifest["decode"]) if stored else {"kind": "pixels"},
            "class_names": list(condensed.class_names),
            "mean": list(condensed.mean),
            "std": list(condensed.std),
        },
    )


def write(pictures: ExportedPictures, *, form: str, out: Path) -> None:
    """Write an export; the folder appears, or is replaced, when the export is complete.

    Raises:
        ConfigError: If the form cannot contain such images, or needs a package that is absent.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.absolute().parent) as around:
        new = Path(around) / "new"
        new.mkdir()
        facts = {**pictures.facts, "form": form, **_FORMS[form](pictures, new)}
        (new / _MARK).write_text(_as_json(facts), encoding="utf-8")
        old = Path(around) / "old"  # goes with the temporary folder
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise


def _as_json(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # class names of folders whose names are not UTF-8
        text = json.dumps(facts, indent=1) + "\n"
    return text


def _folder(pictures: ExportedPictures, into: Path) -> Mapping[str, Any]:
    names = _folder_names(pictures.class_names)
    for name in names:
        (into / name).mkdir()
    for png, label, file in zip(_png(pictures), pictures.labels, _files(pictures), strict=True):
        (into / names[label] / file).write_bytes(png)
    return {"folders": names}


def _npz(pictures: ExportedPictures, into: Path) -> Mapping[str, Any]:
    arrays: dict[str, Any] = {
        "images": pictures.images,
        "labels": pictures.labels,
        "rank": pictures.rank,
        "class_names": np.array(pictures.class_names),
    }
    if pictures.soft_labels is not None:
        arrays["soft_labels"] = pictures.soft_labels
    np.savez_compressed(into / "condensed.npz", **arrays)
    return {}


def _parquet(pictures: ExportedPictures, into: Path) -> Mapping[str, Any]:
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
        "label": {"names": _distinct(pictures.class_names), "_type": "ClassLabel"},
    }
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    schema = arrow.schema(
        [("image", image), ("label", arrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    table = arrow.table({"image": cells, "label": pictures.labels}, schema=schema)
    parquet.write_table(table, into / "train.parquet")
    return {}


_FORMS: Mapping[str, Callable[[ExportedPictures, Path], Mapping[str, Any]]] = {
    "folder": _folder,
    "npz": _npz,
    "parquet": _parquet,
}


def _png(pictures: ExportedPictures) -> list[bytes]:
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


def _files(pictures: ExportedPictures) -> list[str]:
    """Names of files by rank: the first files of a class, sorted by name, are its smaller sets."""
    seen: dict[tuple[int, int], int] = {}
    names: list[str] = []
    digits = len(str(int(pictures.rank.max())))
    for label, rank in zip(pictures.labels.tolist(), pictures.rank.tolist(), strict=True):
        part = seen[label, rank] = seen.get((label, rank), -1) + 1
        names.append(f"{rank:0{digits}}-{part:02}.png")
    return names


def _distinct(class_names: tuple[str, ...]) -> list[str]:
    """Different class names, because a ``ClassLabel`` of the Hub must not repeat a name."""
    names: list[str] = []
    for label, name in enumerate(class_names):
        names.append(f"{name} ({label})" if class_names.count(name) > 1 else name)
    while len(set(names)) < len(names):  # a class is called like another with its number
        names = [f"{name} ({label})" for label, name in enumerate(names)]
    return names


def _folder_names(class_names: tuple[str, ...]) -> list[str]:
    """Class names as different names of folders that are valid on every file system.

    They have no separators or control characters, are not hidden, too long or reserved, and differ
    also on a file system that ignores case and Unicode forms.
    """
    names: list[str] = []
    taken: set[str] = set()
    for label, name in enumerate(class_names):
        composed = unicodedata.normalize("NFC", name)
        plain = re.sub(r"[^\w\- .()]+", "_", composed).strip(" .").lstrip("_")
        plain = _shortened(plain, _LONGEST).rstrip(" .") or str(label)
        if plain.partition(".")[0].strip().lower() in _RESERVED:
            plain = f"{label}-{plain}"
        candidate = f"{plain} ({label})" if _folded(plain) in taken else plain
        while _folded(candidate) in taken:  # a class is called like another with its number
            candidate = f"{candidate} ({label})"
        taken.add(_folded(candidate))
        names.append(candidate)
    return names


def _folded(name: str) -> str:
    """A key that is equal for names that a file system may not distinguish."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _shortened(name: str, limit: int) -> str:
    """The beginning of a name, of at most ``limit`` bytes of UTF-8."""
    return name.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
