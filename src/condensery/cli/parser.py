"""Argument parsing in which a mistake gives one line with the nearest known word.

Knows nothing about commands, and imports no other library.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from condensery import quantities
from condensery.errors import ConfigError, nearest
from condensery.launch import process_index

_T = TypeVar("_T")
_NEGATIVE = re.compile(r"-[\d.][^,]*,.*")


def say_error(text: str) -> None:
    """Print the message of an error; of several processes, the first one prints it."""
    if process_index() == 0:
        print(f"condensery: error: {text}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one message, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with 2."""
        end = "" if message.endswith(("?", ".")) else "."
        say_error(f"{message}{end} See: {self.prog} --help")
        raise SystemExit(2)

    def refuse_unknown(self, given: Sequence[str]) -> None:
        """Refuse unknown arguments; the error names the nearest option."""
        options = [text for action in self._actions for text in action.option_strings]
        first = given[0].partition("=")[0]
        hint = nearest(first, options) if first.startswith("-") else ""
        self.error(f"{given[0]!r} is not understood.{hint}")


def joined(given: Sequence[str]) -> list[str]:
    """Join an option and a list of numbers that starts with a minus: ``--value-range=-1,1``.

    Otherwise argparse would read ``-1,1`` as another option.
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
    """A parser of integers that are at least ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small: give {least} or more")
        return number

    return parse


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def several(text: str) -> tuple[str, ...]:
    """Words separated by commas."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return words


def several_or_none(text: str) -> tuple[str, ...]:
    """Words separated by commas, or ``none``."""
    words = several(text)
    if "none" in words and len(words) > 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} names none and others: give none alone, or only the others"
        )
    return () if words == ("none",) else words


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """A parser of known words; the error names the nearest one."""

    def parse(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"{text!r} is unknown; known are {', '.join(known)}.{nearest(text, known)}"
            )
        return text

    return parse


def checked(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """A parser from a function of the library, with its ``ConfigError`` as an argparse error."""

    def parse_argument(text: str) -> _T:
        try:
            return parse(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


amount = checked(quantities.amount)
duration = checked(quantities.duration)
fraction = checked(quantities.fraction)
value_range = checked(quantities.value_range)
whole_numbers = checked(quantities.whole_numbers)


def named(slot: str) -> Callable[[str], str]:
    """A parser of names in a slot of the registry, or ``package.module:name``."""

    def known(text: str) -> str:
        from condensery.registry import find

        find(slot, text)
        return text

    return checked(known)


def setting(text: str) -> tuple[str, str]:
    """``key=value``; a folder becomes absolute, as a run may continue from another folder."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is no key=value, such as update.lr=0.01")
    if key.endswith("schedule.buffer") and value:
        value = os.path.abspath(os.path.expanduser(value))
    return key, value
