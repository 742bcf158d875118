"""Averages over trained networks: the records of a condensed file, and their table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean
from typing import Any

from condensery.averages import average, mean_if_known
from condensery.condensed.choosing import title
from condensery.evaluation.observation import WHOLE, Observation
from condensery.evaluation.protocol import SOFT_NOTE, hard_name, has_soft_labels
from condensery.formatting import NOTHING, markdown_table, percent, plus_minus, points

LEARNED = 0.95
"""Share of its own training images below which a network has not learned them.

A ConvNet of width 32 reaches 1 by protocol ``quick``, on condensed and on real images of CIFAR-10.
"""


def summary(observations: Iterable[Observation]) -> list[dict[str, Any]]:
    """One record for each protocol, length, architecture and size, ascending.

    Returns:
        Records ``{"size", "accuracy", "std", "random", "random_std", "networks", "seeds",
        "protocol", "epochs", "steps", "precision"}``. Accuracies are fractions of 1 and means over
        the seeds; ``std`` is the sample deviation (n - 1) over the seeds, ``None`` for one seed.
        ``networks`` is a list with one architecture, because a deviation across architectures has
        no meaning. ``seeds`` is the number of networks on the condensed set. ``random`` is ``None``
        if no random images were tested; sizes without a network on the condensed set are left out.
        With other baselines, ``"baselines"`` is ``{name: {"accuracy", "std"}}``.
        ``"training_accuracy"`` is the mean of ``Observation.training_accuracy`` over the condensed
        set, if all have one. With networks trained on all real images, ``"whole"`` is
        ``{"accuracy", "std", "seeds", "images", "steps"}``, of the longest such training with the
        same protocol, network and precision.
    """
    observations = tuple(observations)
    whole = whole_accuracies(map(asdict, observations))
    groups: dict[tuple[Any, ...], dict[str, list[Observation]]] = {}
    for each in observations:
        if each.set == WHOLE:
            continue
        length = (each.epochs or 0, each.steps or 0)
        key = (each.protocol, length, each.precision, each.network, each.size)
        groups.setdefault(key, {}).setdefault(each.set, []).append(each)
    records: list[dict[str, Any]] = []
    for (protocol, length, precision, network, size), sets in sorted(groups.items()):
        if "condensed" not in sets:
            continue
        epochs, steps = length
        averages = {name: average(o.accuracy for o in of) for name, of in sets.items()}
        condensed, random = averages.pop("condensed"), averages.pop("random", None)
        record = {
            "size": size,
            "accuracy": condensed.mean,
            "std": condensed.std,
            "random": None if random is None else random.mean,
            "random_std": None if random is None else random.std,
            "networks": [network],
            "seeds": condensed.count,
            "protocol": protocol,
            "epochs": epochs or None,
            "steps": steps or None,
            "precision": precision,
        }
        others = {
            name: {"accuracy": other.mean, "std": other.std} for name, other in averages.items()
        }
        if others:
            record["baselines"] = others
        trained = mean_if_known(each.training_accuracy for each in sets["condensed"])
        if trained is not None:
            record["training_accuracy"] = trained
        records.append(record)
    return [_with_whole(record, whole) for record in records]


Setting = tuple[str, str, str]
"""Network, protocol without the kind of its labels, and precision."""


def same_whole(
    records: Iterable[Mapping[str, Any]], *, known: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The records of a file, each with the longest training on all images that fits it.

    Args:
        records: The records, of one data set.
        known: Records of the same data set in which such trainings are looked for.
    """
    longest = dict[Setting, Mapping[str, Any]]()
    for record in known:
        whole, other = record.get("whole"), longest.get(_setting(record))
        if whole and (other is None or _length(whole) > _length(other)):
            longest[_setting(record)] = whole
    return [_with_whole(record, longest) for record in records]


def _length(whole: Mapping[str, Any]) -> tuple[int, int]:
    return whole["steps"], whole["seeds"]


def _with_whole(
    record: Mapping[str, Any], whole: Mapping[Setting, Mapping[str, Any]]
) -> dict[str, Any]:
    every = whole.get(_setting(record))
    return {**record, "whole": every} if every else dict(record)


def _setting(record: Mapping[str, Any]) -> Setting:
    networks = ", ".join(record.get("networks") or ())
    return networks, hard_name(str(record.get("protocol"))), record.get("precision") or "fp32"


def whole_accuracies(lines: Iterable[Mapping[str, Any]]) -> dict[Setting, Mapping[str, Any]]:
    """What all images give, from the lines of observations; others than ``"whole"`` are ignored.

    Returns:
        By network, protocol and precision, the longest training: ``{"accuracy", "std", "seeds",
        "images", "steps"}``.
    """
    found: dict[Setting, dict[int, dict[int, Mapping[str, Any]]]] = {}
    for each in lines:
        if each["set"] == WHOLE:
            lengths = found.setdefault(_setting({**each, "networks": [each["network"]]}), {})
            lengths.setdefault(each["steps"], {})[each["seed"]] = each
    records: dict[Setting, Mapping[str, Any]] = {}
    for setting, lengths in found.items():
        steps, by_seed = max(lengths.items(), key=lambda item: item[0])
        own = average(each["accuracy"] for each in by_seed.values())
        images = max(each["images"] for each in by_seed.values())
        records[setting] = {
            "accuracy": own.mean,
            "std": own.std,
            "seeds": own.count,
            "images": images,
            "steps": steps,
        }
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
    return "\n\n".join(
        "\n\n".join(filter(None, (name, _rows(group), *_notes(group))))
        for name, group in groups.items()
    )


