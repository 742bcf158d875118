r"""This checkout against another, in turns, each in a process of its own.

What the other takes is not known beforehand, so nothing is recorded here. Both compile first; a
busy machine slows both, and a ratio is that of the two steps of one turn.

    git worktree add ../before COMMIT
    python benchmarks/against.py ../before/src [--threads 2] [--rounds 12] [--what matching]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import torch
from steps import OURS, TIMED, images


def serve(what: str) -> None:
    """Measure once for every line that comes in."""
    timed = TIMED[what](images(), **OURS)
    timed.step()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(timed.seconds(), flush=True)


class Measured:
    """A process that measures the library in a folder."""

    def __init__(self, source: Path, what: str, threads: int) -> None:
        command = [sys.executable, __file__, "--serve", "--what", what, "--threads", str(threads)]
        self._process = subprocess.Popen(
            [*command, str(source)],
            env={**os.environ, "PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def seconds(self) -> float:
        """Of one step."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("The measured process ended; its error is above.")
        return line


def main() -> None:
    """Measure both in turns; print every turn and the medians."""
    parser = argparse.ArgumentParser(description="This checkout against another.")
    parser.add_argument("source", type=Path, help="the other one's folder src")
    parser.add_argument("--what", choices=TIMED, default="inner_step")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.serve:
        serve(options.what)
        return
    own = Path(__file__).resolve().parents[1] / "src"
    both = [
        Measured(source, options.what, options.threads)
        for source in (options.source.resolve(), own)
    ]
    turns: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        other, ours = (each.seconds() for each in both)
        turns.append((other, ours))
        print(f"{other:8.3f} s  {ours:8.3f} s  {other / ours:5.2f}", flush=True)
    for each in both:
        each.close()
    others, us = zip(*turns, strict=True)
    ratio = median(a / b for a, b in turns)
    print(f"{median(others):8.3f} s  {median(us):8.3f} s  {ratio:5.2f}, medians; n = {len(turns)}")


if __name__ == "__main__":
    main()
