"""Argument parsing that answers mistakes with one line and the nearest known word.

Knows nothing about commands; standard library only.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from condensery.errors import nearest

__all__ = [
    "Parser",
    "amount",
    "at_least",
    "duration",
    "fraction",
    "joined",
    "named",
    "one_of",
    "say_error",
    "setting",
    "several",
    "value_range",
    "whole_numbers",
]

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_NEGATIVE = re.compile(r"-[\d.][^,]*,.*")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def say_error(text: str) -> None:
    """Print the one message that an error gives."""
    print(f"condensery: error: {text}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one message, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, where help is, and exit with 2."""
        end = "" if message.endswith(("?", ".")) else "."
        say_error(f"{message}{end} See: {self.prog} --help")
        raise SystemExit(2)

    def refuse_unknown(self, given: Sequence[str]) -> None:
        """Refuse arguments that nobody took, naming the nearest option."""
        options = [text for action in self._actions for text in action.option_strings]
        first = given[0].partition("=")[0]
        hint = nearest(first, options) if first.startswith("-") else ""
        self.error(f"{given[0]!r} is not understood.{hint}")


def joined(given: Sequence[str]) -> list[str]:
    """Join an option and a list of numbers that begins with a minus: ``--value-range=-1,1``.

    argparse would take ``-1,1`` for an option of its own.
    """
    found: list[str] = []
    for text in given:
        last = found[-1] if found else ""
        if last.startswith("--") and "=" not in last and _NEGATIVE.fullmatch(text):
            found[-1] = f"{last}={text}"
        else:
            found.append(text)
    return found


def at_least(least: int) -> Callable[[str], int]:
    """A whole number, not below ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small: give {least} or more")
        return number

    return parse


def whole_numbers(text: str) -> tuple[int, ...]:
    """``1,2,5`` or ``1-5``, or both mixed; all at least 1."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no list of sizes: write whole numbers with commas, such as 1,2,5,10"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if low < 1 or high < low:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is no size: sizes begin at 1")
        found.extend(range(low, high + 1))
    return tuple(dict.fromkeys(found))


def several(text: str) -> tuple[str, ...]:
    """Words with commas."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return words


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """One of the known words; another one is answered with the nearest."""

    def parse(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"{text!r} is unknown; known are {', '.join(known)}.{nearest(text, known)}"
            )
        return text

    return parse


def named(slot: str) -> Callable[[str], str]:
    """A name that the registry knows in a slot, or ``package.module:name``."""

    def parse(text: str) -> str:
        from condensery.errors import ConfigError
        from condensery.registry import find

        try:
            find(slot, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return parse


def setting(text: str) -> tuple[str, str]:
    """``key=value``; a folder becomes absolute, since a run may go on from elsewhere."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is no key=value, such as update.lr=0.01")
    if key.endswith("schedule.buffer") and value:
        value = os.path.abspath(os.path.expanduser(value))
    return key, value


def amount(text: str) -> int:
    """Bytes: ``50000``, ``50k`` (thousands) or ``50Ki`` (1024s)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?)b?", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of bytes: write 50000, 50k (thousands) or 50Ki (of 1024)"
        )
    return int(float(match[1]) * _UNITS[match[2]])


def duration(text: str) -> float:
    """Seconds: ``90s``, ``10m``, ``1h``, ``1h30m``."""
    matches = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text.strip().lower())
    whole = "".join(number + unit for number, unit in matches)
    units = [unit for _, unit in matches]
    if not matches or whole != text.strip().lower() or len(set(units)) != len(units):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 10m, 1h or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in matches)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} leaves no time: give 1s or more")
    return seconds


def value_range(text: str) -> tuple[float, float]:
    """Two numbers with a comma, the lower one first."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no range: write the values that become black and white, such as 0,4095"
        )
    if low >= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no range: write the lower number first")
    return low, high


def fraction(text: str) -> float:
    """A number in 0..1, such as an accuracy."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: write 0.85 for 85 %") from None
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no fraction: write 0.85 for 85 %")
    return number