def _notes(group: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What stands below a table; empty texts are left out."""
    unlearned = unlearned_text({"": {x["size"]: x.get("training_accuracy") for x in group}})
    return _soft(group[0]), whole_text(group[0]), unlearned


def _soft(record: Mapping[str, Any]) -> str:
    return SOFT_NOTE if has_soft_labels(str(record.get("protocol"))) else ""


def whole_text(record: Mapping[str, Any]) -> str:
    """What all images give, as a sentence; empty if they were not tested."""
    whole = record.get("whole")
    if not whole:
        return ""
    networks = f"{whole['seeds']} network" + ("" if whole["seeds"] == 1 else "s")
    accuracy = plus_minus(whole["accuracy"], whole["std"])
    return (
        f"All {whole['images']:,} training images: {accuracy} % ({networks}, "
        f"{whole['steps']:,} steps). Of all images: the accuracy as a share of this."
    )


def unlearned_text(trained: Mapping[str, Mapping[int, float | None]]) -> str:
    """What the networks had not learned when they were tested, in words; empty if nothing.

    Args:
        trained: By set and size ``Observation.training_accuracy``, or ``None`` where it is not
            known. The only set may have an empty name.
    """
    parts: list[str] = []
    for name, by_size in trained.items():
        low = {n: share for n, share in by_size.items() if share is not None and share < LEARNED}
        if low:
            ends = dict.fromkeys(map(percent, (min(low.values()), max(low.values()))))
            sizes = f"size{'s' if len(low) > 1 else ''} {', '.join(map(str, low))}"
            parts.append(f"{name} {' to '.join(ends)} % ({sizes})".lstrip())
    if not parts:
        return ""
    return (
        "Not learned: at the end of the training, the networks classify only a part of their own "
        f"training images correctly: {', '.join(parts)}. More steps or epochs may give more."
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table.

    Attributes:
        head: Its name.
        cell: What it shows of a record.
        mean: What it shows of all records.
    """

    head: str
    cell: Callable[[Mapping[str, Any]], str]
    mean: str


def _rows(records: Sequence[Mapping[str, Any]]) -> str:
    """A row for each size and, of several sizes, a last one of means; no column is empty."""
    columns = list(_columns(records))
    rows = [[column.head for column in columns]]
    rows += [[column.cell(record) for column in columns] for record in records]
    if len(records) > 1:
        rows.append([column.mean for column in columns])
    return markdown_table(rows)


def _columns(records: Sequence[Mapping[str, Any]]) -> Iterator[_Column]:
    own = fmean(record["accuracy"] for record in records)
    random = mean_if_known([record["random"] for record in records])
    yield _Column("images per class", lambda record: str(record["size"]), "average")
    yield _Column("condensed", lambda r: plus_minus(r["accuracy"], r["std"]), percent(own))
    if any(record.get("whole") for record in records):
        share = mean_if_known([relative_accuracy(record) for record in records])
        mean = NOTHING if share is None else f"{percent(share)} %"
        yield _Column("of all images", share_of_whole, mean)
    if any(record["random"] is not None for record in records):
        yield _Column("random", _random, _mean(random))
        yield _Column("gain", lambda r: _gain(r["accuracy"], r["random"]), _gain(own, random))
    for name in dict.fromkeys(name for record in records for name in _baselines(record)):
        means = [_baselines(record).get(name, {}).get("accuracy") for record in records]
        yield _Column(name, partial(_baseline, name), _mean(mean_if_known(means)))


def _random(record: Mapping[str, Any]) -> str:
    random = record["random"]
    return NOTHING if random is None else plus_minus(random, record["random_std"])


def _baseline(name: str, record: Mapping[str, Any]) -> str:
    found = _baselines(record).get(name)
    return plus_minus(found["accuracy"], found["std"]) if found else NOTHING


def _mean(mean: float | None) -> str:
    return NOTHING if mean is None else percent(mean)


def relative_accuracy(record: Mapping[str, Any]) -> float | None:
    """Accuracy of a size as a fraction of that of all images; ``None`` if these were not tested."""
    whole = record.get("whole")
    return record["accuracy"] / whole["accuracy"] if whole and whole["accuracy"] else None


def share_of_whole(record: Mapping[str, Any]) -> str:
    """``71.3 %``: ``relative_accuracy`` as text."""
    share = relative_accuracy(record)
    return NOTHING if share is None else f"{percent(share)} %"


def _gain(accuracy: float, random: float | None) -> str:
    return NOTHING if random is None else points(100 * (accuracy - random))


def _baselines(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """The baselines of a record other than random images; empty if there are none."""
    return record.get("baselines") or {}
