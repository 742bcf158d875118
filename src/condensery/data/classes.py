"""The comparison of class names of two sources, and the order of class folders.

Classes are matched by name, never by position, because two sources of one data set often list their
classes in different orders. Classes that cannot be matched for certain are refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from condensery.data.known import CLASS_TABLES
from condensery.errors import DataError

_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassList:
    """The classes of one source.

    Attributes:
        title: Name of the source in errors, such as a path.
        names: One name for each class, in the order of the labels; ``"0", "1", ...`` if the source
            has only numbers.
        numbering: The names that numbers mean in this source, if that is certain, such as in the
            published order of a known data set.
        own_order: Whether other sources of the same data set may number the classes differently.
    """

    title: str
    names: tuple[str, ...]
    numbering: tuple[str, ...] | None = None
    own_order: bool = False

    @property
    def only_numbers(self) -> bool:
        """Whether the names are only numbers."""
        return counts(self.names, start=0)

    @property
    def known_names(self) -> tuple[str, ...] | None:
        """The names, or those that the numbers mean; ``None`` if that is not certain."""
        if not self.only_numbers:
            return self.names
        if self.numbering is not None and len(self.numbering) == len(self.names):
            return self.numbering
        return None


def natural_order(names: Sequence[str]) -> list[str]:
    """Sort class names: by number if all are numbers (0, 1, 2, 10), else as text (0, 1, 10, 2)."""
    if all(_is_number(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def counts(names: Sequence[str], *, start: int | None = None) -> bool:
    """Whether names, in the order of the labels, only count: from ``start``, or from anywhere."""
    if not names or not all(_is_number(name) for name in names):
        return False
    first = int(names[0]) if start is None else start
    return [int(name) for name in names] == list(range(first, first + len(names)))


def spelling(name: str) -> Hashable:
    """A key that is equal for different spellings of one name.

    It ignores case, the Unicode form, leading zeros of a number, and which of ``_``, ``-``, ``/``
    and space separates the words.
    """
    if _is_number(name):
        return int(name)
    composed = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[_\-/\s]+", " ", unicodedata.normalize("NFC", composed)).strip()


def match(ours: ClassList, theirs: ClassList) -> tuple[int, ...]:
    """Match each class of ``theirs`` to a class of ``ours``, which gives the labels.

    Numbers match numbers if both count in the same way. Names match names: first exactly, then
    by ``spelling``, then by a table of known classes in which both names mean one class (such as
    ``n02086240`` and ``Shih-Tzu``). Numbers match names if their meaning is known.

    Returns:
        For every label of ``theirs``, the label of ``ours``: a permutation.
    """
    same = tuple(range(len(ours.names)))
    if ours.only_numbers and theirs.only_numbers:
        if len(ours.names) != len(theirs.names):
            raise _different(ours, theirs, ours.names, theirs.names)
        if _count_alike(ours, theirs):
            return same
    elif ours.names == theirs.names:
        return same
    mine, other = ours.known_names, theirs.known_names
    if mine is None or other is None:
        raise _uncertain(ours, theirs)
    found = _matched(mine, other)
    if found is None:
        raise _different(ours, theirs, mine, other)
    return found


def moved(ours: ClassList, theirs: ClassList, order: Sequence[int]) -> str | None:
    """A sentence about the classes with another label after ``match``, if there are any.

    ``order`` is the result of ``match``.
    """
    changed = [
        f"{theirs.names[label]} -> {ours.names[mine]}"
        if theirs.only_numbers
        else f"{ours.names[mine]} ({label} -> {mine})"
        for label, mine in enumerate(order)
        if label != mine
    ]
    if not changed:
        return None
    return (
        f"{theirs.title} lists its classes in another order than {ours.title}. They were matched "
        f"by name; {len(changed)} have another label there: {_listed(changed)}."
    )


def check_chosen(chosen: Sequence[str]) -> None:
    """Refuse a choice of fewer than two classes, or of one class twice."""
    if len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise DataError(
            f"classes = {', '.join(chosen) or 'none'}: name two classes or more, each once, with "
            "--classes NAME,NAME,... (classes=[...])."
        )


def choose(source: ClassList, chosen: Sequence[str]) -> tuple[int, ...]:
    """The label of every class of a source that a user names; each once."""
    labels: list[int] = []
    for name in chosen:
        found = _called(name, source.names)
        if len(found) != 1:
            what = "is none of them" if not found else f"could be any of {len(found)} of them"
            raise DataError(
                f"{source.title}: the classes are {_listed(source.names)}, and {name!r}, which "
                f"was asked for, {what}. Give names of these classes with --classes (classes=)."
            )
        labels.append(found[0])
    if len(set(labels)) < len(labels):
        raise DataError(
            f"{source.title}: two of the chosen classes ({', '.join(chosen)}) are the same class. "
            "Name each class once with --classes (classes=)."
        )
    return tuple(labels)


def _called(name: str, names: Sequence[str]) -> list[int]:
    """Labels of the classes that a name may mean."""
    exact = [label for label, own in enumerate(names) if own == name]
    similar = [label for label, own in enumerate(names) if spelling(own) == spelling(name)]
    known = [(table, table.find(name)) for table in CLASS_TABLES]
    tables = [(table, index) for table, index in known if index is not None]
    return (
        exact
        or similar
        or [
            label
            for label, own in enumerate(names)
            if any(table.find(own) == index for table, index in tables)
        ]
    )


def _count_alike(ours: ClassList, theirs: ClassList) -> bool:
    """Whether equal numbers mean the same class."""
    if ours.numbering is None or theirs.numbering is None:
        unsaid = ours.numbering is theirs.numbering
        return unsaid or not (ours.own_order or theirs.own_order)
    return ours.numbering == theirs.numbering


def _matched(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, ...] | None:
    """The permutation that follows from the names, or ``None``."""

    def by(key_of: Callable[[str], Hashable]) -> tuple[int, ...] | None:
        """Match equal keys; ``None`` unless every key occurs once on both sides."""
        index = {key_of(name): label for label, name in enumerate(ours)}
        keys = [key_of(name) for name in theirs]
        complete = None not in index and len(index) == len(ours) == len(theirs)
        return tuple(index[key] for key in keys) if complete and set(keys) == index.keys() else None

    by_table = {found for table in CLASS_TABLES if (found := by(table.find))}
    only = by_table.pop() if len(by_table) == 1 else None
    return by(str) or by(spelling) or only


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _uncertain(ours: ClassList, theirs: ClassList) -> DataError:
    """The error for numbers and names, or for two ways of counting."""
    return DataError(
        f"{ours.title} has the classes {_listed(ours.names)}; {theirs.title} has "
        f"{_listed(theirs.names)}. Numbers do not say for certain which class is which. Name the "
        "classes in the order of the numbers with --classes NAME,NAME,... (classes=[...]), or "
        "say which known data set it is with --name (name=)."
    )


def _different(
    ours: ClassList, theirs: ClassList, mine: Sequence[str], other: Sequence[str]
) -> DataError:
    """The error for names that are not certainly the same classes."""
    here, there = {spelling(name) for name in mine}, {spelling(name) for name in other}
    odd = [name for name in mine if spelling(name) not in there]
    odd += [name for name in other if spelling(name) not in here]
    why = (
        f"{odd[0]!r} is in one of them only"
        if odd
        else "some names are alike up to case and separators"
    )
    return DataError(
        f"{ours.title} has {len(mine)} classes, {_listed(mine)}; {theirs.title} has {len(other)}, "
        f"{_listed(other)}. They cannot be matched by name: {why}. Both need the same classes: "
        "rename them, or choose those that both have with --classes NAME,NAME,... (classes=[...])."
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
