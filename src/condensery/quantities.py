"""Parsers of numbers given as text: sizes, bytes, durations, ranges, fractions."""

from __future__ import annotations

import math
import re

from condensery.errors import ConfigError

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def whole_numbers(text: str) -> tuple[int, ...]:
    """``1,2,5`` or ``1-5``, or a mixture of both; all numbers are at least 1."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise ConfigError(
                f"{text!r} is no list of sizes: write whole numbers with commas, such as 1,2,5,10"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if low < 1 or high < low:
            raise ConfigError(f"{part.strip()!r} is no size: sizes begin at 1")
        found.extend(range(low, high + 1))
    return tuple(dict.fromkeys(found))


def amount(text: str) -> int:
    """Bytes: ``50000``, ``50k`` (thousands) or ``50Ki`` (1024s)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?)b?", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ConfigError(
            f"{text!r} is no number of bytes: write 50000, 50k (thousands) or 50Ki (of 1024)"
        )
    return int(float(match[1]) * _UNITS[match[2]])


def duration(text: str) -> float:
    """Seconds: ``90s``, ``10m``, ``1h``, ``1h30m``."""
    matches = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text.strip().lower())
    whole = "".join(number + unit for number, unit in matches)
    units = [unit for _, unit in matches]
    if not matches or whole != text.strip().lower() or len(set(units)) != len(units):
        raise ConfigError(f"{text!r} is no duration: write 90s, 10m, 1h or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in matches)
    if seconds <= 0:
        raise ConfigError(f"{text!r} leaves no time: give 1s or more")
    return seconds


def value_range(text: str) -> tuple[float, float]:
    """Two numbers separated by a comma, the lower one first."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(
            f"{text!r} is no range: write the values that become black and white, such as 0,4095"
        )
    if low >= high:
        raise ConfigError(f"{text!r} is no range: write the lower number first")
    return low, high


def fraction(text: str) -> float:
    """A number in 0..1, such as an accuracy."""
    try:
        number = float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no number: write 0.85 for 85 %") from None
    if not 0 <= number <= 1:
        raise ConfigError(f"{text!r} is no fraction: write 0.85 for 85 %")
    return number
