r"""One image update of features of all sizes 1 to 10, over one iteration of the released DM.

The update: CIFAR-10 shape, ConvNet-3 of width 128 on the line between an untrained and a trained
network, 64 real images a class, mosaics of nine images (``--factor``), mean features of all ten
nested sets, and the cross-entropy of the 900 synthetic examples in the same pass. The iteration of
DM: 256 real images and 10 synthetic ones a class, one size, by the reference in the tree (autograd,
always float32).

    python benchmarks/feature_step.py                    # CPU seconds, one thread, and their ratio
    python benchmarks/feature_step.py --width 64 --rounds 5
    python benchmarks/feature_step.py --precision bf16   # as runs match on a CPU that multiplies it
    python benchmarks/feature_step.py --profile          # where the time of an update goes

All are interleaved, and times are CPU seconds of the process, so that a busy machine slows them
alike. Images are random: what an update costs does not depend on them. The one expert takes one
step, before anything is timed.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from steps import REFERENCE, TIMED, Run, Timed, images

from condensery.condensing.init import RandomImages
from condensery.condensing.objectives import Calibrated, DistributionMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.schedules import Interpolated
from condensery.condensing.sizes import OneSize
from condensery.data import ImageData
from condensery.methods import recipe_for
from condensery.parameterizations import MultiFormation

NAMES = {
    "reference": "an iteration of DM, reference",
    "compiled": "an iteration of DM, compiled",
    "all": "all sizes and the class term",
    "means": "all sizes",
    "one": "one size",
    "expert": "all sizes, the class term by the expert",
}


def update(data: ImageData, *, width: int, **changes: Any) -> Recipe:
    """The recipe whose updates are timed: preset ``quick`` of ``nested``, with one short expert."""
    return replace(
        recipe_for("nested", data, ipc=10, preset="quick"),
        network=f"convnet3-w{width}",
        schedule=Interpolated(trajectories=1, epochs=1, steps=1),
        init=RandomImages(),
        **changes,
    )


class Updates(Run):
    """A run whose steps are image updates: what is yielded between outer iterations is left out."""

    def step(self) -> object:
        """One image update."""
        while True:
            together = next(self._steps)
            if not together[0].boundary:
                return together


def cpu_seconds(timed: Timed) -> float:
    """Of one step."""
    began = time.process_time()
    timed.step()
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default=",".join(NAMES), help=", ".join(NAMES))
    parser.add_argument("--factor", type=int, default=3, help="small images a side of a stored one")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = images()
    fast = {"engine": "fused", "precision": asked.precision, "compiled": True}
    mosaic = MultiFormation(factor=asked.factor)

    def updates(**changes: Any) -> Updates:
        recipe = update(data, width=asked.width, parameterization=mosaic, **fast, **changes)
        return Updates(recipe, data=data)

    ours = updates()
    if asked.profile:
        profile = cProfile.Profile()
        ours.step()
        profile.runcall(ours.step)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    network = f"convnet3-w{asked.width}"
    means, one = DistributionMatching(), OneSize()
    kinds: dict[str, Callable[[], Timed]] = {
        "reference": lambda: TIMED["dm_iteration"](data, network=network, **REFERENCE),
        "compiled": lambda: TIMED["dm_iteration"](data, network=network, **fast),
        "all": lambda: ours,
        "means": lambda: updates(objective=means),
        "one": lambda: updates(objective=means, size_policy=one),
        "expert": lambda: updates(objective=Calibrated()),
    }
    runs = {name: kinds[name]() for name in asked.only.split(",")}
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(asked.rounds):
        for name, timed in runs.items():
            took[name].append(cpu_seconds(timed))
    first, *_ = took.values()
    print(f"{'':46} {'CPU s':>7} {'least':>7} {'first over it':>13}")
    for name, seconds in took.items():
        ratio = median(a / b for a, b in zip(first, seconds, strict=True))
        print(f"{NAMES[name]:46} {median(seconds):7.2f} {min(seconds):7.2f} {ratio:13.1f}")


if __name__ == "__main__":
    main()
