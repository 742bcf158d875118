"""Networks that classify images: ours by name, or a user's; and what can be asked of them."""

from __future__ import annotations

from condensery.networks.batched_features import batched_features
from condensery.networks.build import Factory, build, known_networks
from condensery.networks.inspection import (
    earlier_blocks,
    features,
    features_and_logits,
    mixes_examples,
    side_by_side,
)
from condensery.networks.nothing import IdentityNetwork

__all__ = [
    "Factory",
    "IdentityNetwork",
    "batched_features",
    "build",
    "earlier_blocks",
    "features",
    "features_and_logits",
    "known_networks",
    "mixes_examples",
    "side_by_side",
]
