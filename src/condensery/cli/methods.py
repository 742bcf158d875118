"""``condensery methods``: list the methods, their presets and papers."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This command has no options."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    del arguments
    from condensery.registry import parts

    for name, method in parts("method").items():
        print(f"{name:8}{method.summary}")
        print(f"{'':8}presets: {', '.join(method.presets)}")
        print(f"{'':8}{method.paper}")
    return 0
