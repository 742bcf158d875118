"""Averages over trained networks, in the words of the condensed-set file, and as a table.

Knows nothing about tensors: observations in, records and text out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from condensery.choosing import title
from condensery.evaluation.observation import Observation

__all__ = ["summary", "table"]


def summary(observations: Iterable[Observation]) -> list[dict[str, Any]]:
    """One record per protocol, length, architecture and size, ascending.

    Returns:
        Records ``{"size", "accuracy", "std", "random", "random_std", "networks", "seeds",
        "protocol", "epochs", "steps", "precision"}``. Accuracies are fractions of 1, means over
        the seeds; ``std`` is the sample deviation (n - 1) over the seeds, 0.0 where there is one.
        ``networks`` names the architecture (a list of one: deviations across architectures would
        mean nothing), ``seeds`` counts the condensed networks. Where no random images were
        tested, ``random`` is ``None``; sizes without a condensed network are left out. Where
        other sets stood beside, ``"beside"`` holds ``{name: {"accuracy", "std"}}``.
    """
    groups: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for seen in observations:
        length = (seen.epochs or 0, seen.steps or 0)
        key = (seen.protocol, length, seen.precision, seen.network, seen.size)
        groups.setdefault(key, {}).setdefault(seen.set, []).append(seen.accuracy)
    records: list[dict[str, Any]] = []
    for (protocol, length, precision, network, size), sets in sorted(groups.items()):
        if "condensed" not in sets:
            continue
        epochs, steps = length
        ours, random = sets["condensed"], sets.get("random")
        record = {
            "size": size,
            "accuracy": _mean(ours),
            "std": _deviation(ours),
            "random": None if random is None else _mean(random),
            "random_std": None if random is None else _deviation(random),
            "networks": [network],
            "seeds": len(ours),
            "protocol": protocol,
            "epochs": epochs or None,
            "steps": steps or None,
            "precision": precision,
        }
        others = {
            name: {"accuracy": _mean(seen), "std": _deviation(seen)}
            for name, seen in sets.items()
            if name not in ("condensed", "random")
        }
        records.append(record | ({"beside": others} if others else {}))
    return records


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of summaries by size, in percent, with the averages over the sizes.

    Args:
        records: As ``summary`` gives them.

    Returns:
        One table per protocol, length and architecture, each under a line that names them.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(title(record), []).append(record)
    return "\n\n".join(f"{name}\n\n{_rows(group)}" for name, group in groups.items())


def _rows(records: Sequence[Mapping[str, Any]]) -> str:
    others = list(dict.fromkeys(name for record in records for name in _beside(record)))
    cells = [["images per class", "condensed", "random", "gain", *others]]
    for record in records:
        ours, random = record["accuracy"], record["random"]
        beside = _beside(record)
        cells.append(
            [
                str(record["size"]),
                _spread(ours, record["std"]),
                "-" if random is None else _spread(random, record["random_std"]),
                "-" if random is None else f"{100 * (ours - random):+.1f}",
                *(_spread(**beside[name]) if name in beside else "-" for name in others),
            ]
        )
    if len(records) > 1:
        ours = _mean([record["accuracy"] for record in records])
        random = _average([record["random"] for record in records])
        cells.append(
            [
                "average",
                _percent(ours),
                "-" if random is None else _percent(random),
                "-" if random is None else f"{100 * (ours - random):+.1f}",
                *(_averaged(records, name) for name in others),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, [f"{'-' * (width - 1)}:" for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    )


def _beside(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """What stood beside, other than random images; nothing in records that know no other."""
    return record.get("beside") or {}


def _averaged(records: Sequence[Mapping[str, Any]], name: str) -> str:
    means = [_beside(record).get(name, {}).get("accuracy") for record in records]
    average = _average(means)
    return "-" if average is None else _percent(average)


def _average(values: Sequence[float | None]) -> float | None:
    """The mean over the sizes, if all were tested."""
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None


def _spread(accuracy: float, std: float) -> str:
    return f"{_percent(accuracy)} ± {_percent(std)}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    if len(values) == 1:
        return 0.0
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
