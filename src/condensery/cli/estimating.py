"""What a comparison will take, in words; the probe shows how far it is.

Knows nothing about tables of papers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from condensery.cli.comparison import Plan
from condensery.cli.comparison_folder import ComparisonFolder, quietly
from condensery.cli.progress import listener
from condensery.comparison import GroupCost, evaluation_cost, group_cost
from condensery.data import Data
from condensery.formatting import byte_count, duration
from condensery.runs.listener import Reporter
from condensery.runs.machine import peak_memory

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is left of a comparison.

    Attributes:
        condensing: Seconds.
        testing: Seconds.
        share: Of the processor that this process got while it probed, in 0..1; the rest went to
            other processes, or it waited.
        lines: How that was found, for people.
    """

    condensing: float
    testing: float
    share: float
    lines: tuple[str, ...]


def estimate(folder: ComparisonFolder, plan: Plan, data: Data) -> Estimate:
    """Probe what is missing of a comparison; writes nothing."""
    pending = folder.pending(plan, quietly)
    trained, networks = folder.networks(plan, data)
    if not pending and trained == networks:
        return Estimate(condensing=0.0, testing=0.0, share=1.0, lines=())
    began, worked = time.monotonic(), time.process_time()
    costs: dict[tuple[str, ...], GroupCost] = {}
    condensing, lines = 0.0, list[str]()
    names = [tuple(run.name for run in each.group.runs) for each in pending]
    total = len(set(names)) + 1
    with Reporter(listener()).task(f"probe {data.name}", total=total, unit="part") as show:
        for each, own in zip(pending, names, strict=True):
            if own not in costs:
                costs[own] = group_cost(each.group, data.train, seed=each.seed, device=plan.device)
                show.step(f"{len(own)} sets")
            cost, iterations = costs[own], each.group.runs[0].recipe.iterations
            done = each.checkpoint.step / iterations if each.checkpoint else 0.0
            condensing += cost.seconds(done=done)
            lines.append(f"seed {each.seed}, {_sets(cost)}: {_words(cost)}")
        left = (networks - trained) * plan.condensations / networks if networks else 0.0
        tests = evaluation_cost(
            plan.parts,
            data,
            protocol=folder.protocol(plan, data),
            choices=plan.evaluation,
            left=left,
            device=plan.device,
        )
        show.step("testing")
    steps = ", ".join(f"{name} {duration(each)}" for name, each in tests.step.items())
    lines.append(f"testing {networks - trained} networks: a training step of {steps}")
    lines.append(
        f"memory: the probe reached {_peak(plan.device)}; sets that it did not take need more"
        if any(cost.taken < len(cost.group.runs) for cost in costs.values())
        else f"memory: the probe reached {_peak(plan.device)}"
    )
    took = time.monotonic() - began
    share = min(1.0, (time.process_time() - worked) / (took * plan.threads))
    lines.append(
        f"probed in {duration(took)} by three steps of everything: rough, it may be wrong by half"
    )
    return Estimate(condensing=condensing, testing=tests.seconds, share=share, lines=tuple(lines))


def _sets(cost: GroupCost) -> str:
    count = len(cost.group.runs)
    name = cost.group.runs[0].name
    return f"{name} alone" if count == 1 else f"{count} sets in lockstep"


def _words(cost: GroupCost) -> str:
    group = cost.group
    timed = ""
    if cost.taken < len(group.runs):
        most = " at most" if cost.taken == 1 else ""
        timed = f"{most} (by {cost.taken} of {len(group.runs)} sets)"
    trained = f", network training {duration(cost.training)}" if cost.training else ""
    once = f", compiling {duration(cost.once)}" if cost.once > 1 else ""
    return f"{group.updates} image updates of {duration(cost.update)}{timed}{trained}{once}"


def _peak(device: str) -> str:
    """Memory that this process has taken at most, and what there is."""
    if not device.startswith("cpu"):
        import torch

        if device.startswith("cuda"):
            return f"{byte_count(torch.cuda.max_memory_allocated(device))} on {device}"
        return f"an unknown amount on {device}"
    taken = peak_memory()
    return "an unknown amount" if taken is None else byte_count(taken)
