"""The description of a condensed set in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.choosing import whole_measurement
from condensery.data.skipped import in_words
from condensery.errors import ConfigError
from condensery.evaluation import table
from condensery.formatting import percent


def describe(condensed: CondensedSet, *, file: Path | None = None) -> str:
    """The manifest, the tensors, all sizes, and the known accuracies."""
    manifest = condensed.manifest
    data = manifest["data"]
    names = ", ".join(condensed.class_names[:12]) + (" ..." if condensed.classes > 12 else "")
    recipe = manifest["recipe"]
    preset = f", preset {recipe['preset']}" if "preset" in recipe else ""
    rows, channels, height, width = condensed.images.shape
    dtype = str(condensed.images.dtype).removeprefix("torch.")
    words = {"name": condensed.name}
    if file is not None:
        size = file.stat().st_size
        words["file"] = f"{file}, {size:,} bytes, format {manifest['format']}"
    words |= {
        "condensed": f"by {condensed.method}{preset}, seed {condensed.seed}, "
        f"condensery {manifest['library_version']}, {manifest['created']}",
        "from": f"{data['name']}, {data['images']:,} images, fingerprint {data['fingerprint']}",
        "images": f"{rows} stored, {channels} x {height} x {width}, {dtype}; "
        f"decode: {_words(manifest['decode'])}",
        "classes": f"{condensed.classes}: {names}",
        "normalise": f"mean {_numbers(condensed.mean)}, std {_numbers(condensed.std)}",
    }
    if condensed.soft_labels is not None:
        words["labels"] = "learned"
    lines = [f"{word:11}{text}" for word, text in words.items()]
    lines += [f"left out   {line}" for line in in_words(data.get("left_out", []))]
    lines += [f"notice     {notice}" for notice in data.get("notices", [])]
    accuracy = (
        table(condensed.observations)
        if condensed.observations
        else ("Not evaluated yet: condensery evaluate FILE --data DATA")
    )
    return "\n".join((*lines, "", _sizes(condensed), "", accuracy))


def _sizes(condensed: CondensedSet) -> str:
    """Rows and bytes of every size, and its share of the accuracy at full size if known."""
    shares = _shares(condensed)
    cells = [("images per class", "rows", "bytes", "of full accuracy")]
    known = {x["size"] for x in condensed.observations} | {1, condensed.sizes}
    shown = range(1, condensed.sizes + 1) if condensed.sizes <= 20 else sorted(known)
    for size in shown:
        stored = f"{condensed.bytes_of(size):,}"
        cells.append((str(size), str(condensed.rows[size - 1]), stored, shares.get(size, "-")))
    if not shares:
        cells = [row[:-1] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(lines)


def _shares(condensed: CondensedSet) -> dict[int, str]:
    """Shares by the measurement of ``take --accuracy``; empty if there is none."""
    try:
        found = whole_measurement(condensed.observations, largest=condensed.sizes)
    except ConfigError:
        return {}
    full = found[-1]["accuracy"]
    return {record["size"]: f"{percent(record['accuracy'] / full)} %" for record in found if full}


def _words(decode: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in decode.items() if name != "kind")
    return f"{decode['kind']} ({rest})" if rest else str(decode["kind"])


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
