"""Argument parsing that answers mistakes with one line and the nearest known word.

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

_T = TypeVar("_T")
_NEGATIVE = re.compile(r"-[\d.][^,]*,.*")


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
        """Refuse arguments that no option takes, naming the nearest option."""
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


def checked(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """A function of the library that reads text, with its ``ConfigError`` as argparse wants it."""

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
    """A name that the registry knows in a slot, or ``package.module:name``."""

    def known(text: str) -> str:
        from condensery.registry import find

        find(slot, text)
        return text

    return checked(known)


def setting(text: str) -> tuple[str, str]:
    """``key=value``; a folder becomes absolute, since a run may go on from elsewhere."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is no key=value, such as update.lr=0.01")
    if key.endswith("schedule.buffer") and value:
        value = os.path.abspath(os.path.expanduser(value))
    return key, value
