"""Whether the protocol ``quick`` ranks sets as the full protocol ``idc`` does; its bias by size.

    condensery select cifar10 --by k-means --ipc 10 --out sets/k-means.safetensors    # and others
    python benchmarks/quick_protocol.py cifar10 sets/*.safetensors --network convnet3-w32 --out FILE

Trains the same networks on every set and size by both protocols. Every observation is a line of
``--out`` and is not made again, so the run can be stopped. Prints for each size Spearman's rank
correlation of the sets' means, and the bias: by how many points the accuracies of ``quick`` lie
above those of ``idc``, with the deviation over sets.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr

import condensery

PROTOCOLS = ("quick", "idc")


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--name", help="of the data set, where its path does not say it")
    parser.add_argument("--sizes", default="1,3,10")
    parser.add_argument("--network", default="convnet3")
    parser.add_argument(
        "--seeds", type=int, default=1, help="networks for each set, size, protocol"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = condensery.load_data(arguments.data, name=arguments.name)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    known = {_key(record): record for record in map(json.loads, lines)}
    for seed in range(arguments.seeds):
        for path in arguments.sets:
            for size in sizes:
                for protocol in PROTOCOLS:
                    asked = {"set": path.stem, "size": size, "protocol": protocol, "seed": seed}
                    asked["network"] = arguments.network
                    if _key(asked) not in known:
                        record = asked | measured(path, data, asked)
                        known[_key(record)] = record
                        with arguments.out.open("a") as file:
                            file.write(json.dumps(record) + "\n")
    shown = [r for r in known.values() if r["network"] == arguments.network and r["size"] in sizes]
    print(table(shown))


def measured(path: Path, data: condensery.Data, asked: dict[str, Any]) -> dict[str, float]:
    """Accuracy of one network, and the CPU seconds that it took."""
    begin = time.process_time()
    (observation,) = condensery.evaluate(
        condensery.CondensedSet.load(path),
        data,
        sizes=[asked["size"]],
        networks=[asked["network"]],
        protocol=asked["protocol"],
        seeds=1,
        seed=asked["seed"],
        baselines=(),
    ).run()
    return {
        "accuracy": observation.accuracy,
        "cpu_seconds": round(time.process_time() - begin, 1),
    }


def table(records: list[dict[str, Any]]) -> str:
    """Rank correlation and bias by size, of the sets that both protocols have tested."""
    rows = [
        "| size | sets | Spearman | bias, points | CPU s: quick, idc |",
        "|---|---|---|---|---|",
    ]
    for size in sorted({record["size"] for record in records}):
        mean: dict[str, dict[str, float]] = {}
        cost: dict[str, list[float]] = {protocol: [] for protocol in PROTOCOLS}
        for protocol in PROTOCOLS:
            own = [r for r in records if r["size"] == size and r["protocol"] == protocol]
            mean[protocol] = {
                name: statistics.fmean(r["accuracy"] for r in own if r["set"] == name)
                for name in {r["set"] for r in own}
            }
            cost[protocol] = [r["cpu_seconds"] for r in own]
        both = sorted(set.intersection(*(set(mean[protocol]) for protocol in PROTOCOLS)))
        if len(both) < 3:
            continue
        quick, full = ([mean[protocol][name] for name in both] for protocol in PROTOCOLS)
        bias = [100 * (a - b) for a, b in zip(quick, full, strict=True)]
        rows.append(
            f"| {size} | {len(both)} | {spearmanr(quick, full)[0]:.2f} | "
            f"{statistics.fmean(bias):+.1f} ± {statistics.stdev(bias):.1f} | "
            f"{statistics.fmean(cost['quick']):.0f}, {statistics.fmean(cost['idc']):.0f} |"
        )
    return "\n".join(rows)


def _key(record: dict[str, Any]) -> tuple[object, ...]:
    return tuple(record[name] for name in ("set", "size", "protocol", "seed", "network"))


if __name__ == "__main__":
    main()
