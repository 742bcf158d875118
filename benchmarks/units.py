"""What a comparison's sets cost together, in image updates of one IDC run.

Fashion-MNIST, IPC 10, `quick` (bf16, compiled), one thread of a 2-core x86, 2026-11-22, medians
of 7, measured twice: IDC 0.85 and 0.89 CPU s; in units of it MDC 1.08 and 1.40, nested 1.19 and
1.23, the 17 sets of A (six sizes), B, C, MDC and nested in one batch 5.1 and 5.2.

    python benchmarks/units.py DATA
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

import condensery
from condensery.api import resolve
from condensery.condensing.init import HerdedImages
from condensery.condensing.loop import initial_state, run_together
from condensery.condensing.recipe import Recipe
from condensery.condensing.sizes import AllSizes
from condensery.data import ImageData

UPDATES, WARM = 7, 3  # the first ones compile
SIZES = (1, 2, 3, 5, 7, 10)


def recipe(data: ImageData, method: str, ipc: int) -> Recipe:
    """Of `quick`, long enough to be compiled."""
    return resolve(
        data,
        method=method,
        ipc=ipc,
        preset="quick",
        size_policy=None,
        network=None,
        settings={"iterations": "12"},
    )


def seconds(data: ImageData, recipes: Sequence[Recipe]) -> float:
    """Median CPU seconds of an image update of all of them in one batch."""
    states = [initial_state(each, data, seed=0) for each in recipes]
    steps, took = run_together(recipes, data, seed=0, states=states), list[float]()
    for _ in range(WARM + UPDATES):
        begin = time.process_time()
        next(steps)
        took.append(time.process_time() - begin)
    return statistics.median(took[WARM:])


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    data = condensery.load_data(sys.argv[1]).train
    runs = {size: recipe(data, "idc", size) for size in SIZES}  # A; the last is C
    mdc = recipe(data, "mdc", 10)
    # ``nested`` as it was when this was measured: MDC's networks and gradients, all sizes at once
    ours = {"mdc": mdc, "nested": replace(mdc, size_policy=AllSizes(), init=HerdedImages())}
    together = [*runs.values(), *[runs[1]] * 9, *ours.values()]  # B: nine more of one image
    one = seconds(data, [runs[10]])
    print(f"idc         {one:.2f} CPU s an update")
    for name, sets in {
        "mdc": [ours["mdc"]],
        "nested": [ours["nested"]],
        "all 17": together,
    }.items():
        took = seconds(data, sets)
        print(f"{name:10}  {took:.2f} CPU s an update, {took / one:.2f} units")


if __name__ == "__main__":
    main()
