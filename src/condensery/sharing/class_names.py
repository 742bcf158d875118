"""Class names as names of folders and as labels of a table, all different."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LONGEST = 100  # bytes of a folder name; file systems hold 143 (encrypted) to 255
_RESERVED = frozenset(
    [
        *("con", "prn", "aux", "nul"),  # names of devices on Windows, with any ending
        *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
        "export",  # export.json is in the same folder
    ]
)


def distinct(class_names: Sequence[str]) -> list[str]:
    """Different class names, because a ``ClassLabel`` of the Hub must not repeat a name."""
    names: list[str] = []
    for label, name in enumerate(class_names):
        names.append(f"{name} ({label})" if class_names.count(name) > 1 else name)
    while len(set(names)) < len(names):  # a class is called like another with its number
        names = [f"{name} ({label})" for label, name in enumerate(names)]
    return names


def folder_names(class_names: Sequence[str]) -> list[str]:
    """Class names as different names of folders that are valid on every file system.

    They have no separators or control characters, are not hidden, too long or reserved, and differ
    also on a file system that ignores case and Unicode forms.
    """
    names: list[str] = []
    taken: set[str] = set()
    for label, name in enumerate(class_names):
        composed = unicodedata.normalize("NFC", name)
        plain = re.sub(r"[^\w\- .()]+", "_", composed).strip(" .").lstrip("_")
        plain = _shortened(plain, _LONGEST).rstrip(" .") or str(label)
        if plain.partition(".")[0].strip().lower() in _RESERVED:
            plain = f"{label}-{plain}"
        candidate = f"{plain} ({label})" if _folded(plain) in taken else plain
        while _folded(candidate) in taken:  # a class is called like another with its number
            candidate = f"{candidate} ({label})"
        taken.add(_folded(candidate))
        names.append(candidate)
    return names


def _folded(name: str) -> str:
    """A key that is equal for names that a file system may not distinguish."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _shortened(name: str, limit: int) -> str:
    """The beginning of a name, of at most ``limit`` bytes of UTF-8."""
    return name.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
