r"""Every figure of docs/performance.md in one command: ``./run bench [--json FILE]``.

An inner step of MDC takes 3.3 s instead of 21.0 s on one thread (6.5 times less, n = 3), 2.0 s
instead of 13.4 s on two (6.4 times, n = 9). 2-core x86 with AVX512 and AMX, torch 2.13.0+cpu,
2026-11-22, nothing else running; medians. With a star: 2026-11-23, a busy neighbour (n = 5 and 7).
The limit is that of convolutions measured beside it.

                      one thread                         two threads
    figure            reference     ours          ratio  reference     ours          ratio
    inner_step            21.0      3.28  s        6.54      13.4      1.95  s        6.44
    matching              12.1      1.61  s        7.72       7.5      1.36  s        6.15
    network_update         8.9      1.64  s        5.46       6.0      1.14  s        5.63
    matching_memory        499       134  MB       3.74       535       117  MB       4.41 *
    all_over_idc                                              3.23     0.145 share    3.69
    batched_units                                             21.2       3.3 IDC runs 6.36 *
    dc_step                                                   11.6      1.61 s        7.28 *
    dm_iteration                                               5.1      0.83 s        5.65 *
    evaluation                                                1706       283 s        6.15 *

mdc_over_idc needs more pairs than a bench has: subset.py. The figures left out here and what a busy
neighbour does to the others are in docs/performance.md.

One record a figure: ``name``, ``reference`` and ``ours`` in ``unit`` (medians of ``n`` interleaved
rounds), ``ratio`` = the median of the rounds' ratios, ``ratio_of_least`` = that of the shortest of
each, which a busy machine, that only ever adds time, disturbs least. The reference is slow code:
one plain autograd call a class and set with double backward, and an eager float32 trainer. Ours
is what the library takes by itself for a long run, in bfloat16.

The setting is MDC's on CIFAR-10: IPC 10, factor 2, ConvNet-3 of width 128, 64 real images a class,
32 network steps of batch 64, sizes 10 and 5. Images are random.

    ./run bench                                 # short form: 15 minutes on one thread
    ./run bench --only inner_step,dm_iteration
    ./run bench --rounds 9 --threads 1 --json benchmarks/results/bench.json
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import flops
import memory
import torch
from steps import (
    EACH,
    OURS,
    REFERENCE,
    TIMED,
    FixedSizes,
    Run,
    Timed,
    baseline_a,
    images,
    interleaved,
    mdc,
)

import training

SHAPE = {"side": 32, "channels": 3, "width": 128, "depth": 3, "classes": 10}
WORK = flops.inner_step(real=640, synthetic=400, trained=2048, **SHAPE)
Record = dict[str, Any]


def record(name: str, unit: str, reference: Sequence[float], ours: Sequence[float]) -> Record:
    """A figure; where only one reference was measured, every round is held against it."""
    reference = list(reference) * len(ours) if len(reference) == 1 else list(reference)
    ratios = [a / b for a, b in zip(reference, ours, strict=True)]
    return {
        "name": name,
        "reference": round(median(reference), 4),
        "ours": round(median(ours), 4),
        "ratio": round(median(ratios), 2),
        "ratio_of_least": round(min(reference) / min(ours), 2),
        "unit": unit,
        "n": len(ours),
    }


VARIANTS = {"reference": REFERENCE, "ours": OURS}


def variants(name: str, rounds: int) -> list[Record]:
    """A step of the reference and of ours, in turns."""
    data = images()
    found = interleaved(
        {variant: TIMED[name](data, **how) for variant, how in VARIANTS.items()}, rounds=rounds
    )
    return [record(name, "s", *(found[variant] for variant in VARIANTS))]


@cache
def by_sizes(rounds: int) -> dict[str, list[float]]:
    """Matching alone, for one size, two, and all ten."""
    data = images()
    policies = {
        "idc": FixedSizes(sizes=(10,)),
        "mdc": FixedSizes(sizes=(10, 5)),
        "all": FixedSizes(sizes=tuple(range(1, 11))),
    }
    runs = {
        f"{variant} {name}": Run(mdc(data, steps=0, size_policy=policy, **how), data=data)
        for variant, how in VARIANTS.items()
        for name, policy in policies.items()
        if not (variant == "reference" and name == "all")  # five times a set: see all_over_idc
    }
    return interleaved(runs, rounds=rounds)


def mdc_over_idc(rounds: int) -> list[Record]:
    """What the subset loss adds to IDC's matching, as a share of it."""
    found = by_sizes(rounds)
    shares = [
        [b / a - 1 for a, b in zip(found[f"{variant} idc"], found[f"{variant} mdc"], strict=True)]
        for variant in VARIANTS
    ]
    return [_share("mdc_over_idc", *shares)]


