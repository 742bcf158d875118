r"""How seconds and memory of an inner step grow: classes, images per class, image side, width.

Matching grows as classes^0.98, IPC^0.45, side^1.86, width^1.14; the network update as side^1.56,
width^1.02; memory as classes^0.57, IPC^0.33, side^1.60, width^0.68 (n = 2 a point, one thread of a
2-core x86 with AVX512 and AMX beside other processes, torch 2.13.0+cpu, 2026-11-22;
benchmarks/results/growth.json). Side 128 takes 38 s and 31 s a step, and 1.6 GB.

One thing changes at a time, from CIFAR-10's setting (bench.py says which): 10 classes, IPC 10, side
32, width 128. Medians of ``n`` steps after one that does not count, matching and network update
apart; memory is the peak of a matching step above what the process holds before it. The exponent is
the slope of a straight line through logarithms.

    python benchmarks/growth.py [--rounds 3] [--threads 2] [--json FILE] [--only classes,ipc]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from memory import peak_of
from steps import OURS, Run, Update, images, interleaved, mdc

AXES: dict[str, tuple[int, ...]] = {
    "classes": (10, 30, 100),
    "ipc": (1, 5, 10, 20, 50),
    "side": (28, 32, 64, 128),
    "width": (32, 64, 128, 256),
}
BASE = {"classes": 10, "ipc": 10, "side": 32, "width": 128}


def point(axis: str, value: int, rounds: int) -> dict[str, Any]:
    """Seconds and memory where one axis has another value."""
    at = {**BASE, axis: value}
    data = images(side=at["side"], classes=at["classes"], each=100)
    made = partial(mdc, data, ipc=at["ipc"], network=f"convnet3-w{at['width']}", **OURS)
    run, update = Run(made(steps=0), data=data), Update(made(steps=8), data)
    took = interleaved({"matching": run, "update": update}, rounds=rounds)
    _, peak = peak_of(run.step)
    return {
        "axis": axis,
        "value": value,
        "matching_s": round(median(took["matching"]), 4),
        "network_update_s": round(4 * median(took["update"]), 4),  # of 32 steps
        "memory_mb": round(peak, 1),
        "n": rounds,
    }


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of log cost over log value, by least squares."""
    x, y = ([math.log(v) for v in series] for series in (values, costs))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread


def main() -> None:
    """Measure every axis asked for; print a table and the exponents."""
    parser = argparse.ArgumentParser(description="How the cost of an inner step grows.")
    parser.add_argument("--only", default=",".join(AXES), help="axes, comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    asked = options.only.split(",")
    if unknown := [name for name in asked if name not in AXES]:
        parser.error(f"{', '.join(unknown)}: unknown; known are {', '.join(AXES)}")
    found: list[dict[str, Any]] = []
    for axis in asked:
        print(f"{axis:>10} {'matching s':>11} {'update s':>9} {'memory MB':>10}", flush=True)
        own = [_shown(point(axis, value, options.rounds)) for value in AXES[axis]]
        slopes = {
            what: exponent([p["value"] for p in own], [p[what] for p in own])
            for what in ("matching_s", "network_update_s", "memory_mb")
        }
        print(f"{'exponent':>10} " + " ".join(f"{slope:10.2f}" for slope in slopes.values()))
        found += [*own, {"axis": axis, "exponents": {k: round(v, 2) for k, v in slopes.items()}}]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    print(
        f"{found['value']:10} {found['matching_s']:11.3f} {found['network_update_s']:9.3f} "
        f"{found['memory_mb']:10.0f}",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
