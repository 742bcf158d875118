r"""Accuracy over CPU seconds of every method: the frontier of docs/frontier.md.

    python benchmarks/frontier.py run fashion-mini --name fashion-mini --work FOLDER \
        --point nested:25 --point nested:100 --point dm:25 --baseline random --baseline k-means
    python benchmarks/frontier.py page    # writes docs/frontier.md

A point is a method and its number of outer iterations, so that its learning rate ends as the method
says. It is condensed as a run in ``--work`` (a run that was stopped goes on), its sizes are tested,
and what it gave and cost is written to ``benchmarks/results/frontier/``. A point whose file is
there is not done again, so a long frontier can be spread over many sittings. The cost is CPU
seconds of condensing with its initialisation, and of the experts, whoever trained them; of a
baseline, those of choosing; what the cache holds already costs nothing there, so measure baselines
with an empty ``CONDENSERY_CACHE``. What a reader must know of a point can be written into its
file by hand as ``note``. A variant of a method is measured with ``--set KEY=VALUE`` and ``--label``
(its name in the table, behind the method's); ``--results`` keeps trials out of the page. k-means is
chosen anew for every size, since its smaller sizes are no prefixes. ``idc:35:rerank`` is the set of
the point ``idc:35`` in the order of ``condensery.rerank``, the cost of which is added.
``nested:36:a`` is baseline A: a run for each size, of this size alone. benchmarks/reference.py
keeps the condensed file of a point in results/.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import condensery
from condensery.averages import average
from condensery.checkpoint import write_atomically
from condensery.evaluation import Observation
from condensery.formatting import NOTHING, markdown_table, percent, plus_minus
from condensery.report.drawing import mark
from condensery.report.published import known
from condensery.runs.evaluation import EvaluationPlan, train_planned
from condensery.runs.listener import Reporter
from condensery.training import suited_precision

RESULTS = Path(__file__).parent / "results" / "frontier"
DOCS = Path(__file__).parents[1] / "docs"
Point = dict[str, Any]
USUAL_IPC = 10
"""Images per class of points whose names do not say it."""


def main() -> None:
    """Measure points, or write the page of all points."""
    arguments = parse()
    if arguments.what == "page":
        write_page()
        return
    torch.set_num_threads(arguments.threads)
    for folder in (arguments.results, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    data = condensery.load_data(arguments.data, name=arguments.name)
    for seed in arguments.seeds:
        for rule in arguments.baseline:
            measure(Asked(name=rule, iterations=None, seed=seed, data=data, arguments=arguments))
        for point in arguments.point:
            measure(Asked(**point, seed=seed, data=data, arguments=arguments))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("page", help="write docs/frontier.md and its pictures")
    run = what.add_parser("run", help="measure points")
    run.add_argument("data")
    run.add_argument("--name", help="of the data set, where its path does not say it")
    run.add_argument("--work", type=Path, required=True, help="folder of the runs")
    help_ = "METHOD:ITERATIONS, or also :rerank or :a"
    run.add_argument("--point", type=words_of, action="append", default=[], help=help_)
    run.add_argument("--baseline", action="append", default=[], help="a selection rule")
    run.add_argument("--ipc", type=int, default=USUAL_IPC)
    run.add_argument("--preset", default="quick")
    run.add_argument("--network", help="that is matched, where the preset's is not wanted")
    run.add_argument("--sizes", type=numbers, default=tuple(range(1, 11)))
    run.add_argument("--networks", type=int, default=3, help="networks that test each size")
    run.add_argument("--test-network", default="convnet3-w64")
    run.add_argument("--protocol", default="quick")
    run.add_argument("--seeds", type=numbers, default=(0,), help="of condensing and selection")
    run.add_argument("--precision", default="auto", help="of the test networks: auto, bf16, fp32")
    run.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipe")
    run.add_argument("--label", default="", help="name of the variant, behind the method's")
    run.add_argument("--results", type=Path, default=RESULTS, help="folder of the points")
    run.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def words_of(point: str) -> dict[str, Any]:
    """The method, the iterations and what is done then, of a ``--point``."""
    words = re.fullmatch(r"([\w-]+):(\d+)(?::(rerank|a))?", point)
    if words is None:
        raise argparse.ArgumentTypeError(f"{point}: give METHOD:ITERATIONS, or also :rerank or :a")
    return {"name": words[1], "iterations": int(words[2]), "then": words[3] or ""}


def numbers(text: str) -> tuple[int, ...]:
    """Numbers, separated by commas."""
    return tuple(int(part) for part in text.split(","))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One point: what is condensed or chosen, and how it is tested.

    Attributes:
        name: A method, or a selection rule.
        iterations: Outer iterations of a method; ``None`` for a selection.
        then: The third word of ``--point``: ``""``, ``"rerank"`` or ``"a"``.
        seed: Of condensing or selection.
        data: Real data.
        arguments: The command line.
    """

    name: str
    iterations: int | None
    then: str = ""
    seed: int
    data: condensery.Data
    arguments: argparse.Namespace

    @property
    def row(self) -> str:
        """Its name on the page."""
        name = self.name if self.iterations is None else self.name + self.arguments.label
        return name + {"": "", "rerank": ", reranked", "a": ", a run for each size"}[self.then]

    @property
    def run(self) -> str:
        """The name of the run folder, which a reranked set shares with the set itself."""
        row = self.name if self.iterations is None else self.name + self.arguments.label
        length = "" if self.iterations is None else f"-{self.iterations}"
        size = of_ipc(self.arguments.ipc)
        return f"{self.data.name}-{re.sub('[^a-z0-9]+', '-', row)}{length}{size}-seed{self.seed}"

    @property
    def called(self) -> str:
        """The name of its files."""
        return self.run + {"": "", "rerank": "-reranked", "a": "-a"}[self.then]


