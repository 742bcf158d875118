"""``condensery doctor``: facts about this machine, and whether the library works on it."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This command has no options."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print facts, then condense a few digits."""
    del arguments
    from condensery.runs.doctor import examine

    for word, text in examine():
        print(f"{word:12}{text}", flush=True)
    return 0
