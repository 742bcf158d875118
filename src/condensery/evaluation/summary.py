"""Averages over trained networks: the records of a condensed file, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from condensery.averages import average
from condensery.condensed.choosing import title
from condensery.evaluation.observation import Observation
from condensery.formatting import NOTHING, markdown_table, percent, plus_minus, points


def summary(observations: Iterable[Observation]) -> list[dict[str, Any]]:
    """One record for each protocol, length, architecture and size, ascending.

    Returns:
        Records ``{"size", "accuracy", "std", "random", "random_std", "networks", "seeds",
        "protocol", "epochs", "steps", "precision"}``. Accuracies are fractions of 1 and means over
        the seeds; ``std`` is the sample deviation (n - 1) over the seeds, 0.0 for one seed.
        ``networks`` is a list with one architecture, because a deviation across architectures has
        no meaning. ``seeds`` is the number of networks on the condensed set. ``random`` is ``None``
        if no random images were tested; sizes without a network on the condensed set are left out.
        With other baselines, ``"baselines"`` is ``{name: {"accuracy", "std"}}``.
    """
    groups: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for each in observations:
        length = (each.epochs or 0, each.steps or 0)
        key = (each.protocol, length, each.precision, each.network, each.size)
        groups.setdefault(key, {}).setdefault(each.set, []).append(each.accuracy)
    records: list[dict[str, Any]] = []
    for (protocol, length, precision, network, size), sets in sorted(groups.items()):
        if "condensed" not in sets:
            continue
        epochs, steps = length
        averages = {name: average(accuracies) for name, accuracies in sets.items()}
        condensed, random = averages.pop("condensed"), averages.pop("random", None)
        record = {
            "size": size,
            "accuracy": condensed.mean,
            "std": condensed.std or 0.0,
            "random": None if random is None else random.mean,
            "random_std": None if random is None else random.std or 0.0,
            "networks": [network],
            "seeds": condensed.count,
            "protocol": protocol,
            "epochs": epochs or None,
            "steps": steps or None,
            "precision": precision,
        }
        others = {
            name: {"accuracy": other.mean, "std": other.std or 0.0}
            for name, other in averages.items()
        }
        records.append(record | ({"baselines": others} if others else {}))
    return records


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of summaries by size, in percent, with the averages over the sizes.

    Args:
        records: The records of ``summary``.

    Returns:
        One table for each protocol, length and architecture, each below a line that names them.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(title(record), []).append(record)
    return "\n\n".join(f"{name}\n\n{_rows(group)}" for name, group in groups.items())


def _rows(records: Sequence[Mapping[str, Any]]) -> str:
    baselines = list(dict.fromkeys(name for record in records for name in _baselines(record)))
    rows = [["images per class", "condensed", "random", "gain", *baselines]]
    for record in records:
        accuracy, random = record["accuracy"], record["random"]
        others = _baselines(record)
        rows.append(
            [
                str(record["size"]),
                plus_minus(accuracy, record["std"]),
                NOTHING if random is None else plus_minus(random, record["random_std"]),
                _gain(accuracy, random),
                *(
                    plus_minus(others[name]["accuracy"], others[name]["std"])
                    if name in others
                    else NOTHING
                    for name in baselines
                ),
            ]
        )
    if len(records) > 1:
        accuracy = fmean(record["accuracy"] for record in records)
        random = _over_sizes([record["random"] for record in records])
        means = [
            _over_sizes([_baselines(record).get(name, {}).get("accuracy") for record in records])
            for name in baselines
        ]
        shown = [NOTHING if mean is None else percent(mean) for mean in (random, *means)]
        rows.append(["average", percent(accuracy), shown[0], _gain(accuracy, random), *shown[1:]])
    return markdown_table(rows)


def _gain(accuracy: float, random: float | None) -> str:
    return NOTHING if random is None else points(100 * (accuracy - random))


def _baselines(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """The baselines of a record other than random images; empty if there are none."""
    return record.get("baselines") or {}


def _over_sizes(means: Sequence[float | None]) -> float | None:
    """The mean over the sizes, if all were tested."""
    known = [mean for mean in means if mean is not None]
    return fmean(known) if len(known) == len(means) else None
