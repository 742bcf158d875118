"""The results of a comparison for its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from condensery.data import Data
from condensery.evaluation import Observation
from condensery.evaluation.evaluate import evaluated_set
from condensery.evaluation.protocols import full_epochs
from condensery.report.published import published
from condensery.report.table import tabulated
from condensery.runs.comparison.content import ComparisonContent, CondensingCost, RowCost
from condensery.runs.comparison.measurement import Measurement
from condensery.runs.comparison.plan import ComparisonPlan
from condensery.runs.machine import versions


def content(
    plan: ComparisonPlan,
    data: Data,
    measurement: Measurement,
    *,
    known: Sequence[Observation],
    costs: Sequence[Mapping[str, Any]],
) -> ComparisonContent:
    """The content of the files of the table."""
    names = list(dict.fromkeys(each.row.name for each in plan.sets))
    accuracies = measurement.accuracies(known, condensations=plan.condensations)
    own = [name for name in names if plan.base == "idc" or name not in ("a", "b", "c")]
    printed = {name: published(data.name, name, ipc=plan.ipc) for name in own}
    keys = {key for _, key in measurement.keys}
    return ComparisonContent(
        title=f"{data.name}, {plan.ipc} images per class: {', '.join(names)}",
        tables=[
            tabulated(
                network,
                accuracies.get(network, {}),
                names=names,
                sizes=plan.sizes,
                condensations=plan.condensations,
                reference=plan.reference,
            )
            for network in plan.evaluation["networks"]
        ],
        published={name: each for name, each in printed.items() if each is not None},
        made={name: _made(plan, name) for name in names},
        costs=[
            CondensingCost(
                sets=tuple(cost["runs"]),
                seed=cost["seed"],
                seconds=cost["seconds"],
                expert_cpu_seconds=cost.get("expert_cpu_seconds"),
            )
            for cost in costs
        ],
        conditions=_conditions(plan, data, measurement),
        base=plan.base,
        unlearned=measurement.unlearned(known),
        unfinished=len(measurement.evaluation),
        evaluation_seconds=sum(
            each.seconds for each in known if measurement.unnamed(each).key in keys
        ),
    )


def _made(plan: ComparisonPlan, name: str) -> RowCost:
    sets = plan.sets_of(name)
    runs = {run.name for each in sets for run in each.runs}
    return RowCost(runs=len(runs), stored=sum(each.ipc for each in sets))


def _full_length(measurement: Measurement, protocol: str, *, seed: int, data: str) -> str | None:
    """The published number of epochs of the protocol, for the sets of a comparison."""
    sets = {each.row: each for each, _ in measurement.keys}
    evaluated = [evaluated_set(each.images(seed), data=data) for each in sets.values()]
    lengths = [full_epochs(protocol, evaluated) for evaluated in evaluated]
    known = sorted({length for length in lengths if length is not None})
    if len(known) < 2:
        return f"{known[0]} epochs" if known else None
    return f"{known[0]} to {known[-1]} epochs, by the images of the set"


def _conditions(
    plan: ComparisonPlan, data: Data, measurement: Measurement
) -> list[tuple[str, str]]:
    choices = plan.evaluation
    protocol = measurement.evaluation.protocol
    full = _full_length(measurement, protocol.name, seed=plan.seed, data=data.name)
    if protocol.steps is not None:
        length = f"{protocol.steps} optimiser steps for every set and size"
    elif choices["epochs"] is None and full is not None:
        length = full
    else:
        length = f"{protocol.epochs} epochs"
    if full is not None and length != full:
        length += (
            f" (shortened: the full protocol is {full}; not comparable with published figures)"
        )
    updates = sorted({(r.recipe.iterations, r.recipe.schedule.updates) for r in plan.runs.values()})
    networks = sorted({run.recipe.network for run in plan.runs.values()})
    settings = " ".join(f"--set {key}={value}" for key, value in plan.settings)
    threads = f"{plan.threads} thread" + ("" if plan.threads == 1 else "s")
    used = versions()
    machine = used.pop("machine")
    first, count = plan.seed, int(choices["seeds"])
    return [
        (
            "Data",
            f"{data.name}, {len(data.train):,} training and {len(data.test):,} test images, "
            f"fingerprint {data.train.fingerprint}",
        ),
        (
            "Condensed by",
            f"preset {plan.preset}{' ' + settings if settings else ''}; matching network "
            f"{', '.join(networks) or 'none'}; "
            + (", ".join(f"{a} × {b} image updates" for a, b in updates) or "nothing"),
        ),
        ("Condensation seeds", ", ".join(map(str, plan.seeds))),
        ("Tested by", f"protocol {protocol.name}, {length}, {choices['precision']}"),
        (
            "Network seeds",
            f"{count} per condensation, from {first} to {first + count * plan.condensations - 1}",
        ),
        ("Machine", f"{machine}, {plan.device}, {threads}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in used.items())),
        ("Begun", plan.created),
    ]
