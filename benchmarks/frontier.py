r"""Accuracy over CPU seconds of every method: the frontier of docs/frontier.md.

    python benchmarks/frontier.py run fashion-mini --name fashion-mini --work FOLDER \
        --point nested:25 --point nested:100 --point dm:25 --baseline random --baseline k-means
    python benchmarks/frontier.py page > docs/frontier.md

A point is a method and its number of outer iterations, so that its learning rate ends as the method
says. It is condensed as a run in ``--work`` (a run that was stopped goes on), its sizes are tested,
and what it gave and cost is written to ``benchmarks/results/frontier/``. A point whose file is
there is not done again, so a long frontier can be spread over many sittings. The cost is CPU
seconds of condensing with its initialisation, and of the experts, whoever trained them; of a
baseline, those of choosing; what the cache holds already costs nothing there, so measure baselines
with an empty ``CONDENSERY_CACHE``. k-means is chosen anew for every size, since its smaller sizes
are no prefixes.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

import condensery
from condensery.checkpoint import write_atomically
from condensery.evaluation import Observation
from condensery.formatting import markdown_table

RESULTS = Path(__file__).parent / "results" / "frontier"
Point = dict[str, Any]


def main() -> None:
    """Measure points, or write the page of all that were measured."""
    arguments = parse()
    if arguments.what == "page":
        print(page([json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))]))
        return
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = condensery.load_data(arguments.data, name=arguments.name)
    for seed in range(arguments.condensations):
        for rule in arguments.baseline:
            measure(rule, None, seed, data, arguments)
        for point in arguments.point:
            method, iterations = point.rsplit(":", 1)
            measure(method, int(iterations), seed, data, arguments)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("page", help="print the page of all points")
    run = what.add_parser("run", help="measure points")
    run.add_argument("data")
    run.add_argument("--name", help="of the data set, where its path does not say it")
    run.add_argument("--work", type=Path, required=True, help="folder of the runs")
    run.add_argument("--point", action="append", default=[], help="METHOD:ITERATIONS")
    run.add_argument("--baseline", action="append", default=[], help="a selection rule")
    run.add_argument("--ipc", type=int, default=10)
    run.add_argument("--preset", default="quick")
    run.add_argument("--network", help="that is matched, where the preset's is not wanted")
    run.add_argument("--sizes", type=sizes, default=tuple(range(1, 11)))
    run.add_argument("--networks", type=int, default=3, help="networks that test each size")
    run.add_argument("--test-network", default="convnet3-w64")
    run.add_argument("--protocol", default="quick")
    run.add_argument("--condensations", type=int, default=1, help="condensation seeds")
    run.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def sizes(text: str) -> tuple[int, ...]:
    """Images per class, separated by commas."""
    return tuple(int(part) for part in text.split(","))


def measure(
    name: str,
    iterations: int | None,
    seed: int,
    data: condensery.Data,
    arguments: argparse.Namespace,
) -> None:
    """Measure one point, unless its file is there."""
    length = "" if iterations is None else f"-{iterations}"
    called = f"{data.name}-{name}{length}-seed{seed}"
    file = RESULTS / f"{called}.json"
    if file.exists():
        return
    if iterations is None:
        cost, observed = baseline(name, seed, data, arguments)
    else:
        cost, observed = condensed(name, iterations, seed, data, arguments, called=called)
    accuracy = {
        size: [round(100 * o.accuracy, 2) for o in observed if o.size == size]
        for size in arguments.sizes
    }
    record = {
        "data": data.name,
        "row": name,
        "iterations": iterations,
        "seed": seed,
        "ipc": arguments.ipc,
        "network": arguments.network,
        "test_network": arguments.test_network,
        "protocol": arguments.protocol,
        **cost,
        "accuracy": accuracy,
        "machine": processor(),
        "torch": torch.__version__,
        "threads": arguments.threads,
    }
    write_atomically(file, (json.dumps(record, indent=1) + "\n").encode())
    print(called, cost, {size: statistics.fmean(of) for size, of in accuracy.items()}, flush=True)


def condensed(
    method: str,
    iterations: int,
    seed: int,
    data: condensery.Data,
    arguments: argparse.Namespace,
    *,
    called: str,
) -> tuple[dict[str, float], list[Observation]]:
    """Condense, or go on, and test."""
    out = arguments.work / called
    if (out / "recipe.json").exists():
        run = condensery.resume(out, data=data)
    else:
        run = condensery.run(
            data,
            out,
            method=method,
            ipc=arguments.ipc,
            preset=arguments.preset,
            settings={"iterations": iterations},
            seed=seed,
            evaluation=condensery.EvaluationPlan(
                sizes=arguments.sizes,
                networks=(arguments.test_network,),
                seeds=arguments.networks,
                protocol=arguments.protocol,
                baselines=(),
            ),
            **({} if arguments.network is None else {"network": arguments.network}),
        )
    outcome = run.outcome
    assert outcome is not None  # condensing has ended
    cost = {
        "cpu_seconds": outcome["cpu_seconds"],
        "expert_cpu_seconds": outcome.get("expert_cpu_seconds", 0.0),
    }
    return cost, [o for o in run.observations if o.set == "condensed"]


def baseline(
    rule: str, seed: int, data: condensery.Data, arguments: argparse.Namespace
) -> tuple[dict[str, float], list[Observation]]:
    """Choose real images, and test them."""
    observed: list[Observation] = []
    cpu = 0.0
    for size in arguments.sizes:
        begin = time.process_time()
        chosen = condensery.select(data, by=rule, ipc=size, seed=seed)
        cpu += time.process_time() - begin
        observed += condensery.evaluate(
            chosen,
            data,
            sizes=[size],
            networks=[arguments.test_network],
            seeds=arguments.networks,
            protocol=arguments.protocol,
            baselines=(),
        ).run()
    return {"cpu_seconds": round(cpu, 1), "expert_cpu_seconds": 0.0}, observed


def page(points: Sequence[Point]) -> str:
    """The page of all points, a table for each data set."""
    lines = [
        "# The frontier",
        "",
        "What each CPU second buys: test accuracy in per cent over the CPU seconds of everything",
        "(condensing, initialisation, experts). `benchmarks/frontier.py` measures and writes this",
        "page; every point is a file of `benchmarks/results/frontier/`.",
    ]
    for data in sorted({point["data"] for point in points}):
        own = [point for point in points if point["data"] == data]
        lines += ["", f"## {data}", "", table(own)]
        protocol, network, machine = (
            ", ".join(sorted({str(point[key]) for point in own}))
            for key in ("protocol", "test_network", "machine")
        )
        lines += ["", f"Protocol {protocol}, network {network}, last step; {machine}."]
    return "\n".join(lines)


def table(points: Sequence[Point]) -> str:
    """One row for each method, length and protocol: mean over condensations and networks."""
    groups: dict[tuple[str, int], list[Point]] = {}
    for point in points:
        groups.setdefault((point["row"], point["iterations"] or 0), []).append(point)
    tested = sorted({int(size) for point in points for size in point["accuracy"]})
    shown = [size for size in (1, 2, 3, 5, 7, 10) if size in tested] or tested
    rows = []
    for (name, iterations), own in sorted(groups.items(), key=lambda item: cost_of(item[1])):
        means = {size: mean_of(own, size) for size in tested}
        rows.append(
            [
                f"`{name}`",
                str(iterations or ""),
                f"{cost_of(own):.0f}",
                str(len(own)),
                *(f"{means[size]:.1f}" for size in shown),
                f"{statistics.fmean(means.values()):.1f}",
            ]
        )
    head = ["row", "iterations", "CPU s", "n", *map(str, shown), "average"]
    return markdown_table([head, *rows])


def cost_of(points: Iterable[Point]) -> float:
    """CPU seconds of everything, mean over condensations."""
    return statistics.fmean(point["cpu_seconds"] + point["expert_cpu_seconds"] for point in points)


def mean_of(points: Iterable[Point], size: int) -> float:
    """Accuracy at a size, mean over condensations and networks."""
    return statistics.fmean(
        accuracy for point in points for accuracy in point["accuracy"].get(str(size), ())
    )


def processor() -> str:
    """The processor and the wide instructions that decide its speed."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
    facts = {key.strip(): value.strip() for key, value in lines}
    flags = facts.get("flags", "").split()
    wide = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    return f"{facts.get('model name', platform.machine())} ({wide[0] if wide else 'no AVX2'})"


if __name__ == "__main__":
    sys.exit(main())