def of_ipc(ipc: int) -> str:
    """The part of a name that says the images per class; empty for the usual number."""
    return "" if ipc == USUAL_IPC else f"-ipc{ipc}"


def measure(asked: Asked) -> None:
    """Measure one point, unless its file is there."""
    arguments = asked.arguments
    precision = suited_precision(arguments.precision, "cpu")
    tested_by = f"{arguments.protocol}-{arguments.test_network}-{precision}"
    file = arguments.results / f"{asked.called}-{tested_by}.json"
    if file.exists():
        return
    if asked.iterations is None:
        cost, observed = baseline(asked)
    elif asked.then == "a":
        cost, observed = separate(asked)
    else:
        cost, images = condensed(asked, folder=asked.run)
        if asked.then == "rerank":
            begin = time.process_time()
            by = arguments.network or "convnet3"
            images = condensery.rerank(images, asked.data, network=by, seed=asked.seed)
            cost["cpu_seconds"] = round(cost["cpu_seconds"] + time.process_time() - begin, 1)
        observed = tested(images, asked, arguments.sizes)
    accuracy = {
        size: [round(100 * o.accuracy, 2) for o in observed if o.size == size]
        for size in arguments.sizes
    }
    record = {
        "data": asked.data.name,
        "row": asked.row,
        "iterations": asked.iterations,
        "seed": asked.seed,
        "ipc": arguments.ipc,
        "network": arguments.network,
        "test_network": arguments.test_network,
        "protocol": arguments.protocol,
        "precision": observed[0].precision,
        **cost,
        "accuracy": accuracy,
        "machine": processor(),
        "torch": torch.__version__,
        "threads": arguments.threads,
    }
    write_atomically(file, (json.dumps(record, indent=1) + "\n").encode())
    means = {size: statistics.fmean(of) for size, of in accuracy.items()}
    print(asked.called, cost, means, flush=True)


def condensed(
    asked: Asked, *, folder: str, alone: int | None = None
) -> tuple[dict[str, float], condensery.CondensedSet]:
    """Condense, or go on; one size ``alone`` if it is given."""
    arguments = asked.arguments
    out = arguments.work / folder
    if (out / "recipe.json").exists():
        run = condensery.resume(out, data=asked.data)
    else:
        run = condensery.run(
            asked.data,
            out,
            method=asked.name,
            ipc=alone or arguments.ipc,
            preset=arguments.preset,
            size_policy=None if alone is None else "one",
            settings={
                "iterations": asked.iterations,
                **dict(s.split("=", 1) for s in arguments.set),
            },
            seed=asked.seed,
            evaluation=False,
            **({} if arguments.network is None else {"network": arguments.network}),
        )
    outcome = run.outcome
    assert outcome is not None  # condensing has ended
    cost = {
        "cpu_seconds": outcome["cpu_seconds"],
        "expert_cpu_seconds": outcome.get("expert_cpu_seconds", 0.0),
    }
    return cost, run.condensed


