"""``condensery inspect``: say what is in a condensed file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensery.errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument("--json", action="store_true", help="the whole manifest, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what the manifest says and what the tensors are."""
    from condensery.artifact import CondensedSet
    from condensery.data.skipped import in_words

    condensed = CondensedSet.load(arguments.file)
    images = condensed.images
    shape, dtype = tuple(images.shape), str(images.dtype).removeprefix("torch.")
    size = arguments.file.stat().st_size
    if arguments.json:
        facts = {"file_bytes": size, "images": {"shape": list(shape), "dtype": dtype}}
        print(json.dumps({**condensed.manifest, **facts}, indent=1, ensure_ascii=False))
        return 0
    manifest = condensed.manifest
    data = manifest["data"]
    names = ", ".join(condensed.class_names[:12]) + (" ..." if condensed.classes > 12 else "")
    recipe = manifest["recipe"]
    preset = f", preset {recipe['preset']}" if "preset" in recipe else ""
    rows, channels, height, width = shape
    lines = {
        "name": condensed.name,
        "file": f"{arguments.file}, {size:,} bytes, format {manifest['format']}",
        "condensed": f"by {condensed.method}{preset}, seed {condensed.seed}, "
        f"condensery {manifest['library_version']}, {manifest['created']}",
        "from": f"{data['name']}, {data['images']:,} images, fingerprint {data['fingerprint']}",
        "images": f"{rows} stored, {channels} x {height} x {width}, {dtype}; "
        f"decode: {_words(manifest['decode'])}",
        "classes": f"{condensed.classes}: {names}",
        "normalise": f"mean {_numbers(condensed.mean)}, std {_numbers(condensed.std)}",
    }
    if condensed.soft_labels is not None:
        lines["labels"] = "learned"
    for word, text in lines.items():
        print(f"{word:11}{text}")
    for line in in_words(data.get("left_out", [])):
        print(f"left out   {line}")
    for notice in data.get("notices", []):
        print(f"notice     {notice}")
    print()
    print(_sizes(condensed))
    if condensed.observations:
        from condensery.evaluation import table

        print()
        print(table(condensed.observations))
    else:
        print("\nNot evaluated yet: condensery evaluate FILE --data DATA")
    return 0


def _sizes(condensed: Any) -> str:  # noqa: ANN401 - a CondensedSet, whose import takes torch
    """Rows and bytes of every size, and its share of the accuracy at full size where known."""
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


def _shares(condensed: Any) -> dict[int, str]:  # noqa: ANN401 - as above
    """By the measurement that ``take --accuracy`` reads; none where it would refuse."""
    from condensery.choosing import whole_measurement
    from condensery.formatting import percent

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
