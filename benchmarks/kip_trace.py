r"""KIP's released notebook, step by step: does the library's kip reach the accuracies it prints?

RESULT

The same curve, 0.3 points apart at most. Accuracy in per cent after so many steps:

    step            0      20     100    200    300
    notebook        24.26  41.41  45.44  46.23  46.74
    8-bit file      24.15  41.23  45.12  46.09  47.04
    as it is then   24.15  41.22  45.17  46.05  47.04

n = 1 (seed 0; the notebook's is one seed, too), one thread of a shared x86_64 core, torch 2.13,
2026-11-22: 219 s of processor time in all, reading the data and five tests included. The column
``seconds`` of the result is wall time beside about ten other processes: it says nothing. Bringing
images back into [0, 1] every 10 steps and storing 8 bits cost nothing that shows; a run that is
never brought back (``--inner 300``) was not measured.

    OMP_NUM_THREADS=1 python benchmarks/kip_trace.py DATA... --json kip-cifar10.json

``DATA`` is CIFAR-10 as ``load_data`` takes it. The setting is the notebook's: fully connected NTK
with one hidden layer, 100 support images (10 a class), fixed labels, no whitening, Adam 0.04 on
standardised pixels, 5000 balanced targets a step; accuracy on all 10,000 test images.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch

from condensery import condense
from condensery.data import Data, load_data
from condensery.evaluation import evaluate
from condensery.evaluation.kernel import kernel_accuracy

PUBLISHED = {0: 24.26, 20: 41.41, 100: 45.44, 200: 46.23, 300: 46.74}
"""``{step: per cent}`` of the notebook's printed trace, one seed."""


def trace(data: Data, *, seed: int, inner: int) -> list[dict[str, Any]]:
    """One record per published step.

    Args:
        data: CIFAR-10.
        seed: Of the run.
        inner: Steps between two returns into [0, 1].

    Returns:
        ``stored``: per cent of the 8-bit file, as ``evaluate`` says. ``free``: of the images of
        that moment as they are, with values outside [0, 1], in float32.
    """
    settings = {"schedule.inner": str(inner), "iterations": str(max(PUBLISHED) // inner)}
    run = condense(data, method="kip", ipc=10, preset="standard", settings=settings, seed=seed)
    records: list[dict[str, Any]] = []
    seconds, begin = 0.0, time.perf_counter()
    step = 0

    def measure() -> None:
        nonlocal seconds, begin
        seconds += time.perf_counter() - begin
        stored = evaluate(run.snapshot(created=""), data, sizes=[10], seeds=1, baselines=())
        images, labels = run.state.stored.images, run.state.stored.class_
        regression = run.recipe.objective
        free = kernel_accuracy(regression, data.test.normalise(images), labels, data.test)  # type: ignore[arg-type]
        records.append(
            {
                "step": step,
                "published": PUBLISHED[step],
                "stored": round(100 * stored.run()[0].accuracy, 2),
                "free": round(100 * free, 2),
                "outside": round(float(((images < 0) | (images > 1)).float().mean()), 4),
                "seconds": round(seconds, 1),
            }
        )
        print(json.dumps({"seed": seed, "inner": inner, **records[-1]}), flush=True)
        begin = time.perf_counter()

    measure()
    for progress in run:
        if not progress.boundary:
            step += 1
            if step in PUBLISHED:
                measure()
    return records


def main() -> None:
    """Run and print; append a record to the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="CIFAR-10, as load_data takes it")
    parser.add_argument("--seeds", type=int, default=1, help="runs, seeds 0, 1, ...")
    parser.add_argument("--inner", type=int, default=10, help="steps between returns into [0, 1]")
    parser.add_argument("--json", type=Path, help="append the records to this file")
    arguments = parser.parse_args()
    paths = arguments.data
    data = load_data(paths[0] if len(paths) == 1 else paths)
    found = [trace(data, seed=seed, inner=arguments.inner) for seed in range(arguments.seeds)]
    record = {
        "inner": arguments.inner,
        "n": len(found),
        "runs": found,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    if arguments.json is not None:
        path: Path = arguments.json
        known = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*known, record], indent=1) + "\n")


if __name__ == "__main__":
    main()
