"""Accuracy of condensed sets whose pixels have 8, 4 and 2 bits, made and stored so.

    python benchmarks/bits.py [--data digits] [--seeds 4]

The result stands in docs/log.md. Every set is condensed with its bits: what is matched is what is
stored. Networks are trained with the same seeds on every set.
"""

from __future__ import annotations

import argparse
import statistics

import torch

from condensery import Pixels, Quantised, condense, evaluate, load_data

SIZES = (1, 5, 10)


def main() -> None:
    """Print a line a set, then means and deviations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--network", default="convnet3-w16")
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data(given.data)
    found: dict[tuple[str, int], list[float]] = {}
    for seed in range(given.seeds):
        for bits in (8, 4, 2):
            made = condense(
                data,
                method="dm",
                ipc=max(SIZES),
                preset="quick",
                size_policy="all",
                network=given.network,
                parameterization=Pixels() if bits == 8 else Quantised(bits=bits),
                settings={"iterations": given.iterations, "compiled": False, "precision": "fp32"},
                seed=seed,
            ).result()
            own = evaluate(
                made,
                data,
                sizes=SIZES,
                networks=[given.network],
                seeds=2,
                steps=given.steps,
                protocol="idc",
                baselines=["random"] if bits == 8 else [],
            )
            for seen in own:
                kind = f"{bits} bits" if seen.set == "condensed" else seen.set
                found.setdefault((kind, seen.size), []).append(100 * seen.accuracy)
            print(f"seed {seed}, {bits} bits: {made.bytes_of(max(SIZES)):,} bytes", flush=True)
            for (name, size), values in sorted(found.items()):
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                print(
                    f"  {name:8} size {size:2}: {statistics.mean(values):.1f} ± {spread:.1f}"
                    f" (n={len(values)})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