def separate(asked: Asked) -> tuple[dict[str, float], list[Observation]]:
    """Condense each size in a run of its own, and test it; all runs share the experts."""
    observed: list[Observation] = []
    cost = {"cpu_seconds": 0.0, "expert_cpu_seconds": 0.0}
    for size in asked.arguments.sizes:
        own, images = condensed(asked, folder=f"{asked.called}-{size}", alone=size)
        cost["cpu_seconds"] = round(cost["cpu_seconds"] + own["cpu_seconds"], 1)
        cost["expert_cpu_seconds"] = max(cost["expert_cpu_seconds"], own["expert_cpu_seconds"])
        observed += tested(images, asked, [size])
    return cost, observed


def baseline(asked: Asked) -> tuple[dict[str, float], list[Observation]]:
    """Choose real images, and test them."""
    observed: list[Observation] = []
    cpu = 0.0
    for size in asked.arguments.sizes:
        begin = time.process_time()
        chosen = condensery.select(asked.data, by=asked.name, ipc=size, seed=asked.seed)
        cpu += time.process_time() - begin
        observed += tested(chosen, asked, [size])
    return {"cpu_seconds": round(cpu, 1), "expert_cpu_seconds": 0.0}, observed


def tested(
    images: condensery.CondensedSet, asked: Asked, sizes: Sequence[int]
) -> list[Observation]:
    """Train the networks that are not in the file of observations of this point."""
    arguments = asked.arguments
    file = arguments.work / f"{asked.called}-{arguments.protocol}.jsonl"
    plan = EvaluationPlan(
        sizes=tuple(sizes),
        networks=(arguments.test_network,),
        seeds=arguments.networks,
        protocol=arguments.protocol,
        precision=arguments.precision,
        baselines=(),
    )
    return train_planned(images, asked.data, plan, device="cpu", path=file, reporter=Reporter())


def write_page(docs: Path = DOCS) -> None:
    """Write frontier.md and a picture for each data set and test into the folder of the pages."""
    settings: dict[tuple[str, int, str, str, str], list[Point]] = {}
    for file in sorted(RESULTS.glob("*.json")):
        point = json.loads(file.read_text())
        test = (point["protocol"], point["test_network"], point["precision"])
        key = (point["data"], point["ipc"], *test)
        settings.setdefault(key, []).append(point)
    lines = [
        "# The frontier",
        "",
        "What CPU time buys: test accuracy in per cent against the CPU seconds of everything",
        "(condensing, initialisation and experts; for real images, the selection). Dashed lines",
        "are real images, which need no condensing: compare with them first. `python",
        "benchmarks/frontier.py run` measures the points, each of which is a file in",
        "`benchmarks/results/frontier/`. `python benchmarks/frontier.py page` writes this page.",
    ]
    shown: set[tuple[str, int]] = set()
    for (data, ipc, protocol, network, precision), points in sorted(settings.items()):
        name = f"frontier-{data}{of_ipc(ipc)}-{protocol}-{network}-{precision}.svg"
        title = f"{data}, {ipc} images per class"
        draw(points, docs / "pictures" / name)
        machines = "; ".join(sorted({f"{p['machine']}, {p['threads']} thread" for p in points}))
        counts = {len(own) for p in points for own in p["accuracy"].values()}
        networks = " to ".join(map(str, sorted({min(counts), max(counts)})))
        lines += [
            "",
            f"## {title}: protocol {protocol}, {network}, {precision}",
            "",
            "Accuracy after the last step, mean and standard deviation over networks, of which "
            f"each set and size has {networks}; n is the number of condensations or selections; "
            f"{machines}.",
            "",
            f"![Accuracy over CPU seconds on {title}](pictures/{name})",
            "",
            table(points),
            "",
            *(f"{note}.\n" for note in sorted({p["note"] for p in points if p.get("note")})),
        ]
        if (data, ipc) not in shown:
            lines += published_lines(data, ipc=ipc)
        shown.add((data, ipc))
    (docs / "frontier.md").write_text("\n".join(lines).rstrip() + "\n")


