"""An image or a file of a data source that was not read, and the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Skipped:
    """One image or file of a data set that was skipped.

    Attributes:
        name: Its name in the source, such as ``"cat/3.png"`` or ``"item 5"``.
        reason: Why it was skipped, such as ``"it is truncated"``; without a full stop.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def by_reason(skipped: Sequence[Skipped]) -> list[dict[str, Any]]:
    """Skipped files as JSON values: each reason once, with the number and the first names.

    Returns:
        ``{"reason", "count", "names"}`` in the order of the first occurrence, with at most five
        names each.
    """
    groups: dict[str, list[str]] = {}
    for entry in skipped:
        groups.setdefault(entry.reason, []).append(entry.name)
    return [
        {"reason": reason, "count": len(names), "names": names[:_NAMED]}
        for reason, names in groups.items()
    ]


def in_words(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each reason of ``by_reason``."""
    more = [group["count"] - len(group["names"]) for group in groups]
    return [
        f"{', '.join(group['names'])}{f' and {rest} more' if rest else ''}: {group['reason']}"
        for group, rest in zip(groups, more, strict=True)
    ]


def remarks(skipped: Sequence[Skipped], notices: Sequence[str]) -> dict[str, Any]:
    """Remarks about the data, for the record of a run or of a condensed file.

    Returns:
        ``left_out`` (see ``by_reason``) and ``notices``, each only if it is not empty.
    """
    said = {"left_out": by_reason(skipped), "notices": list(notices)}
    return {key: held for key, held in said.items() if held}
