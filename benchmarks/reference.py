r"""The reference sets of results/: keep the file of a point, and write docs/reference-sets.md.

    python benchmarks/reference.py keep RUNS/cifar10-nested-36-seed0 results/NAME --protocol idc
    python benchmarks/reference.py page

RUNS is the ``--work`` folder of benchmarks/frontier.py. A folder of results/ holds the condensed
file with its recipe and accuracies, the observation of every network, what condensing took, and
the report page. Tests with further networks are added by ``condensery evaluate``, with the
folder's observations.jsonl as ``--out``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from frontier import DOCS, RESULTS, Point, networks_of, published_lines, spread

from condensery import CondensedSet
from condensery.evaluation import Observation, protocol_for, read_observations, summary
from condensery.evaluation.evaluate import evaluated_set
from condensery.evaluation.protocol import EvaluatedSet
from condensery.formatting import markdown_table
from condensery.runs.report import write_page as write_report

SETS = Path(__file__).parents[1] / "results"
Test = tuple[str, str, str]
"""Protocol, with its length if that is not the usual one, network and precision of a test."""


def main() -> None:
    """Keep a set, or write the page of all sets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("page", help="write docs/reference-sets.md")
    kept = what.add_parser("keep", help="copy the condensed file of a point")
    kept.add_argument("run", type=Path, help="its folder in --work of frontier.py")
    kept.add_argument("to", type=Path, help="the new folder")
    kept.add_argument("--protocol", default="idc", help="of the observations that are kept")
    arguments = parser.parse_args()
    if arguments.what == "page":
        write_page()
    else:
        keep(arguments.run, arguments.to, protocol=arguments.protocol)


def keep(run: Path, to: Path, *, protocol: str) -> None:
    """Copy file, outcome and observations of a point, and write the report page of the file.

    The file gets the accuracies, also those of real images of the same data and test, which are
    points of their own.
    """
    file = run.parent / f"{run.name}-{protocol}.jsonl"
    observed = read_observations(file)
    condensed = CondensedSet.load(run / "condensed.safetensors")
    data = condensed.manifest["data"]["name"]
    evaluated = evaluated_set(condensed, data=data)
    real = [
        replace(
            observed[0],
            set=point["row"],
            size=size,
            seed=seed,
            accuracy=accuracy,
            training_accuracy=None,
        )
        for test in {test_of(each, evaluated) for each in observed}
        for point in real_images(data, condensed.size, test)
        for size, each in accuracies(point).items()
        for seed, accuracy in enumerate(each)
    ]
    to.mkdir(parents=True, exist_ok=True)
    condensed.with_observations(summary([*observed, *real])).save(to / "condensed.safetensors")
    for source, name in ((file, "observations.jsonl"), (run / "outcome.json", "outcome.json")):
        shutil.copyfile(source, to / name)
    write_report(
        [to / "condensed.safetensors"], out=to / "report.html", overwrite=True, classes_shown=10
    )


def test_of(observation: Observation, evaluated: EvaluatedSet) -> Test:
    """How a network was trained and tested; networks of different tests are never averaged.

    Args:
        observation: Of the network.
        evaluated: The condensed set whose reference this is.
    """
    protocol, epochs, steps = observation.protocol, observation.epochs, observation.steps
    if (epochs, steps) != protocol_for(protocol, evaluated).length:
        protocol += f" of {epochs:,} epochs" if steps is None else f" of {steps:,} steps"
    return protocol, observation.network, observation.precision


def real_images(data: str, ipc: int, test: Test) -> list[Point]:
    """The points of the frontier that are up to ``ipc`` real images a class, by the same test."""
    points = (json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json")))
    return [
        point
        for point in points
        if point["iterations"] is None
        and (point["data"], point["ipc"]) == (data, ipc)
        and (point["protocol"], point["test_network"], point["precision"]) == test
    ]


def accuracies(point: Point) -> dict[int, list[float]]:
    """The accuracy of every network of a point by size, as fractions."""
    return {int(size): networks_of([point], int(size)) for size in point["accuracy"]}


def write_page(docs: Path = DOCS) -> None:
    """Write reference-sets.md: every set of results/ by every test, with real images."""
    sets: dict[tuple[str, int], dict[Path, CondensedSet]] = {}
    for file in sorted(SETS.glob("*/condensed.safetensors")):
        condensed = CondensedSet.load(file)
        key = (condensed.manifest["data"]["name"], condensed.size)
        sets.setdefault(key, {})[file.parent] = condensed
    lines = [
        "# Reference sets",
        "",
        "The condensed files of [results](../results/README.md), which can be used at once, and",
        "what networks learn from each of their sizes: test accuracy in per cent after the last",
        "step, mean and standard deviation over networks. Real images of the same number stand",
        "below them. CPU seconds are of everything, on the machine that results/README.md names.",
        "`python benchmarks/reference.py page` writes this page.",
    ]
    for (data, ipc), own in sorted(sets.items()):
        lines += ["", f"## {data}, {ipc} images per class", "", table(data, ipc, own)]
        if published := published_lines(data, ipc=ipc):
            lines += ["", *published]
    (docs / "reference-sets.md").write_text("\n".join(lines).rstrip() + "\n")


def table(data: str, ipc: int, sets: Mapping[Path, CondensedSet]) -> str:
    """One row for each test and set, and below the sets those of real images."""
    rows: dict[Test, list[tuple[str, str, dict[int, list[float]]]]] = {}
    for folder, condensed in sets.items():
        evaluated = evaluated_set(condensed, data=data)
        outcome = json.loads((folder / "outcome.json").read_text())
        cost = f"{outcome['cpu_seconds'] + outcome.get('expert_cpu_seconds', 0):.0f}"
        found: dict[tuple[Test, str], dict[int, list[float]]] = {}
        for each in read_observations(folder / "observations.jsonl"):
            sizes = found.setdefault((test_of(each, evaluated), each.set), {})
            sizes.setdefault(each.size, []).append(each.accuracy)
        for (test, name), accuracy in found.items():
            ours = name == "condensed"
            row = (f"`{folder.name if ours else name}`", cost if ours else "", accuracy)
            rows.setdefault(test, []).append(row)
    for test, own in rows.items():
        for point in real_images(data, ipc, test):
            row = (f"`{point['row']}`", f"{point['cpu_seconds']:.0f}", accuracies(point))
            own.append(row)
    columns = sorted({size for own in rows.values() for *_, by_size in own for size in by_size})
    body = [
        [", ".join(test), name, cost, *(spread(by_size.get(size, [])) for size in columns)]
        for test, own in sorted(rows.items())
        for name, cost, by_size in own
    ]
    return markdown_table([["test", "set", "CPU s", *map(str, columns)], *body])


if __name__ == "__main__":
    sys.exit(main())