def published_lines(data: str, *, ipc: int) -> list[str]:
    """A table of the figures that papers print, by their own protocols and networks."""
    sizes = [size for size in (1, 5, 10, 50) if size <= ipc]
    rows = [
        [f"`{name}`", *(_figure(each.accuracy.get(size)) for size in sizes), each.source]
        for name, each in known(data, ipc=ipc).items()
        if each.says_something(range(1, ipc + 1))
    ]
    if not rows:
        return []
    return [
        "Published, by the protocols and networks of the papers, mostly one run for each size:",
        "",
        markdown_table([["row", *map(str, sizes), "source"], *rows]),
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def draw(points: Sequence[Point], file: Path) -> None:
    """Three charts: the smallest size, the largest, and the average over sizes that all have."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    tested = sizes_of(points)
    panels: dict[str, list[int]] = {
        f"size {tested[0]}": tested[:1],
        f"size {tested[-1]}": tested[-1:],
        f"average of {', '.join(map(str, tested))}": tested,
    }
    groups = grouped(points)
    # Colour and mark together belong to one row alone; real images, without a mark, come first.
    names = sorted({name for name, _ in groups}, key=lambda name: ((name, 0) not in groups, name))
    with rc_context({"svg.hashsalt": "condensery", "svg.fonttype": "none", "font.size": 9}):
        height = max(3.4, 0.22 * len(names))  # inches; the legend has a line for each name
        figure = Figure(figsize=(10, height), layout="constrained")
        for axes, (title, sizes) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            for index, name in enumerate(names):
                own = sorted(
                    (cost_of(g), 100 * average_of(g, sizes), length)
                    for (row, length), g in groups.items()
                    if row == name
                )
                if all(length for *_, length in own):
                    costs, means, _ = zip(*own, strict=True)
                    axes.plot(costs, means, color=f"C{index}", marker=mark(index), label=name)
                else:
                    axes.axhline(own[0][1], color=f"C{index}", linestyle="--", label=name)
            axes.set_xscale("log")
            # Labels of minor ticks are printed over one another where all costs are alike.
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(title)
            axes.set_xlabel("CPU seconds of everything")
            axes.grid(visible=True, color="#dddddd")
        figure.axes[0].set_ylabel("test accuracy, per cent")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def grouped(points: Iterable[Point]) -> dict[tuple[str, int], list[Point]]:
    """The condensations or selections of each method and length."""
    groups: dict[tuple[str, int], list[Point]] = {}
    for point in points:
        groups.setdefault((point["row"], point["iterations"] or 0), []).append(point)
    return groups


def table(points: Sequence[Point]) -> str:
    """One row for each method and length, with the average over the sizes that all rows have."""
    tested = sorted({int(size) for point in points for size in point["accuracy"]})
    averages = {"average of " + ", ".join(map(str, sizes_of(points))): sizes_of(points)}
    if sizes_of(points) != tested:
        averages["average of all"] = tested
    rows = [
        [
            f"`{name}`",
            str(iterations or ""),
            f"{cost_of(own):.0f}",
            str(len(own)),
            *(spread(networks_of(own, size)) for size in tested),
            *(mean_over(own, sizes) for sizes in averages.values()),
        ]
        for (name, iterations), own in sorted(
            grouped(points).items(), key=lambda item: cost_of(item[1])
        )
    ]
    head = ["row", "iterations", "CPU s", "n", *map(str, tested), *averages]
    return markdown_table([head, *rows])


def sizes_of(points: Iterable[Point]) -> list[int]:
    """The sizes that all rows have."""
    rows = [{int(n) for p in own for n in p["accuracy"]} for own in grouped(points).values()]
    return sorted(set.intersection(*rows))


def networks_of(points: Iterable[Point], size: int) -> list[float]:
    """The accuracy of every network of a size, as a fraction, whichever set it learned."""
    return [share / 100 for p in points for share in p["accuracy"].get(str(size), ())]


def spread(accuracy: Sequence[float]) -> str:
    """Mean and standard deviation in per cent, of one network the mean alone."""
    if not accuracy:
        return NOTHING
    found = average(accuracy)
    return plus_minus(found.mean, found.std)


def mean_over(points: Sequence[Point], sizes: Sequence[int]) -> str:
    """Mean accuracy over sizes, if all of them were tested, perhaps of some condensations alone."""
    tested = all(networks_of(points, size) for size in sizes)
    return percent(average_of(points, sizes)) if tested else NOTHING


def cost_of(points: Iterable[Point]) -> float:
    """CPU seconds of everything, mean over condensations."""
    return statistics.fmean(point["cpu_seconds"] + point["expert_cpu_seconds"] for point in points)


def average_of(points: Sequence[Point], sizes: Sequence[int]) -> float:
    """Accuracy as a fraction: mean over all networks of each size, then over sizes."""
    return statistics.fmean(statistics.fmean(networks_of(points, size)) for size in sizes)


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
