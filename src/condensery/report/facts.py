"""What the page says in words: how the file was made, and what its numbers do not show.

Plain text out, nothing escaped. Knows nothing about HTML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from condensery.formatting import duration
from condensery.report.accuracy import Comparison
from condensery.report.condensed_file import CondensedFile
from condensery.report.course import Course

__all__ = ["caveats", "made", "recipe_text"]

_FULL_EPOCHS = {"idc": 1000, "dc": 300, "dsa": 1000, "mtt": 1000}
"""Length of a protocol as published, for images of 28 to 32 pixels."""

_UNKNOWN = "not recorded"


def made(file: CondensedFile, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the file was made, as pairs of a word and a value; missing values say so.

    Args:
        file: What was made.
        run: ``recipe``, ``versions``, ``machine``, ``seconds``, ``peak_memory_mb``, ``data``,
            ``ended``; any may be missing, and the manifest is asked where it knows.
    """
    manifest = file.manifest
    recipe = _recipe(file, run)
    data: Mapping[str, Any] = run.get("data") or manifest.get("data") or {}
    versions = run.get("versions") or {"condensery": manifest.get("library_version", _UNKNOWN)}
    seconds, memory = run.get("seconds"), run.get("peak_memory_mb")
    return [
        ("Method", _text(manifest.get("method") or recipe.get("method"))),
        ("Seed", _text(manifest.get("seed", recipe.get("seed")))),
        ("Data", _data(data)),
        ("Data fingerprint", _text(data.get("fingerprint"))),
        ("Stored as", _stored(file)),
        ("Versions", _text(versions)),
        ("Machine", _text(run.get("machine"))),
        ("Ended", _text(run.get("ended"))),
        ("Time to condense", _UNKNOWN if seconds is None else duration(float(seconds))),
        ("Peak memory", _UNKNOWN if memory is None else f"{float(memory):,.0f} MB"),
        ("Created", _text(manifest.get("created"))),
    ]


def recipe_text(file: CondensedFile, run: Mapping[str, Any]) -> str:
    """The resolved recipe as JSON; empty if nothing is recorded."""
    recipe = _recipe(file, run)
    return json.dumps(recipe, indent=2, ensure_ascii=False, default=str) if recipe else ""


def caveats(
    file: CondensedFile,
    comparisons: Sequence[Comparison],
    course: Course | None,
    run: Mapping[str, Any],
) -> list[str]:
    """What a reader must know before trusting or quoting the page."""
    found: list[str] = []
    planned = _recipe(file, run).get("iterations")
    if course is not None and isinstance(planned, int) and course.iterations < planned:
        found.append(
            f"Condensing stopped in iteration {course.iterations:,} of {planned:,}. A run to the "
            "end may give a better file."
        )
    for comparison in comparisons:
        found.extend(_of_comparison(comparison))
    if comparisons:
        found.append(
            "Every accuracy is that of the network after its last step, on the test split. No "
            "network was picked by its test accuracy."
        )
        names = ", ".join(dict.fromkeys(comparison.network for comparison in comparisons))
        found.append(f"Measured with {names} only; other architectures may gain less or nothing.")
    seed = file.manifest.get("seed", run.get("seed"))
    which = "" if seed is None else f" (seed {seed})"
    found.append(
        f"The file is the result of one condensation run{which}. The bands show how much trained "
        "networks differ, not how much another condensation run would."
    )
    if _crop_major(file):
        found.append(
            "This set decodes crop by crop: a size below the largest uses parts of more stored "
            "images than its number, so the images shown for it stand for its bytes, not for "
            "exactly what a network is trained on."
        )
    found.append(
        "Condensed images are made from real ones and can resemble them. Nothing here says that "
        "they protect anyone's privacy."
    )
    return found


def _of_comparison(comparison: Comparison) -> list[str]:
    points = comparison.points
    counts = sorted({point.networks for point in points})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    noun = "network" if counts == [1] else "networks"
    text = f"{comparison.title}: {many} {noun} for each point."
    if counts[0] == 1:
        text += " One network says nothing about the spread: differences may be chance."
    elif counts[0] < 5:
        text += " So few give only a rough idea of the spread."
    found = [text]
    full = _FULL_EPOCHS.get(comparison.protocol.removesuffix("-soft"))
    if comparison.steps is not None:
        found.append(
            f"The protocol {comparison.protocol} was shortened to {comparison.steps:,} optimiser "
            "steps, the same for every size and for random images. Do not compare these "
            "accuracies with published ones."
        )
    elif full and comparison.epochs is not None and comparison.epochs < full:
        found.append(
            f"The protocol {comparison.protocol} was shortened to {comparison.epochs:,} of "
            f"{full:,} epochs. Do not compare these accuracies with published ones."
        )
    if not comparison.random:
        found.append("No random real images were tested beside the file, so its gain is unknown.")
    return found


def _recipe(file: CondensedFile, run: Mapping[str, Any]) -> Mapping[str, Any]:
    return run.get("recipe") or file.manifest.get("recipe") or {}


def _crop_major(file: CondensedFile) -> bool:
    return not file.prefixes


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return _UNKNOWN
    words = [str(data.get("name", "unnamed"))]
    counted = (key for key in ("images", "classes") if data.get(key) is not None)
    words.extend(f"{data[key]:,} {key}" for key in counted)
    return ", ".join(words)


def _stored(file: CondensedFile) -> str:
    height, width = file.side
    channels = file.images.shape[1]
    text = f"{len(file.images):,} images of {height} × {width} pixels, {channels} channel"
    text += "" if channels == 1 else "s"
    if file.examples_each > 1:
        text += f"; each decodes into {file.examples_each} training images"
    return text


def _text(value: object) -> str:
    if value is None or value in ("", {}):
        return _UNKNOWN
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)
