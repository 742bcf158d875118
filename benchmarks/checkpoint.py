r"""Seconds and memory of writing a checkpoint: 1,000 classes at 64 pixels with Adam's two moments.

    python benchmarks/checkpoint.py [--classes 1000] [--ipc 10] [--side 64]

The stored images of a run and the two moments of Adam are three tensors of equal size. The memory
is what the process needs above them. ``share`` is what a run would spend on checkpoints that take
so long (``CheckpointTimer``).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time

import torch

from condensery.checkpoint import SHARE, save_checkpoint


def peak() -> int:
    """Peak memory of this process in bytes, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Write three checkpoints and print what the last one took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in (("classes", 1000), ("ipc", 10), ("side", 64)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    shape = (given.classes * given.ipc, 3, given.side, given.side)
    tensors = {name: torch.full(shape, 0.5) for name in ("images", "first", "second")}
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(folder, step=0, tensors={"small": torch.zeros(9)}, facts={})
        before, took = peak(), 0.0
        for step in (1, 2, 3):
            begin = time.perf_counter()
            file = save_checkpoint(folder, step=step, tensors=tensors, facts={})
            took = time.perf_counter() - begin
        found = {
            "mb": round(file.stat().st_size / 1e6, 1),
            "seconds": round(took, 2),
            "memory_mb": round((peak() - before) / 1e6, 1),
            "share": round(min(SHARE, took / 20), 4),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
