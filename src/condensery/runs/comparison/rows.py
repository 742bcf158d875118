"""The rows of a comparison: methods, methods with another size policy, baselines, selections.

Knows nothing about how a run is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from condensery.errors import ConfigError, nearest
from condensery.registry import names

BASELINES = ("a", "b", "c")
"""The baselines of He et al. 2024 (MDC): a run for every size, N runs of one image per class, and
one run whose smaller sizes are prefixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One row of the table.

    Attributes:
        name: The word of the user.
        kind: ``"prefixes"`` of one run, ``"a"``, ``"b"``, or a ``"selection"`` of real images.
        method: The method, or the rule of a selection.
        size_policy: Another size policy than that of the method, or ``None``.
        reranked: Whether the images of the run are reranked (YOCO).
    """

    name: str
    kind: Literal["prefixes", "a", "b", "selection"]
    method: str
    size_policy: str | None = None
    reranked: bool = False

    @property
    def file(self) -> str:
        """The name as a part of a file name: ``idc:all`` is ``idc-all``."""
        return self.name.replace(":", "-")


def compared_row(word: str, *, base: str) -> ComparedRow:
    """Read one word of ``--methods``.

    Args:
        word: A method, ``method:policy``, ``a``, ``b``, ``c`` or a selection rule; all of these
            but a and b also with ``:rerank``.
        base: The method of the baselines a, b and c.

    Raises:
        ConfigError: If the word is unknown; names the nearest known word.
    """
    rest, _, last = word.rpartition(":")
    if last == "rerank" and rest:
        row = compared_row(rest, base=base)
        if row.kind in ("a", "b"):
            raise ConfigError(
                f"{word!r} cannot be compared: {rest} is no single run whose images could be "
                "ordered. Use METHOD:rerank, such as c:rerank."
            )
        return replace(row, name=word, reranked=True)
    if word in names("selection"):
        return ComparedRow(name=word, kind="selection", method=word)
    if word in BASELINES:
        # All three lack a subset loss, whatever their method would match by itself.
        kind = "prefixes" if word == "c" else word
        return ComparedRow(name=word, kind=kind, method=base, size_policy="one")
    method, colon, policy = word.partition(":")
    known = (*names("method"), *BASELINES, *names("selection"))
    if method not in names("method"):
        raise ConfigError(
            f"{word!r} cannot be compared: known are {', '.join(known)}, METHOD:POLICY such as "
            f"idc:all, and METHOD:rerank.{nearest(method, known)}"
        )
    if colon and policy not in names("size_policy"):
        raise ConfigError(
            f"{word!r} cannot be compared: size policy {policy!r} is unknown; known are "
            f"{', '.join(names('size_policy'))}.{nearest(policy, names('size_policy'))}"
        )
    return ComparedRow(name=word, kind="prefixes", method=method, size_policy=policy or None)
