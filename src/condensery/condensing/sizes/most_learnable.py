"""The most learnable subset: the size whose distance to the real data changes fastest.

Every ``period`` outer iterations, the probe measures the distance of every size. The size whose
distance has changed most since the last measure is matched, with the full set, until the next
measure, and smaller sizes that are already learned are frozen.

Source:
    He et al. 2024, *Multisize Dataset Condensation*, Algorithm 1. Differs from the paper: the
    change is not divided by the period, which does not change the argmax. Differs from the
    released code by default: frozen images keep their bits (released: their gradient is zeroed
    and momentum keeps moving them); the frozen size is the previous choice, as in the paper
    (released: the largest size below the current one that was ever chosen); distances are not
    rounded to two decimals. ``freeze="released"`` and ``decimals=2`` give the released behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from condensery.condensing.objectives import DistributionMatching, Objective
from condensery.condensing.sizes.base import (
    MatchedSets,
    SizePolicy,
    SizeState,
    Weights,
    check_weights,
    full,
    weighted,
)
from condensery.errors import ConfigError
from condensery.registry import register


class RunFacts(Protocol):
    """The fields of a recipe that ``MostLearnable.fitting`` reads."""

    @property
    def iterations(self) -> int:
        """Outer iterations."""
        ...

    @property
    def network(self) -> str:
        """Name of the network, or ``"none"``."""
        ...

    @property
    def objective(self) -> Objective:
        """The objective of the run."""
        ...


def period_of(iterations: int) -> int:
    """The period with twenty choices in a run, as in the runs of the paper on small images."""
    return max(1, iterations // 20)


@register("size_policy", "most-learnable")
@dataclass(frozen=True, slots=True, kw_only=True)
class MostLearnable(SizePolicy):
    """The policy of MDC: the full set and the most learnable subset.

    Attributes:
        probe: The objective that measures every size (paper: the feature distance). With an
            objective over ``all_classes``, all classes have the same distance.
        period: Outer iterations between choices (paper: 100; ImageNet-10: 50).
        freeze: ``"exact"``: when the choice grows, the previously chosen subset keeps its bits.
            ``"released"``: the released rule (see the module). ``"none"``: nothing is frozen.
        classwise: Whether every class has its own choice (paper, table 12), or all classes share
            one choice by the mean over classes.
        weights: Weights of the full set and the subset, as in ``AllSizes`` (paper: ``"uniform"``).
        decimals: Decimals to which distances are rounded (released: 2); -1: no rounding.
    """

    probe: Objective = field(default_factory=DistributionMatching)
    period: int = 100
    freeze: Literal["exact", "released", "none"] = "exact"
    classwise: bool = False
    decimals: int = -1
    weights: Weights = "uniform"

    def __post_init__(self) -> None:
        check_weights(self.weights)
        if self.period < 1:
            raise ConfigError(
                f"size_policy.period = {self.period}: choices need at least 1 iteration between."
            )
        if self.freeze not in ("exact", "released", "none"):
            raise ConfigError(
                f"size_policy.freeze = {self.freeze!r} is unknown; known are exact, released, none."
            )

    @classmethod
    def fitting(cls, run: RunFacts) -> dict[str, Any]:
        """The choices for a recipe, in place of the defaults.

        Args:
            run: A recipe. If it has no network, there are no features, and its own objective
                measures the sizes.
        """
        period = {"period": period_of(run.iterations)}
        return period if run.network != "none" else {**period, "probe": run.objective}

    @property
    def measure(self) -> Objective:
        """See ``SizePolicy.measure``."""
        return self.probe

    @property
    def freezes_exactly(self) -> bool:
        """See ``SizePolicy.freezes_exactly``."""
        return self.freeze == "exact"

    def init(self, counts: Tensor) -> SizeState:
        """See ``SizePolicy.init``."""
        classes, largest = len(counts), int(counts.max())
        return {
            "counts": counts,
            "chosen": torch.zeros(classes, dtype=torch.int64),  # 0: no choice yet
            "previous": torch.zeros(classes, dtype=torch.int64),
            "since": torch.full((classes, largest), -1),  # first iteration as the choice
            "last": torch.full((classes, largest - 1), torch.nan, dtype=torch.float64),
            "sum": torch.zeros(classes, largest - 1, dtype=torch.float64),
            "steps": torch.zeros((), dtype=torch.int64),
        }

    def sets(self, state: SizeState, *, outer: int, rng: torch.Generator) -> MatchedSets:
        """See ``SizePolicy.sets``."""
        del outer, rng
        if not state["chosen"].any():
            return weighted(full(state)[None], "uniform")
        return weighted(torch.stack([full(state), state["chosen"]]), self.weights)

    def frozen(self, state: SizeState, *, outer: int) -> Tensor:
        """See ``SizePolicy.frozen``."""
        chosen, previous = state["chosen"], state["previous"]
        if self.freeze == "none":
            return torch.zeros_like(chosen)
        if self.freeze == "exact":
            return torch.where(chosen > previous, previous, 0)
        sizes = torch.arange(1, state["since"].shape[1] + 1)
        learned = (state["since"] >= 0) & (outer >= state["since"] + self.period)
        return (sizes * (learned & (sizes < chosen[:, None]))).amax(dim=1)

    def measures(self, outer: int) -> bool:
        """See ``SizePolicy.measures``: after iterations 0, period - 1, 2 period - 1, ..."""
        return outer == 0 or (outer + 1) % self.period == 0

    def observe(self, state: SizeState, distances: Tensor) -> SizeState:
        """See ``SizePolicy.observe``."""
        total = state["sum"] + distances[:, :-1].to(torch.float64)
        return {**state, "sum": total, "steps": state["steps"] + 1}

    def close(self, state: SizeState, *, outer: int) -> SizeState:
        """See ``SizePolicy.close``; chooses a size after an iteration with a measure."""
        if not self.measures(outer) or state["sum"].shape[1] == 0:  # N = 1 has no subset
            return state
        current = state["sum"] / state["steps"]
        if not self.classwise:
            current = current.mean(dim=0, keepdim=True).expand_as(current)
        if self.decimals >= 0:
            current = current.round(decimals=self.decimals)
        first = state["last"].isnan().any()
        chosen = 1 + (current - state["last"]).abs().nan_to_num(0).argmax(dim=1)
        chosen = torch.ones_like(chosen) if first else chosen
        since = state["since"].clone()
        every = torch.arange(len(chosen))
        fresh = since[every, chosen - 1] < 0
        since[every[fresh], chosen[fresh] - 1] = outer + 1
        return {
            **state,
            "chosen": chosen,
            "previous": state["chosen"],
            "since": since,
            "last": current.clone(),
            "sum": torch.zeros_like(state["sum"]),
            "steps": torch.zeros_like(state["steps"]),
        }
