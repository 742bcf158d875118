"""Several rules for how difficult the examples of a set are; pure functions of the dynamics.

Knows nothing about networks or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError
from condensery.reranking.dynamics import Dynamics

_EARLY = 10
"""Number of epochs in the sum of EL2N."""


Score = Callable[[Dynamics, int], Float[Tensor, "example"]]
"""From the dynamics of one network and a number of epochs to scores, low for easy examples."""


def lbpe(dynamics: Dynamics, best: int) -> Tensor:
    """Distances of prediction and label, summed over the ``best`` epochs with most right answers.

    Of epochs with equally many right answers, the earlier ones are used.

    Raises:
        ConfigError: If there are fewer epochs.

    Source:
        He, Xiao, Zhou 2023 (YOCO), logit-based prediction error, from the released code. Differs:
        none.
    """
    epochs = len(dynamics.error)
    if not 1 <= best <= epochs:
        raise ConfigError(f"best = {best}, but the training has {epochs} epochs: give 1..{epochs}.")
    right = dynamics.right.sum(dim=1)
    return dynamics.error[right.argsort(descending=True, stable=True)[:best]].sum(dim=0)


def el2n(dynamics: Dynamics, best: int) -> Tensor:
    """Distances of prediction and label, summed over the first epochs.

    Source:
        Paul et al. 2021, *Deep Learning on a Data Diet*, as in the code of YOCO: one network, ten
        epochs.
    """
    del best
    return dynamics.error[:_EARLY].sum(dim=0)


def forgetting(dynamics: Dynamics, best: int) -> Tensor:
    """How often an example is right in one epoch and wrong in the next; the most if never right.

    Source:
        Toneva et al. 2019. Differs: the augmented image is classified, as in the code of YOCO.
    """
    del best
    right = dynamics.right
    events = (right[:-1] & ~right[1:]).sum(dim=0).float()
    return events.where(right.any(dim=0), float(len(right)))


def margin(dynamics: Dynamics, best: int) -> Tensor:
    """The lead of the most probable wrong class, summed over all epochs.

    Source:
        Pleiss et al. 2020 (AUM), with probabilities as in the code of YOCO.
    """
    del best
    return -dynamics.margin.sum(dim=0)


def entropy(dynamics: Dynamics, best: int) -> Tensor:
    """Entropy of the prediction of the trained network for the unaugmented example, in nats."""
    del best
    return dynamics.entropy


SCORES: Mapping[str, Score] = {
    "lbpe": lbpe,
    "el2n": el2n,
    "forgetting": forgetting,
    "margin": margin,
    "entropy": entropy,
}
"""Rules that use the dynamics of a training, by name."""
