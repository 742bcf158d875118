"""Accuracy over size of several ways to condense, at equal numbers of image updates.

Result: docs/methods/mdc.md has the tables, benchmarks/results/ the numbers they are made of.

Every variant is a method with single recipe keys changed; every variant and seed is condensed with
the same preset, its set is evaluated at every size, and random real images of the same size stand
beside it. What is finished is kept in ``--out`` and not done again, so the run can be stopped.

    python benchmarks/sizes.py digits --variant mdc --variant c:size_policy=one --seeds 3
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import condensery
from condensery.checkpoint import write_atomically
from condensery.evaluation import Observation

Record = dict[str, Any]


def main() -> None:
    """Condense and evaluate what is missing, then print the table."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    data = condensery.load_data(arguments.data)
    records: list[Record] = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    for seed in range(arguments.seeds):
        for variant in arguments.variant:
            if any(r["variant"] == variant and r["seed"] == seed for r in records):
                continue
            records.append(one(arguments, data, variant, seed, known(records)))
            write_atomically(arguments.out, json.dumps(records, indent=1).encode())
    print(table(records, arguments.variant))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--variant", action="append", required=True, help="name:key=value,...")
    parser.add_argument("--seeds", type=int, default=3, help="condensation seeds")
    parser.add_argument("--method", default="mdc")
    parser.add_argument("--ipc", type=int, default=10)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], help="key=value for every variant")
    parser.add_argument("--sizes", default="1,2,3,4,5,6,7,8,9,10")
    parser.add_argument("--networks", type=int, default=3, help="evaluation networks per size")
    parser.add_argument("--network", default="convnet3-w64", help="evaluation network")
    parser.add_argument("--steps", type=int, default=300, help="evaluation steps")
    parser.add_argument("--precision", default="fp32", help="of the evaluation")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, required=True, help="JSON file of what is finished")
    return parser.parse_args()


def known(records: list[Record]) -> list[Observation]:
    """What was observed before: networks on random images are trained once, not per variant."""
    return [Observation(**o) for record in records for o in record["observations"]]


def one(
    arguments: argparse.Namespace,
    data: condensery.Data,
    variant: str,
    seed: int,
    before: list[Observation],
) -> Record:
    """Condense one variant with one seed, and evaluate it."""
    _, _, changes = variant.partition(":")
    pairs = [*arguments.set, *filter(None, changes.split(","))]
    settings = dict(pair.split("=", 1) for pair in pairs)
    begun, cpu = time.time(), time.process_time()
    run = condensery.condense(
        data,
        method=arguments.method,
        ipc=arguments.ipc,
        preset=arguments.preset,
        settings=settings,
        seed=seed,
    )
    chosen = [progress.state.sizes.get("chosen") for progress in run if progress.boundary]
    seconds, cpu_seconds = time.time() - begun, time.process_time() - cpu
    condensed = run.result()
    tested = condensery.evaluate(
        condensed,
        data,
        sizes=[int(k) for k in arguments.sizes.split(",")],
        networks=(arguments.network,),
        seeds=arguments.networks,
        steps=arguments.steps,
        precision=arguments.precision,
        known=before,
    )
    record = {
        "variant": variant,
        "seed": seed,
        "updates": run.recipe.iterations * run.recipe.schedule.inner,
        "condense_seconds": seconds,
        "condense_cpu_seconds": cpu_seconds,
        "threads": torch.get_num_threads(),
        "chosen": [int(c[0]) for c in chosen if c is not None],
        "machine": f"{platform.machine()}, torch {torch.__version__}",
        "date": time.strftime("%Y-%m-%d"),
        "observations": [asdict(o) for o in tested.run()],
    }
    print(f"{variant} seed {seed}: {seconds:.0f} s ({cpu_seconds:.0f} CPU s)", flush=True)
    print(tested.table(), flush=True)
    return record


def table(records: list[Record], variants: list[str]) -> str:
    """Per cent by size: mean and standard deviation over condensations (random: over networks)."""
    cells: dict[tuple[str, int], list[float]] = {}
    seen: dict[tuple[int, int], float] = {}  # random images: (size, network's seed)
    for record in records:
        by_size: dict[int, list[float]] = {}
        for o in record["observations"]:
            if o["set"] == "random":
                seen[o["size"], o["seed"]] = o["accuracy"]
            else:
                by_size.setdefault(o["size"], []).append(o["accuracy"])
        for size, found in by_size.items():
            cells.setdefault((record["variant"], size), []).append(statistics.mean(found))
    for (size, _), accuracy in seen.items():
        cells.setdefault(("random", size), []).append(accuracy)
    sizes = sorted({size for _, size in cells})
    lines = [
        f"| | {' | '.join(map(str, sizes))} | mean |",
        f"|---|{'---|' * (len(sizes) + 1)}",
    ]
    for variant in [*variants, "random"]:
        found = [cells[variant, size] for size in sizes]
        row = [_cell(accuracies) for accuracies in found]
        # The mean over sizes of each condensation (random: of each network).
        means = [statistics.mean(one) for one in zip(*found, strict=True)]
        lines.append(f"| {variant} | {' | '.join(row)} | {_cell(means)} |")
    return "\n".join(lines)


def _cell(fractions: list[float]) -> str:
    deviation = statistics.stdev(fractions) if len(fractions) > 1 else 0.0
    return f"{100 * statistics.mean(fractions):.1f} ± {100 * deviation:.1f}"


if __name__ == "__main__":
    main()
