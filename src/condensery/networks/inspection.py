"""What other packages need to know of a network: its features, and whether it mixes examples.

Knows about the networks of this package only that they have a method ``features``, and that
ConvNets have their blocks in ``blocks``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from condensery.errors import UnsupportedNetwork


def features(
    network: nn.Module, images: Float[Tensor, "example channel height width"], *, blocks: int = 1
) -> Float[Tensor, "example ..."]:
    """The features of images: the input of the last layer of a network, or more.

    Args:
        network: Any network. If it has a method ``features``, that is called; otherwise the
            input of its last ``nn.Linear`` (in the order of ``modules()``) is used.
        images: ``[example, channel, height, width]``, normalised.
        blocks: Above 1, features of so many last blocks, for networks with an ``nn.Sequential``
            called ``blocks``, as ConvNets have it.

    Returns:
        ``[example, ...]``; for our networks the map of the last convolutional block. Of several
        blocks ``[example, feature]`` (``side_by_side``).

    Raises:
        UnsupportedNetwork: If there is neither a method ``features`` nor an ``nn.Linear``
            that the forward pass uses, or the network has fewer blocks.
    """
    earlier = earlier_blocks(network, blocks)
    with _outputs(earlier) as seen:
        last = _last_features(network, images)
    return side_by_side([last, *(seen[block] for block in earlier)])


def _last_features(network: nn.Module, images: Tensor) -> Tensor:
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


def features_and_logits(
    network: nn.Module, images: Tensor, *, blocks: int = 1
) -> tuple[Tensor, Tensor]:
    """``features`` and the logits, from one pass if the logits are computed from the features.

    Args:
        network: As in ``features``.
        images: As in ``features``.
        blocks: As in ``features``.

    Returns:
        ``[example, ...]`` and ``[example, class_]``.

    Raises:
        UnsupportedNetwork: As ``features``.
    """
    own, seen = getattr(type(network), "features", None), list[Tensor]()
    if own is None or "features" in vars(network):
        return features(network, images, blocks=blocks), network(images)

    def noted(images: Tensor) -> Tensor:
        seen.append(own(network, images))
        return seen[-1]

    earlier = earlier_blocks(network, blocks)
    vars(network)["features"] = noted  # before the method of the class
    try:
        with _outputs(earlier) as before:
            logits = network(images)
    finally:
        del vars(network)["features"]
    if len(seen) != 1:
        return features(network, images, blocks=blocks), logits
    return side_by_side([seen[0], *(before[block] for block in earlier)]), logits


def earlier_blocks(network: nn.Module, blocks: int) -> Sequence[nn.Module]:
    """The blocks before the last one of ``blocks`` blocks, from the last to the first.

    Raises:
        UnsupportedNetwork: If the network has fewer blocks.
    """
    if blocks == 1:
        return ()
    own, kind = getattr(network, "blocks", None), type(network).__name__
    asked = f"blocks = {blocks}: features of so many blocks are to be compared, but {kind}"
    if not isinstance(own, nn.Sequential):
        raise UnsupportedNetwork(
            f"{asked} has no nn.Sequential called `blocks`, as ConvNets have it. Use a ConvNet, or "
            "1 block (--set objective.blocks=1, or objective.features.blocks=1 where the objective "
            "has other terms)."
        )
    if not 1 <= blocks <= len(own):
        raise UnsupportedNetwork(f"{asked} has {len(own)}. Use 1 to {len(own)}.")
    return list(own)[-blocks:-1][::-1]


def side_by_side(maps: Sequence[Tensor]) -> Float[Tensor, "example ..."]:
    """Features of several blocks as one vector for each example.

    A map that is k times as large as the first is divided by the square root of k. So every block
    has the same weight in a squared distance, and the first the weight that it has alone.

    Args:
        maps: ``[example, ...]``, the last block first; one alone is returned as it is.
    """
    if len(maps) == 1:
        return maps[0]
    flat = [each.flatten(1) for each in maps]
    size = flat[0].shape[1]
    return torch.cat([each * math.sqrt(size / each.shape[1]) for each in flat], dim=1)


@contextmanager
def _outputs(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """The latest output of every module, of the forward passes in this context."""
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, _given: tuple[Tensor, ...], made: Tensor) -> None:
        found[module] = made

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(note).remove)
        yield found


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
