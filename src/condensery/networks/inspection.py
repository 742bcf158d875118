"""What other packages need to know of a network: its features, and whether it mixes examples.

Knows about the networks of this package only that they have a method ``features``.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from condensery.errors import UnsupportedNetwork


def features(
    network: nn.Module, images: Float[Tensor, "example channel height width"]
) -> Float[Tensor, "example ..."]:
    """The features of images: the input of the last layer of a network.

    Args:
        network: Any network. If it has a method ``features``, that is called; otherwise the
            input of its last ``nn.Linear`` (in the order of ``modules()``) is used.
        images: ``[example, channel, height, width]``, normalised.

    Returns:
        ``[example, ...]``; for our networks the map of the last convolutional block.

    Raises:
        UnsupportedNetwork: If there is neither a method ``features`` nor an ``nn.Linear``
            that the forward pass uses.
    """
    own = getattr(network, "features", None)
    if callable(own) and not isinstance(own, nn.Module):
        result = own(images)
        assert isinstance(result, Tensor)
        return result
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    inputs: list[Tensor] = []
    if linear:
        handle = linear[-1].register_forward_pre_hook(
            lambda _module, arguments: inputs.append(arguments[0])
        )
        try:
            network(images)
        finally:
            handle.remove()
    if not inputs:
        raise UnsupportedNetwork(
            f"{type(network).__name__} has no method `features` and no nn.Linear that its forward "
            "pass uses, so there are no features to compare. Give it a method "
            "features(images) -> [example, ...]."
        )
    return inputs[-1]


def features_and_logits(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """``features`` and the logits, from one pass if the logits are computed from the features.

    Args:
        network: As in ``features``.
        images: As in ``features``.

    Returns:
        ``[example, ...]`` and ``[example, class_]``.

    Raises:
        UnsupportedNetwork: As ``features``.
    """
    own, seen = getattr(type(network), "features", None), list[Tensor]()
    if own is None or "features" in vars(network):
        return features(network, images), network(images)

    def noted(images: Tensor) -> Tensor:
        seen.append(own(network, images))
        return seen[-1]

    vars(network)["features"] = noted  # before the method of the class
    try:
        logits = network(images)
    finally:
        del vars(network)["features"]
    return (seen[0] if len(seen) == 1 else features(network, images)), logits


def mixes_examples(network: nn.Module) -> str | None:
    """The dotted name of the first module whose output for an example depends on the batch.

    Such modules are batch norm with the statistics of the batch (train mode, or no running
    statistics), and dropout in train mode, whose draw depends on the position in the batch.
    Functional calls in the ``forward`` of a user cannot be found.

    Returns:
        The name; ``"network"`` for the network itself; ``None`` if there is no such module.
    """
    for name, module in network.named_modules():
        batch_norm = isinstance(module, _BatchNorm) and (
            module.training or module.running_mean is None
        )
        dropout = isinstance(module, _DropoutNd) and module.training and module.p > 0
        if batch_norm or dropout:
            return name or "network"
    return None
