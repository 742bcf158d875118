"""What networks were found to do, each traced once and held to what it says of noise.

Knows nothing about gradients or groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from condensery import networks
from condensery.analytic.maps import rows
from condensery.analytic.plan import Linear, Node, plan, refuse
from condensery.analytic.sweep import Weights, rise
from condensery.parallel import exclusive_lock
from condensery.rng import stream

__all__ = ["Known", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a network computes."""

    parts: tuple[nn.Module, ...]  # without the network itself, which this must not keep alive
    classes: int
    logits: tuple[Node, ...]
    features: tuple[Node, ...]  # what the classifier sees


_KNOWN: WeakKeyDictionary[nn.Module, Known] = WeakKeyDictionary()


def known(network: nn.Module, images: Tensor) -> Known:
    """What ``network`` does; what is new here is traced, and must say what its plan says.

    Args:
        network: Any.
        images: As it sees them: their shape, dtype and device. Their pixels do not matter, as a
            map of one colour has no variance, and a norm makes rounding as large as anything else.

    Raises:
        UnsupportedNetwork: If it does what ``plan`` does not know.
    """
    found, parts = _KNOWN.get(network), tuple(network.modules())[1:]
    if found is not None and found.parts == parts:
        return found
    logits = plan(network)
    last = logits[-1] if logits else None
    if not isinstance(last, Linear):
        refuse(network, "", network, "does not end in a linear layer")
    own = getattr(network, "features", None)
    as_method = callable(own) and not isinstance(own, nn.Module)
    found = Known(
        parts=parts,
        classes=len(network.get_parameter(last.weight)),
        logits=logits,
        features=plan(network, "features") if as_method else logits[:-1],
    )
    image = torch.randn(images[:1].shape, generator=stream(0, "known")).to(images)
    with torch.no_grad():
        laid = [Weights.of(network, nodes, like=image) for nodes in (found.logits, found.features)]
        wide = laid[0].wide
        with exclusive_lock():
            said = (network(image.to(wide)), networks.features(network, image.to(wide)).flatten(1))
        for theirs, weights in zip(said, laid, strict=True):
            last, _ = rise(weights, image, still=False)
            ours, size = rows(last, wide), theirs.abs().max() + 1
            if theirs.shape != ours.shape or not torch.allclose(
                theirs / size, ours / size, atol=1e-3
            ):
                refuse(network, "", network, "does more in its forward than its modules show")
    _KNOWN[network] = found
    return found
