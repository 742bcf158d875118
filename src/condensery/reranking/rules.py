"""How hard the examples of a set are to learn, by several rules; pure functions of the dynamics.

Knows nothing about networks or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError
from condensery.reranking.dynamics import Dynamics

__all__ = ["SCORES", "Score", "el2n", "entropy", "forgetting", "lbpe", "margin"]

_EARLY = 10
"""Epochs that EL2N sums."""


Score = Callable[[Dynamics, int], Float[Tensor, "example"]]
"""From the dynamics of one network and a number of epochs to a score; easy examples score low."""


def lbpe(dynamics: Dynamics, best: int) -> Tensor:
    """Distances of prediction and label, summed over the ``best`` epochs with most right answers.

    Of epochs with as many right answers the earlier ones count.

    Raises:
        ConfigError: If there are fewer epochs.

    Source:
        He, Xiao, Zhou 2023 (YOCO), logit-based prediction error, from the released code. Differs:
        nothing.
    """
    epochs = len(dynamics.error)
    if not 1 <= best <= epochs:
        raise ConfigError(f"best = {best}, but the training has {epochs} epochs: give 1..{epochs}.")
    right = dynamics.right.sum(dim=1)
    return dynamics.error[right.argsort(descending=True, stable=True)[:best]].sum(dim=0)


def el2n(dynamics: Dynamics, best: int) -> Tensor:
    """Distances of prediction and label, summed over the first epochs.

    Source:
        Paul et al. 2021, *Deep Learning on a Data Diet*, as YOCO's code has it: one network, ten
        epochs.
    """
    del best
    return dynamics.error[:_EARLY].sum(dim=0)


def forgetting(dynamics: Dynamics, best: int) -> Tensor:
    """How often an example is right in one epoch and wrong in the next; never right is the most.

    Source:
        Toneva et al. 2019. Differs: what is judged is the augmented image, as in YOCO's code.
    """
    del best
    right = dynamics.right
    events = (right[:-1] & ~right[1:]).sum(dim=0).float()
    return events.where(right.any(dim=0), float(len(right)))


def margin(dynamics: Dynamics, best: int) -> Tensor:
    """What the best wrong class leads by, summed over all epochs.

    Source:
        Pleiss et al. 2020 (AUM), of probabilities as in YOCO's code.
    """
    del best
    return -dynamics.margin.sum(dim=0)


def entropy(dynamics: Dynamics, best: int) -> Tensor:
    """Entropy of what the trained network says of the example as it is, in nats."""
    del best
    return dynamics.entropy


SCORES: Mapping[str, Score] = {
    "lbpe": lbpe,
    "el2n": el2n,
    "forgetting": forgetting,
    "margin": margin,
    "entropy": entropy,
}
"""Rules that look at a training on the set, by name."""
