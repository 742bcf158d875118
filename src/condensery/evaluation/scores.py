"""Scores of a condensed set that exclude the effects of labels and augmentation.

All accuracies are fractions of 1. Pure functions; knows nothing about networks or files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from condensery.errors import ConfigError
from condensery.evaluation.protocol import hard_name, has_soft_labels
from condensery.formatting import NOTHING, markdown_table

_AUGMENTED, _PLAIN = "dsa", "dc"
"""The protocols with and without augmentation that the second score compares."""

_SOFT = "-soft"


def label_robust_score(
    *, full: float, hard: float, own: float, random: float, weight: float = 0.5
) -> float:
    """How good a set is without the effects of its labels and its training recipe.

    The score is computed from two differences: the gain over random images under the recipe of the
    set (``own - random``), and the loss against the full data set with hard labels
    (``full - hard``).

    Args:
        full: Accuracy after training on the full data set, hard labels.
        hard: Accuracy of the condensed set with hard labels.
        own: Accuracy of the condensed set under its own recipe; equal to ``hard`` for a set
            without learned labels.
        random: Accuracy of as many random real images under the same recipe.
        weight: Weight of the gain, in [0, 1]; the loss has the remaining weight.

    Returns:
        A score in [0, 1]; 0.269 if gain and loss are equal.

    Raises:
        ConfigError: If an accuracy is not a fraction, such as 45.2 in place of 0.452.

    Source:
        DD-Ranking (NUS-HPC-AI-Lab), label-robust score. Differs: fractions in the exponential
        (released: per cent).
    """
    _check({"full": full, "hard": hard, "own": own, "random": random, "weight": weight})
    return _score(weight * (own - random) - (1 - weight) * (full - hard))


def augmentation_robust_score(
    *,
    augmented: float,
    augmented_random: float,
    plain: float,
    plain_random: float,
    weight: float = 0.5,
) -> float:
    """The gain of a set over random images, with and without augmentation.

    Args:
        augmented: Accuracy of the condensed set, trained with augmentation.
        augmented_random: Accuracy of as many random real images with augmentation.
        plain: Accuracy of the condensed set, trained without augmentation.
        plain_random: Accuracy of as many random real images without augmentation.
        weight: Weight of the gain with augmentation, in [0, 1]; the other gain has the remaining
            weight.

    Returns:
        A score in [0, 1]; 0.269 for a set that is as good as random images.

    Raises:
        ConfigError: If an accuracy is not a fraction.

    Source:
        DD-Ranking (NUS-HPC-AI-Lab, 2024-2025), augmentation-robust score. Differs: as
        ``label_robust_score``.
    """
    _check(
        {
            "augmented": augmented,
            "augmented_random": augmented_random,
            "plain": plain,
            "plain_random": plain_random,
            "weight": weight,
        }
    )
    gain, plain_gain = augmented - augmented_random, plain - plain_random
    return _score(weight * gain + (1 - weight) * plain_gain)


def score_table(records: Sequence[Mapping[str, Any]], *, full: float | None = None) -> str:
    """``score_rows`` as a Markdown table."""
    return markdown_table(score_rows(records, full=full))


def score_rows(
    records: Sequence[Mapping[str, Any]], *, full: float | None = None
) -> list[list[str]]:
    """Both scores for every measurement with random images; the first row names the columns.

    The label-robust score of a protocol with soft labels needs the same protocol with hard labels
    (``dsa`` for ``dsa-soft``, ``teacher-hard`` for ``teacher``); the augmentation-robust score
    compares protocol dsa with protocol dc. A score that cannot be computed is shown as a dash.

    Args:
        records: The records of ``summary``.
        full: Accuracy after training on the full data set, a fraction; ``None`` takes that of each
            measurement (``evaluate(..., whole=True)``), without which LRS is a dash.

    Raises:
        ConfigError: If ``full`` is not a fraction.
    """
    if full is not None:
        _check({"full accuracy": full})
    rows = [["protocol", "length", "network", "images per class", "LRS", "ARS"]]
    for record in records:
        if record["random"] is None:
            continue
        steps = record.get("steps")
        rows.append(
            [
                record["protocol"],
                f"{record.get('epochs')} epochs" if steps is None else f"{steps} steps",
                ", ".join(record["networks"]),
                str(record["size"]),
                _shown(_of_labels(record, records, full or _of_all_images(record))),
                _shown(_of_augmentation(record, records)),
            ]
        )
    return rows


def _of_all_images(record: Mapping[str, Any]) -> float | None:
    whole: Mapping[str, Any] | None = record.get("whole")
    return None if whole is None else whole["accuracy"]


def _of_labels(
    record: Mapping[str, Any], records: Sequence[Mapping[str, Any]], full: float | None
) -> float | None:
    if full is None:
        return None
    name = str(record["protocol"])
    hard: Mapping[str, Any] | None = record
    if has_soft_labels(name):
        other = hard_name(name) if name.endswith(_SOFT) else f"{name}-hard"
        hard = _matched(record, records, protocol=other, same=("epochs", "steps"))
    if hard is None:
        return None
    return label_robust_score(
        full=full, hard=hard["accuracy"], own=record["accuracy"], random=record["random"]
    )


def _of_augmentation(
    record: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> float | None:
    if record["protocol"] != _AUGMENTED:
        return None
    plain = _matched(record, records, protocol=_PLAIN, same=("steps",))
    if plain is None or plain["random"] is None:
        return None
    return augmentation_robust_score(
        augmented=record["accuracy"],
        augmented_random=record["random"],
        plain=plain["accuracy"],
        plain_random=plain["random"],
    )


def _matched(
    record: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    *,
    protocol: str,
    same: Sequence[str],
) -> Mapping[str, Any] | None:
    """The longest measurement of the same size and network by another protocol."""

    def measured(one: Mapping[str, Any]) -> tuple[object, ...]:
        length = tuple(one.get(word) for word in same)
        return (one["size"], tuple(one["networks"]), one.get("precision") or "fp32", length)

    found = [
        other
        for other in records
        if other["protocol"] == protocol and measured(other) == measured(record)
    ]
    return max(found, key=lambda other: other.get("epochs") or 0, default=None)


def _score(value: float) -> float:
    """Map [-1, 1] to [0, 1], with a larger slope at the upper end."""
    return (math.exp(value) - math.exp(-1)) / (math.e - math.exp(-1))


def _shown(score: float | None) -> str:
    return NOTHING if score is None else f"{score:.3f}"


def _check(fractions: Mapping[str, float]) -> None:
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            hint = f" Write {value / 100:g} for {value:g} %." if 1 < value <= 100 else ""
            raise ConfigError(f"{name} = {value:g}, but scores take fractions in 0..1.{hint}")
