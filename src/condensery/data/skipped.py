"""An image or a file of a data source that was not read, and the reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Skipped"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """One image or file that was left out of a data set.

    Attributes:
        name: Where it is in the source, such as ``"cat/3.png"`` or ``"item 5"``.
        reason: Why it was left out, such as ``"it is truncated"``; no full stop at the end.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
