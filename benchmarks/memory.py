"""Peak memory of a matching step, above what its process holds before, in a process of its own.

``python benchmarks/memory.py reference`` prints MB of the resident set, sampled while the step
runs; the step before it has compiled what there is to compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from steps import OURS, REFERENCE, Run, images, mdc

__all__ = ["extra", "peak_of", "release", "resident"]

T = TypeVar("T")


def extra(variant: str) -> float:
    """MB that one matching step of a variant takes on top; measured in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, variant], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    """Take two steps; print the peak of the second."""
    data = images()
    run = Run(mdc(data, steps=0, **{"reference": REFERENCE, "ours": OURS}[sys.argv[1]]), data=data)
    run.step()
    print(round(peak_of(run.step)[1], 1))


def peak_of(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and the MB that it took on top at its peak."""
    release()
    before, peak, done = resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = call()
    done.set()
    watcher.join()
    return found, peak - before


def resident() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def release() -> None:
    """Give freed memory back, so that the next step has to ask for it again."""
    import ctypes
    import gc

    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    main()
