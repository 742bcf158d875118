"""The commands of ``condensery`` by name, and how one is found and run."""

from __future__ import annotations

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
    extend,
    import_set,
    inspect,
    methods,
    parts,
    pull,
    push,
    recipe,
    relabel,
    report,
    rerank,
    resume,
    select,
    table,
    take,
)
from condensery.cli.parser import Parser, joined, say_error
from condensery.cli.process import program
from condensery.errors import CondenseryError, ConfigError, DataWarning, nearest
from condensery.launch import process_count, process_index

COMMANDS: Mapping[str, ModuleType] = {
    "condense": condense,
    "resume": resume,
    "evaluate": evaluate,
    "compare": compare,
    "table": table,
    "select": select,
    "rerank": rerank,
    "relabel": relabel,
    "experts": experts,
    "report": report,
    "take": take,
    "extend": extend,
    "inspect": inspect,
    "export": export,
    "import": import_set,
    "push": push,
    "pull": pull,
    "methods": methods,
    "parts": parts,
    "recipe": recipe,
    "doctor": doctor,
}


_FOR_PROCESSES = ("condense", "resume", "experts")
"""Commands that several processes of ``torchrun`` do together."""


def run(given: Sequence[str]) -> int:
    """Run one command, and turn every expected error into one message.

    Args:
        given: The arguments of the process, without the name of the program.

    Returns:
        The exit code: 0, or 2 after an error that a user can correct.

    Raises:
        KeyboardInterrupt: Says how to continue if work was started.
        OutputError: If standard output cannot be written.
    """
    try:
        with _notices_as_lines():
            return _run(joined(given))
    except SystemExit as stop:  # argparse, after --help or an error it has printed
        return stop.code if isinstance(stop.code, int) else 0
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
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        say_error(
            f"there is not enough memory{f' ({reason})' if reason else ''}. What was finished is "
            "on file. Close other programs, use smaller images (--image-size), fewer threads "
            "(--threads 1) or less memory at a time (--memory 1G, --image-memory 500M, where the "
            "command has them), or a machine with more memory."
        )
        return 2


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error means too little memory; torch has one for accelerators and one for CPUs."""
    named = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or named or "can't allocate memory" in str(error)


@contextmanager
def _notices_as_lines() -> Generator[None]:
    """Print each ``DataWarning`` as one line on standard error."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:  # noqa: ANN401
            if issubclass(category, DataWarning):
                if process_index() == 0:
                    print(f"condensery: notice: {message}", file=sys.stderr)
            else:
                usual(message, category, *where)

        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def _run(given: list[str]) -> int:
    parser = Parser(
        prog=program(sys.argv[0]),
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
        if given[:1] == [name]:  # names of parts are looked up for this command alone
            command.add_arguments(parsers[name])
    if not given:
        parser.print_help()
        return 2
    name = given[0]
    if not name.startswith("-") and name not in COMMANDS:
        known = ", ".join(COMMANDS)
        parser.error(f"command {name!r} is unknown; known are {known}.{nearest(name, COMMANDS)}")
    if process_count() > 1 and name in COMMANDS and name not in _FOR_PROCESSES:
        raise ConfigError(
            f"{name} does not divide its work among processes, but torchrun started "
            f"{process_count()}. Give the command without torchrun; {', '.join(_FOR_PROCESSES)} "
            "are for several processes."
        )
    arguments, unknown = parser.parse_known_args(given)
    if unknown:
        parsers.get(name, parser).refuse_unknown(unknown)
    if not getattr(arguments, "deterministic", False):
        return COMMANDS[name].run(arguments)

    from condensery.devices import deterministic

    with deterministic():
        return COMMANDS[name].run(arguments)
