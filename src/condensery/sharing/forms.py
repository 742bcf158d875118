"""The forms of an export: class folders, ``.npz``, Parquet and WebDataset shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condensery.sharing.class_names import folder_names
from condensery.sharing.parquet import require_pyarrow, write_parquet
from condensery.sharing.pictures import Pictures

_SHARD = 1000  # pictures in a shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of an export.

    Attributes:
        write: Writes the pictures of all splits into a folder; returns what ``export.json`` says in
            addition.
        png: Whether pictures are PNG files.
        learned: Whether learned labels have a place in it.
        check: Called before anything is written; raises ``ConfigError`` if a package is absent.
    """

    write: Callable[[Sequence[Pictures], Sequence[str], Path], Mapping[str, Any]]
    png: bool = True
    learned: bool = True
    check: Callable[[], None] = lambda: None


def _folder(splits: Sequence[Pictures], class_names: Sequence[str], into: Path) -> dict[str, Any]:
    """``class/*.png``; with real test images ``train/class/*.png`` and ``test/class/*.png``."""
    folders = folder_names(class_names)
    for pictures in splits:
        top = into / pictures.split if len(splits) > 1 else into
        for name in folders:
            (top / name).mkdir(parents=True)
        stems = pictures.stems()
        for png, label, stem in zip(pictures.png(), pictures.labels, stems, strict=True):
            (top / folders[label] / f"{stem}.png").write_bytes(png)
    return {"folders": folders, "inside": splits[0].split if len(splits) > 1 else "."}


def _npz(splits: Sequence[Pictures], class_names: Sequence[str], into: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {"class_names": np.array(class_names)}
    for pictures in splits:
        before = "" if pictures.split == "train" else f"{pictures.split}_"
        parts = {"images": pictures.images, "labels": pictures.labels, "rank": pictures.rank}
        parts["soft_labels"] = pictures.soft_labels
        arrays |= {f"{before}{name}": part for name, part in parts.items() if part is not None}
    np.savez_compressed(into / "condensed.npz", **arrays)
    return {}


def _parquet(splits: Sequence[Pictures], class_names: Sequence[str], into: Path) -> dict[str, Any]:
    learned = splits[0].soft_labels is not None
    for pictures in splits:
        path = into / f"{pictures.split}.parquet"
        write_parquet(pictures, path, class_names=class_names, learned=learned)
    return {}


def _webdataset(
    splits: Sequence[Pictures], class_names: Sequence[str], into: Path
) -> dict[str, Any]:
    """Tar files: a sample has ``KEY.png``, ``KEY.cls`` and ``KEY.json``; smaller sizes first."""
    for pictures in splits:
        for shard, start in enumerate(range(0, len(pictures), _SHARD)):
            part = pictures.rows(start, start + _SHARD)
            with tarfile.open(into / f"{part.split}-{shard:06}.tar", "w") as tar:
                for place, png in enumerate(part.png()):
                    label = int(part.labels[place])
                    facts: dict[str, Any] = {"label": label, "class": class_names[label]}
                    if part.rank is not None:
                        facts["rank"] = int(part.rank[place])
                    if part.soft_labels is not None:
                        facts["soft_labels"] = part.soft_labels[place].tolist()
                    sample = {
                        "png": png,
                        "cls": str(label).encode(),
                        "json": json.dumps(facts).encode(),
                    }
                    for ending, content in sample.items():
                        member = tarfile.TarInfo(f"{start + place:08}.{ending}")  # no time, no user
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
    return {}


FORMS: Mapping[str, Form] = {
    "folder": Form(write=_folder, learned=False),
    "npz": Form(write=_npz, png=False),
    "parquet": Form(write=_parquet, check=lambda: require_pyarrow("--to parquet")),
    "webdataset": Form(write=_webdataset),
}
"""All forms by name."""
