"""The estimated time of the remaining work of a comparison, in words."""

from __future__ import annotations

import time
from dataclasses import dataclass

from condensery.data import Data
from condensery.formatting import byte_count, duration
from condensery.runs.comparison.costs import BatchCost, batch_cost, evaluation_cost
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.comparison.plan import ComparisonPlan
from condensery.runs.comparison.status import measured, networks, pending
from condensery.runs.listener import Reporter
from condensery.runs.machine import peak_memory

_BUSY = 0.8
"""With a smaller share of the processor time, an estimate says that other work was running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The remaining time of a comparison.

    Attributes:
        condensing: Seconds of condensing.
        testing: Seconds of the evaluation.
        share: Share of the processor time that this process had during the probe, in 0..1.
        lines: How it was estimated, for people.
    """

    condensing: float
    testing: float
    share: float
    lines: tuple[str, ...]

    def __str__(self) -> str:
        total = self.condensing + self.testing
        if not total:
            return "estimate: nothing is left to do"
        both = f"condensing {duration(self.condensing)}, testing {duration(self.testing)}"
        lines = [f"estimate: about {duration(total)} as this machine is now ({both})"]
        if self.share < _BUSY:
            lines.append(
                f"busy: other processes took time, this one had {self.share:.0%} of its threads'; "
                f"alone it may take {duration(self.share * total)}"
            )
        return "\n  ".join((*lines, *self.lines))


def estimate(
    folder: ComparisonFolder, plan: ComparisonPlan, data: Data, reporter: Reporter
) -> Estimate:
    """Estimate the remaining time of a comparison by a probe; writes nothing."""
    unfinished = pending(folder, plan)
    trained, total = networks(folder, plan, data)
    if not unfinished and trained == total:
        return Estimate(condensing=0.0, testing=0.0, share=1.0, lines=())
    began, worked = time.monotonic(), time.process_time()
    costs: dict[tuple[str, ...], BatchCost] = {}
    condensing, lines = 0.0, list[str]()
    names = [tuple(run.name for run in each.batch.runs) for each in unfinished]
    steps = len(set(names)) + 1
    with reporter.task(f"probe {data.name}", total=steps, unit="part") as task:
        for each, own in zip(unfinished, names, strict=True):
            if own not in costs:
                costs[own] = batch_cost(each.batch, data.train, seed=each.seed, device=plan.device)
                task.step(f"{len(own)} sets")
            cost, iterations = costs[own], each.batch.runs[0].recipe.iterations
            done = each.checkpoint.step / iterations if each.checkpoint else 0.0
            condensing += cost.seconds(done=done)
            lines.append(f"seed {each.seed}, {_sets(cost)}: {_words(cost)}")
        left = (total - trained) * plan.condensations / total if total else 0.0
        tests = evaluation_cost(
            plan.sets,
            data,
            protocol=measured(folder, plan, data, known=()).evaluation.protocol,
            choices=plan.evaluation,
            left=left,
            device=plan.device,
        )
        task.step("testing")
    times = ", ".join(f"{name} {duration(each)}" for name, each in tests.step.items())
    lines.append(f"testing {total - trained} networks: a training step of {times}")
    lines.append(
        f"memory: the probe reached {_peak(plan.device)}; sets that it did not take need more"
        if any(cost.taken < len(cost.batch.runs) for cost in costs.values())
        else f"memory: the probe reached {_peak(plan.device)}"
    )
    took = time.monotonic() - began
    share = min(1.0, (time.process_time() - worked) / (took * plan.threads))
    lines.append(
        f"probed in {duration(took)} by three steps of everything: rough, it may be wrong by half"
    )
    return Estimate(condensing=condensing, testing=tests.seconds, share=share, lines=tuple(lines))


def _sets(cost: BatchCost) -> str:
    count = len(cost.batch.runs)
    name = cost.batch.runs[0].name
    return f"{name} alone" if count == 1 else f"{count} sets in one batch"


def _words(cost: BatchCost) -> str:
    batch = cost.batch
    timed = ""
    if cost.taken < len(batch.runs):
        most = " at most" if cost.taken == 1 else ""
        timed = f"{most} (by {cost.taken} of {len(batch.runs)} sets)"
    trained = f", network training {duration(cost.training)}" if cost.training else ""
    once = f", compiling {duration(cost.once)}" if cost.once > 1 else ""
    return f"{batch.updates} image updates of {duration(cost.update)}{timed}{trained}{once}"


def _peak(device: str) -> str:
    """The peak memory of this process, and the memory of the machine."""
    if not device.startswith("cpu"):
        import torch

        if device.startswith("cuda"):
            return f"{byte_count(torch.cuda.max_memory_allocated(device))} on {device}"
        return f"an unknown amount on {device}"
    taken = peak_memory()
    return "an unknown amount" if taken is None else byte_count(taken)
