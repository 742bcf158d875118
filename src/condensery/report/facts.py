"""The texts of the page: how the file was made, and what its numbers do not show.

The texts are not escaped. Knows nothing about HTML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.evaluation.evaluate import evaluated_set
from condensery.evaluation.protocol import SOFT_NOTE, has_soft_labels
from condensery.evaluation.protocols import full_epochs
from condensery.evaluation.summary import unlearned_text
from condensery.formatting import duration
from condensery.report.accuracy import AccuracyBySize
from condensery.report.history import History

_UNKNOWN = "not recorded"


def made(condensed: CondensedSet, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the file was made, as pairs of a word and a value, also for unknown values.

    Args:
        condensed: The condensed set.
        run: ``recipe``, ``versions``, ``machine``, ``seconds``, ``peak_memory_mb``, ``data``,
            ``ended``; missing ones are taken from the manifest if possible.
    """
    manifest = condensed.manifest
    recipe = _recipe(condensed, run)
    data: Mapping[str, Any] = run.get("data") or manifest.get("data") or {}
    versions = run.get("versions") or {"condensery": manifest.get("library_version", _UNKNOWN)}
    seconds, memory = run.get("seconds"), run.get("peak_memory_mb")
    return [
        ("Method", _text(manifest.get("method") or recipe.get("method"))),
        ("Seed", _text(manifest.get("seed", recipe.get("seed")))),
        ("Data", _data(data)),
        ("Data fingerprint", _text(data.get("fingerprint"))),
        ("Stored as", _stored(condensed)),
        ("Versions", _text(versions)),
        ("Machine", _text(run.get("machine"))),
        ("Ended", _text(run.get("ended"))),
        ("Time to condense", _UNKNOWN if seconds is None else duration(float(seconds))),
        ("Peak memory", _UNKNOWN if memory is None else f"{float(memory):,.0f} MB"),
        ("Created", _text(manifest.get("created"))),
    ]


def recipe_text(condensed: CondensedSet, run: Mapping[str, Any]) -> str:
    """The complete recipe as JSON; empty if it is unknown."""
    recipe = _recipe(condensed, run)
    return json.dumps(recipe, indent=2, ensure_ascii=False, default=str) if recipe else ""


def caveats(
    condensed: CondensedSet,
    comparisons: Sequence[AccuracyBySize],
    history: History | None,
    run: Mapping[str, Any],
) -> list[str]:
    """Notes that a reader must know before trusting or quoting the page."""
    found: list[str] = []
    planned = _recipe(condensed, run).get("iterations")
    if history is not None and isinstance(planned, int) and history.iterations < planned:
        found.append(
            f"Condensing stopped in iteration {history.iterations:,} of {planned:,}. A run to the "
            "end may give a better file."
        )
    for comparison in comparisons:
        found.extend(_of_comparison(comparison, condensed, run))
    if comparisons:
        found.append(
            "Every accuracy is that of the network after its last step, on the test split. No "
            "network was picked by its test accuracy."
        )
        names = ", ".join(dict.fromkeys(comparison.network for comparison in comparisons))
        found.append(f"Measured with {names} only; other architectures may gain less or nothing.")
    seed = condensed.manifest.get("seed", run.get("seed"))
    which = "" if seed is None else f" (seed {seed})"
    found.append(
        f"The file is the result of one condensation run{which}. The bands show how much trained "
        "networks differ, not how much another condensation run would."
    )
    if not condensed.prefixes:
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


def _of_comparison(
    comparison: AccuracyBySize, condensed: CondensedSet, run: Mapping[str, Any]
) -> list[str]:
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
    data = (run.get("data") or condensed.manifest["data"]).get("name")
    full = full_epochs(comparison.protocol, evaluated_set(condensed, data=str(data)))
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
    if unlearned := unlearned_text(
        {"": {point.size: point.training_accuracy for point in comparison.ours}}
    ):
        found.append(unlearned)
    if has_soft_labels(comparison.protocol):
        found.append(SOFT_NOTE)
    if not comparison.random:
        found.append("No random real images were tested in the same way, so its gain is unknown.")
    return found


def _recipe(condensed: CondensedSet, run: Mapping[str, Any]) -> Mapping[str, Any]:
    return run.get("recipe") or condensed.manifest.get("recipe") or {}


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return _UNKNOWN
    words = [str(data.get("name", "unnamed"))]
    counted = (key for key in ("images", "classes") if data.get(key) is not None)
    words.extend(f"{data[key]:,} {key}" for key in counted)
    return ", ".join(words)


def _stored(condensed: CondensedSet) -> str:
    channels, height, width = condensed.shape
    text = f"{len(condensed):,} images of {height} × {width} pixels, {channels} channel"
    text += "" if channels == 1 else "s"
    examples = condensed.parameterization.examples_each
    if examples > 1:
        text += f"; each decodes into {examples} training images"
    return text


def _text(value: object) -> str:
    if value is None or value in ("", {}):
        return _UNKNOWN
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)
