"""The plans of networks, each traced once and checked against what the network computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
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


def block_ends(network: nn.Module, nodes: Sequence[Node], blocks: int) -> tuple[int, ...]:
    """The numbers of the values that ``blocks`` last blocks give, ascending.

    Args:
        network: As in ``network_plan``.
        nodes: Its ``NetworkPlan.features``, whose last value is that of the last block.
        blocks: How many blocks, at least 1.

    Raises:
        UnsupportedNetwork: If the network has fewer blocks, or more than its blocks gives its
            features.
    """
    last = len(nodes)
    if not networks.earlier_blocks(network, blocks):
        return (last,)
    own = network.get_submodule("blocks")
    assert isinstance(own, nn.Sequential)
    ends = [
        len(alone)
        for count in range(len(own) - blocks + 1, len(own) + 1)
        if tuple(nodes[: len(alone := _inside("blocks", plan(own[:count])))]) == alone
    ]
    if len(ends) < blocks or ends[-1] != last:
        refuse(network, "", network, "has features that do not come from its `blocks` alone")
    return tuple(ends)


def _inside(parent: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Nodes of a module as a network names them in which it is called ``parent``."""

    def named(node: Node) -> Node:
        names = {field.name: getattr(node, field.name) for field in fields(node)}
        own = {key: f"{parent}.{name}" for key, name in names.items() if isinstance(name, str)}
        return replace(node, **own)

    return tuple(named(node) for node in nodes)


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
