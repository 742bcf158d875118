"""Numbers as text for people: per cent, differences, bytes, durations, Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

PLUS_MINUS = " ± "
"""The sign between a mean and its deviation."""

NOTHING = "–"
"""The text of a table cell whose number is not known."""

_DAY = 24 * 3600


def percent(fraction: float) -> str:
    """``63.2``: a fraction of 1 in per cent, without the per cent sign."""
    return f"{100 * fraction:.1f}"


def plus_minus(mean: float, std: float | None) -> str:
    """``63.2 ± 0.4``: fractions of 1 in per cent; only the mean if ``std`` is ``None``."""
    return percent(mean) + ("" if std is None else f"{PLUS_MINUS}{percent(std)}")


def rounded(percent: float) -> str:
    """A number in per cent with one digit, where a half is rounded up: 49.55 gives ``49.6``."""
    exact = Decimal(repr(round(percent, 6)))
    return str(exact.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))


def points(value: float) -> str:
    """``+1.2``, ``−0.3`` or ``0.0``: a difference in percentage points with its sign."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def byte_count(count: int) -> str:
    """``30.8 kB``: bytes in powers of 1000."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < (1000 if unit == "B" else 999.5):
            break
        value, unit = value / 1000, larger
    if unit == "B":
        return f"{count} B"
    return f"{value:.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def duration(seconds: float) -> str:
    """``12 ms``, ``12.3 s``, ``4 min 5 s``, ``1 h 10 min`` or ``2.5 days``."""
    if 0 < seconds < 0.9995:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds >= 2 * _DAY:
        return f"{seconds / _DAY:.1f} days"
    if round(seconds) < 3600:
        (large, small), units = divmod(round(seconds), 60), ("min", "s")
    else:
        (large, small), units = divmod(round(seconds / 60), 60), ("h", "min")
    return f"{large} {units[0]}" + (f" {small} {units[1]}" if small else "")


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with right-aligned columns.

    Args:
        rows: Rows of equally many cells; the first row is the header.
    """
    # A column of one character would have the rule ":", which is no rule in Markdown.
    widths = [max(2, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in (rows[0], rule, *rows[1:])
    )