def all_over_idc(rounds: int) -> list[Record]:
    """What all sizes add; the reference is measured once."""
    data = images()
    found = by_sizes(rounds)
    every = FixedSizes(sizes=tuple(range(1, 11)))
    slow = Run(mdc(data, steps=0, size_policy=every, **REFERENCE), data=data)
    base = median(found["reference idc"])
    ours = [b / a - 1 for a, b in zip(found["ours idc"], found["ours all"], strict=True)]
    return [_share("all_over_idc", [slow.seconds() / base - 1], ours)]


def _share(name: str, reference: Sequence[float], ours: Sequence[float]) -> Record:
    """An added share; a ratio of two shares near zero says nothing, so it is of the whole costs."""
    costs = [[1 + share for share in shares] for shares in (reference, ours)]
    found = record(name, "share added to IDC's matching", *costs)
    added = {key: round(found[key] - 1, 4) for key in ("reference", "ours")}
    return {**found, **added}


def matching_memory(rounds: int) -> list[Record]:
    """Peak memory of a matching step above what the process holds before it."""
    found = {name: [memory.extra(name) for _ in range(rounds)] for name in VARIANTS}
    return [record("matching_memory", "MB", *found.values())]


def batched_units(rounds: int) -> list[Record]:
    """Baselines A, B, C and MDC: one by one and together, in units of one run of IDC."""
    data = images()
    a = baseline_a(data, **OURS)
    alone: dict[str, Timed] = {f"A{n}": Run(recipe, data=data) for n, recipe in a.items()}
    alone |= {"mdc": Run(mdc(data, **OURS), data=data), "together": TIMED["batched"](data, **OURS)}
    found = interleaved(alone, rounds=rounds)
    units: dict[str, list[float]] = {"apart": [], "together": []}
    for i in range(rounds):
        seconds = {name: took[i] for name, took in found.items()}
        apart = sum(seconds[f"A{n}"] for n in a) + EACH * seconds["A1"] + seconds["mdc"]
        units["apart"].append((apart + seconds["A10"]) / seconds["A10"])
        units["together"].append(seconds["together"] / seconds["A10"])
    return [record("batched_units", "runs of IDC", units["apart"], units["together"])]


def evaluation(rounds: int) -> list[Record]:
    """One network trained on an IPC 10 set and tested."""
    found = training.evaluation(rounds)
    return [{k: round(v, 2) if isinstance(v, float) else v for k, v in found.items()}]


FIGURES: dict[str, Callable[[int], list[Record]]] = {
    **{name: partial(variants, name) for name in ("inner_step", "matching", "network_update")},
    "mdc_over_idc": mdc_over_idc,
    "all_over_idc": all_over_idc,
    "matching_memory": matching_memory,
    "batched_units": batched_units,
    **{name: partial(variants, name) for name in ("dc_step", "dm_iteration")},
    "evaluation": evaluation,
}


def limit(found: Record) -> str:
    """Share of the measured convolution rate that a figure reaches, where its work is known."""
    work = {
        "inner_step": sum(WORK.values()),
        "matching": WORK["real gradients"] + WORK["synthetic side"],
        "network_update": WORK["network update"],
    }.get(found["name"])
    if work is None:
        return ""
    rates = {"reference": torch.float32, "ours": torch.bfloat16}
    shares = {
        variant: work / found[variant] / flops.ceiling(dtype, rounds=15)
        for variant, dtype in rates.items()
    }
    return f"{work / 1e9:.0f} GFLOP: " + ", ".join(f"{t} {s:.0%}" for t, s in shares.items())


def shown(found: Record) -> str:
    """A figure as a line."""
    return (
        f"{found['name']:16} {found['reference']:9.3f} -> {found['ours']:8.3f} {found['unit']}, "
        f"ratio {found['ratio']:6.2f} (of the least {found['ratio_of_least']:.2f}), "
        f"n = {found['n']}  {limit(found)}"
    )


def main() -> int:
    """Measure the figures asked for; print them, and write them where ``--json`` says."""
    parser = argparse.ArgumentParser(description="Measure the library's figures of speed.")
    parser.add_argument("--only", default=",".join(FIGURES), help="figures, comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="where to write the records")
    options = parser.parse_args()
    asked = options.only.split(",")
    if unknown := [name for name in asked if name not in FIGURES]:
        parser.error(f"{', '.join(unknown)}: unknown; known are {', '.join(FIGURES)}")
    torch.set_num_threads(options.threads)
    where = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}"
    print(f"{where}; n = {options.rounds} interleaved rounds, medians", flush=True)
    records: list[Record] = []
    for name in asked:
        for found in FIGURES[name](options.rounds):
            print(shown(found), flush=True)
            records.append({**found, "threads": options.threads, "torch": torch.__version__})
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
