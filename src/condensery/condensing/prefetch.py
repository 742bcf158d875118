"""Networks of several outer iterations at the same time, one iteration in each process.

Networks that never see the condensed set can be trained before they are matched. So the processes
train those of the next iterations, each one of its own, and tell the others the network of every
image update when it comes. The bits are those of one process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from condensery.condensing.schedules import RunContext, Schedule
from condensery.parallel import Processes
from condensery.types import StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The network of an image update."""

    context: StepContext  # its network may have changed since
    tensors: list[Tensor]
    training: list[bool]


class Prefetch:
    """The contexts of a schedule whose networks do not depend on the condensed set."""

    def __init__(
        self, schedule: Schedule, processes: Processes, *, first: int, iterations: int
    ) -> None:
        """Nothing is trained yet.

        Args:
            schedule: A schedule without ``reads_synthetic``.
            processes: The processes of the run.
            first: The first outer iteration of this run.
            iterations: Outer iterations of the whole run.
        """
        self._schedule, self._processes = schedule, processes
        self._first, self._iterations = first, iterations
        self._kept: list[_Kept] = []

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; outer iterations come in order."""
        owner = (outer - self._first) % self._processes.count
        if owner == 0:
            own = outer + self._processes.index
            self._kept = list(self._trained(own, run)) if own < self._iterations else []
        mine = owner == self._processes.index
        network: nn.Module | None = None
        for inner in range(self._schedule.updates):
            kept = self._kept[inner] if mine else None
            facts = torch.tensor([0, _NEW] if kept is None else _facts(kept.context))
            self._processes.broadcast([facts], source=owner)
            has_target, place = facts.tolist()
            if network is None:
                network = run.network("prefetched").to(run.device)
            target = None
            if has_target:
                target = {name: torch.empty_like(p) for name, p in network.named_parameters()}
            tensors = _tensors(network, target)
            if kept is not None:
                with torch.no_grad():
                    for tensor, own in zip(tensors, kept.tensors, strict=True):
                        tensor.copy_(own)
            self._processes.broadcast(tensors, source=owner)
            modes = _modes(network) if kept is None else torch.tensor(kept.training)
            self._processes.broadcast([modes], source=owner)
            for module, training in zip(network.modules(), modes.tolist(), strict=True):
                module.training = training
            yield StepContext(
                at=(outer, inner),
                network=network,
                seed=run.seed,
                target=target,
                place=None if place == _NEW else place,
            )
        if mine:
            self._kept = []

    def _trained(self, outer: int, run: RunContext) -> Iterator[_Kept]:
        for context in self._schedule.contexts(outer, run):
            tensors = _tensors(context.network, context.target)
            yield _Kept(
                context=context,
                tensors=[tensor.detach().clone() for tensor in tensors],
                training=[module.training for module in context.network.modules()],
            )


_NEW = -1
"""The place of a network that does not come again."""


def _facts(context: StepContext) -> list[int]:
    """Whether there is a target, and the place."""
    return [context.target is not None, _NEW if context.place is None else context.place]


def same_network(context: StepContext, processes: Processes) -> None:
    """Give all processes the network of process 0, whose rounding may differ on another device."""
    processes.broadcast(_tensors(context.network, None))


def _modes(network: nn.Module) -> Tensor:
    return torch.tensor([module.training for module in network.modules()])


def _tensors(network: nn.Module, target: Mapping[str, Tensor] | None) -> list[Tensor]:
    """Parameters and buffers, then the target in the order of the parameters."""
    names = [name for name, _ in network.named_parameters()]
    wanted = [] if target is None else [target[name] for name in names]
    return [*network.parameters(), *network.buffers(), *wanted]
