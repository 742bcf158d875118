"""The fused engine: gradients of a network written out, without a graph of autograd.

A network of known layers (``plan``) is run forward, backward and along a direction of its
parameters by layers (``layers``) whose parts between two linear layers are a few compiled loops
(``blocks``, ``compile``). ``sweep`` runs them over one chunk of a batch, ``batches`` cuts a batch
into chunks. ``engine`` gives gradients per group and their gradient with respect to the images,
for matching; ``loss`` gives loss, logits and gradients, for training and testing.

The reference that all of it is tested against is autograd.
"""

from condensery.engines.fused.engine import Fused
from condensery.engines.fused.loss import FusedLoss, can_train
from condensery.engines.fused.network_plan import network_plan
from condensery.engines.fused.plan import supports

__all__ = ["Fused", "FusedLoss", "can_train", "network_plan", "supports"]
