"""A comparison in words: what will run, and what the tables say beside their numbers.

Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from condensery.cli.comparison import Plan
from condensery.comparison import Content, Cost, Made, Measurement, published, tabulated
from condensery.data import Data
from condensery.evaluation import Observation
from condensery.runs.machine import versions

if TYPE_CHECKING:
    from condensery.cli.comparison_folder import Pending

__all__ = ["content", "networks_of", "outlook"]

_FULL = {
    **dict.fromkeys(("idc", "dsa", "mtt", "frepo"), "1000 epochs"),
    "dc": "300 epochs",
    "imagenet": "300 to 3000 epochs, by the images of the set",
}


def outlook(plan: Plan, pending: Sequence[Pending], *, trained: int, networks: int) -> str:
    """What will run, and what is there already.

    Args:
        plan: The comparison.
        pending: What is to be condensed.
        trained: Networks that are known already.
        networks: All of them.
    """
    runs, seeds = plan.runs, plan.seeds
    left = sum(len(each.group.runs) for each in pending)
    lines = [
        f"compare: {', '.join(plan.methods)} at {', '.join(map(str, plan.sizes))} images per class",
        f"sets to condense: {left} of {len(runs) * len(seeds)}"
        + (f" ({len(seeds)} condensations of {len(runs)})" if len(seeds) > 1 else ""),
    ]
    for each in pending:
        own, group = each.group.runs, each.group
        how = f"{len(own)} in lockstep" if len(own) > 1 else "alone"
        why = f" ({group.alone})" if group.alone else ""
        at = f", goes on after iteration {each.checkpoint.step}" if each.checkpoint else ""
        lines.append(
            f"  seed {each.seed}, {how}{why}: {', '.join(run.name for run in own)}; "
            f"{group.updates} image updates each{at}"
        )
    lines.append(f"networks to train: {networks - trained} of {networks}")
    return "\n".join(lines)


def networks_of(plan: Plan) -> int:
    """How many networks the tables are made of; sets that are the same are tested once."""
    sets = {(part.identity, size) for part in plan.parts for size in part.sizes}
    each = int(plan.evaluation["seeds"]) * len(plan.evaluation["networks"])
    return len(sets) * each * plan.condensations


def content(
    plan: Plan,
    data: Data,
    found: Measurement,
    *,
    known: Sequence[Observation],
    costs: Sequence[Mapping[str, Any]],
) -> Content:
    """Everything that the files of the table say."""
    names = list(dict.fromkeys(part.contender.name for part in plan.parts))
    seen = found.accuracies(known, condensations=plan.condensations)
    own = [name for name in names if plan.base == "idc" or name not in ("a", "b", "c")]
    printed = {name: published(data.name, name, ipc=plan.asked.ipc) for name in own}
    keys = {key for _, key in found.asked}
    return Content(
        title=f"{data.name}, {plan.asked.ipc} images per class: {', '.join(names)}",
        tables=[
            tabulated(
                network,
                seen.get(network, {}),
                contenders=names,
                sizes=plan.sizes,
                condensations=plan.condensations,
                reference=plan.reference,
            )
            for network in plan.evaluation["networks"]
        ],
        published={name: each for name, each in printed.items() if each is not None},
        made={name: _made(plan, name) for name in names},
        costs=[
            Cost(sets=tuple(cost["runs"]), seed=cost["seed"], seconds=cost["seconds"])
            for cost in costs
        ],
        conditions=_conditions(plan, data, found),
        base=plan.base,
        unfinished=len(found.evaluation),
        evaluation_seconds=sum(
            each.seconds for each in known if (found.as_asked(each)).key in keys
        ),
    )


def _made(plan: Plan, name: str) -> Made:
    parts = plan.parts_of(name)
    runs = {run.name for part in parts for run in part.runs}
    return Made(runs=len(runs), stored=sum(part.ipc for part in parts))


def _conditions(plan: Plan, data: Data, found: Measurement) -> list[tuple[str, str]]:
    asked, choices = plan.asked, plan.evaluation
    protocol = found.evaluation.protocol
    full = _FULL.get(protocol.name)
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
    settings = " ".join(f"--set {key}={value}" for key, value in asked.settings)
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
            f"preset {asked.preset}{' ' + settings if settings else ''}; matching network "
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
