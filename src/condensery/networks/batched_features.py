"""Features of many images under a fixed network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.networks.inspection import features


@torch.no_grad()
def batched_features(
    network: nn.Module, batches: Iterable[Float[Tensor, "example channel height width"]]
) -> Float[Tensor, "example feature"]:
    """Flattened features of batch after batch, without gradient.

    Args:
        network: Asked in evaluation mode and left as it was, on its own device.
        batches: Normalised images; at least one batch.
    """
    modes = [(module, module.training) for module in network.modules()]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        network.eval()
        return torch.cat([features(network, part.to(device)).flatten(1) for part in batches])
    finally:
        for module, training in modes:
            module.training = training
