"""``condensery``: the process around a command.

Exit codes: 0; 2 for errors that a user can correct; 128 plus the number of the signal for a process
that was asked to end (130 after Ctrl-C, 143 after SIGTERM). An unexpected error has its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from condensery.cli.process import OutputError, Signals, streams
from condensery.launch import process_index


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    # Threads that wait by spinning stand still where another process wants their core: with two
    # of three processes on two cores an image update took over 20 s, asleep 0.8 s (digits, width
    # 32, 2026-11-22). Read when torch is first imported; what the user has set is kept.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = list(sys.argv[1:] if argv is None else argv)
    with streams(), Signals() as signals:
        try:
            from condensery.cli.commands import run  # after the signals: it imports much

            code = run(given)
            sys.stdout.flush()
            return signals.code if code and signals.received is not None else code
        except KeyboardInterrupt as interrupt:
            _say_error(f"{signals.words}. {interrupt}".strip())
            return signals.code
        except OutputError as error:
            if error.reader_is_gone:  # `condensery inspect FILE | head`
                return 0
            _say_error(
                f"standard output cannot be written ({error}). Files that the command has written "
                "are whole; only its printed output is lost."
            )
            return 2
        except Exception:
            if signals.received is None:
                raise
            _say_error(f"{signals.words}.")  # what fails then is what the signal has torn down
            return signals.code


def _say_error(text: str) -> None:
    if process_index() == 0:  # of several processes, the first one says it
        print(f"condensery: error: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
