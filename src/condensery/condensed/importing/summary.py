"""A summary of an import in lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data

_SHOWN = 10
"""Maximum number of classes that are named."""


def import_summary(condensed: CondensedSet, data: Data) -> str:
    """The file of the set, the matched classes, and the normalisation that was undone."""
    record = condensed.manifest["recipe"]["imported"]
    lines = [
        f"from {record['file']} (sha256 {record['sha256'][:12]}...){_experiment(record)}",
        classes_line(record["classes"], data.train.class_names),
        _undone(record["normalisation"], data.name),
    ]
    if record["clamped"]:
        lines.append(
            f"{100 * record['clamped']:.2f} % of the pixels were outside [0, 1] and were clamped, "
            f"the furthest by {record['largest_excess']:.3g}"
        )
    lines.append("Smaller sizes are cuts of this set; none was condensed for its own size.")
    return "\n".join(lines)


def classes_line(record: dict[str, Any], class_names: Sequence[str]) -> str:
    """The class of the data for each label of the file that is another number in the data."""
    order: list[int] = record["labels"]
    moved = [(theirs, ours) for theirs, ours in enumerate(order) if theirs != ours]
    by = f"classes, matched by {record['by']}"
    if not moved:
        return f"{by}: each of the {len(order)} labels of the file is the same label of the data"
    shown = ", ".join(
        f"{theirs} -> {ours} ({class_names[ours]})" for theirs, ours in moved[:_SHOWN]
    )
    more = f", and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    return (
        f"{by}: {len(moved)} of the {len(order)} labels of the file are other labels of the data: "
        f"{shown}{more}"
    )


def _experiment(record: dict[str, Any]) -> str:
    if "experiment" not in record:
        return ""
    return f", experiment {record['experiment']} of 0..{record['experiments'] - 1}"


def _undone(normalisation: dict[str, Any], data: str) -> str:
    match normalisation["kind"]:
        case "none":
            return "the images are pixels: nothing to undo"
        case "zca" | "zca-regularised":
            lost = ", but for the contrast of every image" if "contrast" in normalisation else ""
            return (
                f"undone: ZCA whitening with eps {normalisation['eps']}, fitted again to {data}"
                f"{lost}; evaluation whitens again"
            )
        case _:
            mean, std = (
                " ".join(f"{value:g}" for value in normalisation[name]) for name in ("mean", "std")
            )
            return f"undone: normalisation by mean {mean}, std {std} ({normalisation['source']})"
