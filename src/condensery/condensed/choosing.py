"""The choice of a size of a condensed set by its measurements, with the reasons in words.

Uses the records of a file (docs/artifact.md). Knows nothing about images or files, and trains
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from condensery.errors import ConfigError
from condensery.formatting import percent, plus_minus

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeChoice:
    """A size, and the reason of the choice.

    Attributes:
        size: Images per class.
        why: Text for people: the choice and the neighbouring sizes; the second line names the
            measurement.
    """

    size: int
    why: str


def by_accuracy(
    records: Sequence[Record],
    share: float,
    *,
    largest: int,
    network: str | None = None,
    protocol: str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
) -> SizeChoice:
    """The smallest tested size that reaches a share of the accuracy at full size.

    Full size always reaches it. Means are compared; their deviations are shown, but not used.

    Args:
        records: ``observations`` of the set.
        share: Share of the accuracy at size ``largest``, in (0, 1].
        largest: The full size, in images per class.
        network: Only measurements by this network; ``None``, here and below, takes any.
        protocol: Only measurements by this protocol.
        epochs: Only trainings of this length.
        steps: Only trainings of this length.

    Raises:
        ConfigError: If the share is not in (0, 1], or there is no suitable measurement.
    """
    if not 0 < share <= 1:
        hint = f" Write {share / 100:g} for {share:g} %." if 1 < share <= 100 else ""
        raise ConfigError(
            f"share = {share:g}, but it is a share of the accuracy at full size, above 0 and at "
            f"most 1.{hint}"
        )
    wanted = {"network": network, "protocol": protocol, "epochs": epochs, "steps": steps}
    found = whole_measurement(records, largest=largest, wanted=wanted)
    by_size = {int(record["size"]): record for record in found}
    full = by_size[largest]
    reached = [k for k, record in by_size.items() if record["accuracy"] >= share * full["accuracy"]]
    size = min(reached)  # full size is among them
    parts = [
        f"size {size} of {largest}: {_accuracy(by_size[size])} of {_accuracy(full)} at full size "
        f"({percent(_of(by_size[size], full))} %, asked for {100 * share:g} %)"
    ]
    smaller = {k: record for k, record in by_size.items() if k < size}
    if smaller:
        best = max(smaller, key=lambda k: smaller[k]["accuracy"])
        parts.append(f"below it size {best} has most, {percent(_of(smaller[best], full))} %")
    untested = [str(k) for k in range(1, size) if k not in by_size]
    if untested:
        sizes = "size" if len(untested) == 1 else "sizes"
        parts.append(f"not tested: {sizes} {', '.join(untested)}")
    return SizeChoice(size=size, why=f"{'; '.join(parts)}\nmeasured: {title(full)}")


def whole_measurement(
    records: Sequence[Record],
    *,
    largest: int,
    wanted: Mapping[str, Any] | None = None,
) -> list[Record]:
    """The records of one network, protocol and length that include the full size, by size.

    If there are several, it is the one with most sizes, then the longest, then the one with most
    seeds.

    Args:
        records: ``observations`` of a set.
        largest: The full size of the set.
        wanted: ``{"network", "protocol", "epochs", "steps"}``; values that are not ``None`` must
            agree.

    Raises:
        ConfigError: If there is no such measurement; the message says how to make one.
    """
    wanted = {name: value for name, value in (wanted or {}).items() if value is not None}
    if not records:
        raise ConfigError(
            "accuracy: this set has not been evaluated, so no accuracy of it is known. "
            "`condensery evaluate FILE --data DATA` tests them and writes the table into the file."
        )
    groups: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: int(record["size"])):
        kind = ", ".join([*_training(record), *_precision(record)])  # seeds may differ by size
        groups.setdefault(kind, []).append(record)
    agreeing = [group for group in groups.values() if _agrees(group[0], wanted)]
    if not agreeing:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise ConfigError(
            f"accuracy: nothing was measured with {asked}. Measured are: {'; '.join(groups)}."
        )
    whole = [group for group in agreeing if group[-1]["size"] == largest]
    if not whole:
        tested = ",".join(str(record["size"]) for record in max(agreeing, key=len))
        raise ConfigError(
            f"accuracy: a share needs the full size, {largest}, but the sizes that were tested "
            f"are {tested}. `condensery evaluate FILE --data DATA --sizes {tested},{largest}` with "
            "the same length tests it, too."
        )
    return max(whole, key=_weight)


def title(record: Record) -> str:
    """The network, protocol and length of a record; records with equal titles form a table."""
    seeds = f"{record['seeds']} seed" + ("s" if record["seeds"] != 1 else "")
    return ", ".join([*_training(record), seeds, *_precision(record)])


def _training(record: Record) -> list[str]:
    steps, epochs = record.get("steps"), record.get("epochs")
    length = f"{epochs} epochs" if steps is None else f"{steps} steps"
    length = "no training" if epochs is None and steps is None else length
    return [f"protocol {record.get('protocol')}", length, ", ".join(record["networks"])]


def _precision(record: Record) -> list[str]:
    precision = record.get("precision") or "fp32"
    return [] if precision == "fp32" else [precision]


def _agrees(record: Record, wanted: Mapping[str, Any]) -> bool:
    known = {**record, "network": ", ".join(record["networks"])}
    return all(known.get(name) == value for name, value in wanted.items())


def _weight(group: Sequence[Record]) -> tuple[int, ...]:
    first = group[0]
    return (len(group), first.get("epochs") or 0, first.get("steps") or 0, first["seeds"])


def _of(record: Record, full: Record) -> float:
    """Share of the accuracy at full size; 1 if the accuracy at full size is 0."""
    return record["accuracy"] / full["accuracy"] if full["accuracy"] else 1.0


def _accuracy(record: Record) -> str:
    return f"{plus_minus(record['accuracy'], record['std'])} %"
