"""Several runs with their baselines: one table for each network and protocol.

Runs that cannot be compared are refused, and the text says what is left out. Knows nothing about
files or pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from condensery.averages import Average, average_over_sizes
from condensery.errors import ConfigError, nearest
from condensery.report.accuracy import AccuracyBySize, AccuracyPoint, Key, training_of
from condensery.report.table import AccuracyRow, AccuracyTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSet:
    """A line of the table: a condensed set, or a baseline of it.

    Attributes:
        name: Name of the line.
        run: Whether the user gave it. Others are baselines, which are never a reason to refuse.
        where: The path of the user, for messages.
        method: Its name in published figures; empty if there are none.
        ipc: Images per class of the full set.
        points: Accuracies by network and protocol.
        averages: Means over exactly these sizes, if they are more precise than from ``points``.
        over: Over what deviations are.
        bytes: Bytes of the sizes 1..N; empty if unknown.
        data: ``name``, ``fingerprint``, ``test_fingerprint``, as far as they are known.
        facts: ``(word, value)`` about how it was made.
    """

    name: str
    run: bool
    where: str
    method: str
    ipc: int
    points: Mapping[Key, tuple[AccuracyPoint, ...]]
    averages: Mapping[tuple[Key, tuple[int, ...]], Average] = field(
        default_factory=dict[Any, Average]
    )
    over: str = "networks"
    bytes: tuple[int, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSetting:
    """One network and protocol."""

    key: Key  # these, with length and precision
    training: str  # the protocol in words
    table: AccuracyTable  # the numbers
    entries: tuple[ShownSet, ...]  # one a row
    averaged: tuple[int, ...]  # sizes that ``Avg.`` is over
    missing: tuple[str, ...]  # runs that were not tested so


def baselines(own: ShownSet, comparisons: Iterable[AccuracyBySize]) -> list[ShownSet]:
    """The lines of the baselines of a condensed set."""
    found: dict[str, dict[Key, tuple[AccuracyPoint, ...]]] = {}
    for each in comparisons:
        for name, points in {"random": each.random, **each.baselines}.items():
            if points:
                found.setdefault(name, {})[each.key] = points
    return [
        ShownSet(
            name=name,
            run=False,
            where=f"{name}, baseline of {own.name}",
            method=name,
            ipc=max(point.size for each in points.values() for point in each),
            points=points,
        )
        for name, points in found.items()
    ]


def check_data(entries: Sequence[ShownSet]) -> None:
    """Refuse runs of different data.

    Raises:
        ConfigError: Names both, and the difference.
    """
    for key, word in (("fingerprint", "training"), ("test_fingerprint", "test")):
        known = [each for each in entries if each.run and each.data.get(key)]
        for each in known[1:]:
            first, other = known[0].data, each.data
            if first[key] != other[key]:
                raise ConfigError(
                    f"{known[0].where} and {each.where} are of different {word} images: "
                    f"{first.get('name')} with fingerprint {first[key]}, and {other.get('name')} "
                    f"with {other[key]}. Accuracies on different data cannot be compared: report "
                    "on them apart."
                )


def set_against(entries: Sequence[ShownSet], *, against: str | None) -> list[TestSetting]:
    """A table for every network and protocol with at least two lines.

    Args:
        entries: At least one run; a baseline of several runs is merged by name if it has the same
            networks.
        against: Name of the line for differences; the first run if ``None``.

    Returns:
        The tables, those with most runs first.

    Raises:
        ConfigError: If ``against`` is unknown, or a run was not tested, or was tested in another
            way than all other runs.
    """
    runs = [each for each in entries if each.run]
    lines = [*runs, *_merged([each for each in entries if not each.run])]
    names = [each.name for each in lines]
    if against is not None and against not in names:
        raise ConfigError(
            f"--against {against}: there is no such line; there are {', '.join(names)}."
            f"{nearest(against, names)}"
        )
    for each in runs:
        if not each.points:
            raise ConfigError(
                f"{each.where}: nothing has been evaluated yet, so there is no accuracy to "
                f"compare. Evaluate it first: condensery evaluate {each.where} --data DATA"
            )
    keys = list(dict.fromkeys(key for each in runs for key in each.points))
    shared = [key for key in keys if sum(key in each.points for each in runs) > 1]
    alone = [each for each in runs if len(runs) > 1 and not each.points.keys() & set(shared)]
    if alone:
        other = next(key for each in runs if each is not alone[0] for key in each.points)
        raise ConfigError(
            f"{alone[0].where}: was tested as no other of these, and accuracies of different "
            f"networks, protocols, lengths or precisions cannot be compared. {_tested(runs)}. "
            f"Test it as the others: condensery evaluate {alone[0].where} --data DATA "
            f"{_words_of(other)}"
        )
    found = [_versus(key, lines, against or runs[0].name) for key in shared or keys]
    return sorted(found, key=lambda each: len(each.missing))


def _versus(key: Key, lines: Sequence[ShownSet], against: str) -> TestSetting:
    own = [each for each in lines if key in each.points]
    tested = [{point.size for point in each.points[key]} for each in own if each.run]
    sizes = tuple(sorted(set[int]().union(*tested)))
    averaged = tuple(sorted(set(sizes).intersection(*tested)))
    averages = {each.name: _average(each, key, averaged) for each in own}
    to = averages.get(against)
    rows: list[AccuracyRow] = []
    for each in own:
        average = averages[each.name]
        gain = None if average is None or to is None else average.mean - to.mean
        cells = {
            p.size: Average(mean=p.mean, std=p.std, count=p.networks) for p in each.points[key]
        }
        rows.append(
            AccuracyRow(
                name=each.name,
                cells={size: cells[size] for size in sizes if size in cells},
                average=average,
                difference=gain,
            )
        )
    alone = all(each.over == "condensations" for each in own)
    return TestSetting(
        key=key,
        training=training_of(key),
        table=AccuracyTable(
            network=key[0],
            sizes=sizes,
            rows=tuple(rows),
            over="condensations" if alone else "networks",
            reference=against if to is not None else None,
        ),
        entries=tuple(own),
        averaged=averaged,
        missing=tuple(each.name for each in lines if each.run and key not in each.points),
    )


def _average(entry: ShownSet, key: Key, sizes: tuple[int, ...]) -> Average | None:
    """The average over sizes, first for each seed: its deviation is then that of the average."""
    if (key, sizes) in entry.averages:
        return entry.averages[key, sizes]
    points = {point.size: point for point in entry.points[key]}
    if not sizes or any(size not in points for size in sizes):
        return None
    chosen = [points[size] for size in sizes]
    seeds = [set(point.by_seed) for point in chosen]
    if not seeds[0] or any(each != seeds[0] for each in seeds):
        mean = fmean(point.mean for point in chosen)
        return Average(mean=mean, std=None, count=min(point.networks for point in chosen))
    in_order = sorted(seeds[0])
    return average_over_sizes([[point.by_seed[seed] for seed in in_order] for point in chosen])


def _merged(entries: Sequence[ShownSet]) -> list[ShownSet]:
    """One line for each name if all runs agree about it, or else a line for each of its runs."""
    found: list[ShownSet] = []
    for each in entries:
        for index, other in enumerate(found):
            if other.name == each.name and (joined := _joined(other, each)) is not None:
                found[index] = joined
                break
        else:
            taken = any(other.name == each.name for other in found)
            found.append(replace(each, name=each.where) if taken else each)
    return found


def _joined(first: ShownSet, second: ShownSet) -> ShownSet | None:
    """Both lines as one, or ``None`` if they contradict each other."""
    points = dict(first.points)
    for key, own in second.points.items():
        by_size = {point.size: point for point in points.get(key, ())}
        for point in own:
            known = by_size.get(point.size)
            if known is None:
                by_size[point.size] = point
            elif not _same(known, point):
                return None
            elif point.networks > known.networks:
                by_size[point.size] = point
        points[key] = tuple(by_size[size] for size in sorted(by_size))
    return replace(first, points=points, ipc=max(first.ipc, second.ipc))


def _same(first: AccuracyPoint, second: AccuracyPoint) -> bool:
    """Whether both have the same networks, as far as both know them."""
    common = first.by_seed.keys() & second.by_seed.keys()
    if common:
        return all(first.by_seed[seed] == second.by_seed[seed] for seed in common)
    return (first.mean, first.networks) == (second.mean, second.networks)


def _tested(runs: Sequence[ShownSet]) -> str:
    return ". ".join(
        f"{each.name}: " + "; ".join(f"{key[0]} by {training_of(key)}" for key in each.points)
        for each in runs
    )


def _words_of(key: Key) -> str:
    network, protocol, epochs, steps, precision = key
    length = f" --steps {steps}" if steps else f" --epochs {epochs}" if epochs else ""
    exact = "" if precision == "fp32" else f" --precision {precision}"
    name = protocol.removesuffix("-soft")
    soft = " --labels soft" if name != protocol else ""
    return f"--protocol {name}{soft} --networks {network}{length}{exact}"
