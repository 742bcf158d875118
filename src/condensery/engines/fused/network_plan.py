"""The plans of networks, each traced once and checked against what the network computes."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from condensery import networks
from condensery.engines.fused.linear import flatten
from condensery.engines.fused.plan import Linear, Node, plan, refuse
from condensery.engines.fused.sweep import Weights, forward
from condensery.parallel import exclusive_lock
from condensery.rng import stream


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a network computes.

    Attributes:
        modules: Of the network, without the network itself, so that a plan keeps none alive.
        classes: Number of logits.
        logits: The whole network.
        features: What its classifier sees.
    """

    modules: tuple[nn.Module, ...]
    classes: int
    logits: tuple[Node, ...]
    features: tuple[Node, ...]


_PLANS: WeakKeyDictionary[nn.Module, NetworkPlan] = WeakKeyDictionary()


def network_plan(network: nn.Module, images: Tensor) -> NetworkPlan:
    """The plan of a network; a new network is traced, and its plan is run and compared.

    The comparison uses noise, not the images: a map of one colour has no variance, and a norm
    makes rounding errors as large as anything else.

    Args:
        network: Any network.
        images: As the network sees them; only their shape, dtype and device matter.

    Raises:
        UnsupportedNetwork: If the network does something that ``plan`` does not know.
    """
    found, modules = _PLANS.get(network), tuple(network.modules())[1:]
    if found is not None and found.modules == modules:
        return found
    logits = plan(network)
    last = logits[-1] if logits else None
    if not isinstance(last, Linear):
        refuse(network, "", network, "does not end in a linear layer")
    own = getattr(network, "features", None)
    as_method = callable(own) and not isinstance(own, nn.Module)
    found = NetworkPlan(
        modules=modules,
        classes=len(network.get_parameter(last.weight)),
        logits=logits,
        features=plan(network, "features") if as_method else logits[:-1],
    )
    _compare(network, found, like=images)
    _PLANS[network] = found
    return found


@torch.no_grad()
def _compare(network: nn.Module, found: NetworkPlan, *, like: Tensor) -> None:
    image = torch.randn(like[:1].shape, generator=stream(0, "known")).to(like)
    ours = [Weights.of(network, nodes, like=image) for nodes in (found.logits, found.features)]
    wide = ours[0].wide
    with exclusive_lock():  # modules are called
        theirs = network(image.to(wide)), networks.features(network, image.to(wide)).flatten(1)
    for expected, weights in zip(theirs, ours, strict=True):
        (last,), _ = forward(weights, image)
        value, size = flatten(last, wide), expected.abs().max() + 1
        same = expected.shape == value.shape
        if not same or not torch.allclose(expected / size, value / size, atol=1e-3):
            refuse(network, "", network, "does more in its forward than its modules show")
