"""``condensery``: finds the command, and turns every foreseen error into one message.

Exit codes: 0; 2 for errors a user can mend; 130 after Ctrl-C. What nobody foresaw keeps its
traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from condensery import __version__
from condensery.cli import (
    compare,
    condense,
    doctor,
    evaluate,
    experts,
    export,
    import_set,
    inspect,
    methods,
    report,
    resume,
    select,
    table,
    take,
)
from condensery.cli.parser import Parser, say_error
from condensery.errors import CondenseryError, DataWarning, nearest

__all__ = ["COMMANDS", "main"]

COMMANDS: Mapping[str, ModuleType] = {
    "condense": condense,
    "resume": resume,
    "evaluate": evaluate,
    "compare": compare,
    "table": table,
    "select": select,
    "experts": experts,
    "report": report,
    "take": take,
    "inspect": inspect,
    "export": export,
    "import": import_set,
    "methods": methods,
    "doctor": doctor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Without the program's name; what the process was given if ``None``.

    Returns:
        The exit code.
    """
    # Threads that wait by spinning stand still where another process wants their core: with two
    # of three processes on two cores an image update took over 20 s, asleep 0.8 s (digits, width
    # 32, 2026-11-22). Read when torch is first imported; what the user has set is kept.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        with _notices_as_lines():
            return _run(given)
    except SystemExit as stop:  # argparse, after --help or an error it has said
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as interrupt:
        say_error(f"interrupted. {interrupt}".strip())
        return 130
    except BrokenPipeError:  # `condensery inspect ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CondenseryError as error:
        say_error(str(error))
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say_error(
            f"{where}{error.strerror or error}. Check that the path exists, that it may be read "
            "or written, and that the disk has space."
        )
        return 2


@contextmanager
def _notices_as_lines() -> Generator[None]:
    """Print each ``DataWarning`` as one line on standard error."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:  # noqa: ANN401
            if issubclass(category, DataWarning):
                print(f"condensery: notice: {message}", file=sys.stderr)
            else:
                usual(message, category, *where)

        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def _run(given: list[str]) -> int:
    parser = Parser(
        prog="condensery",
        description="Condense a labelled image data set once; use it at any size.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"condensery {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    parsers: dict[str, Parser] = {}
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").partition("\n")[0]
        summary = summary.partition(": ")[2]
        parsers[name] = commands.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:], allow_abbrev=False
        )
        command.add_arguments(parsers[name])
    if not given:
        parser.print_help()
        return 2
    name = given[0]
    if not name.startswith("-") and name not in COMMANDS:
        known = ", ".join(COMMANDS)
        parser.error(f"command {name!r} is unknown; known are {known}.{nearest(name, COMMANDS)}")
    arguments, unknown = parser.parse_known_args(given)
    if unknown:
        parsers.get(name, parser).refuse_unknown(unknown)
    return COMMANDS[name].run(arguments)


if __name__ == "__main__":
    sys.exit(main())
