"""Training on labelled images: real ones between image updates, condensed ones in evaluation.

``SGDTraining`` has the choices, and a ``Trainer`` the network and its optimiser. ``batches`` and
``real_batches`` give the order of the images, ``accuracy`` tests a network, and ``gradients``
computes the gradient of a step, by autograd or by the fused engine.
"""

from condensery.training.accuracy import accuracy, share_right
from condensery.training.base import Training
from condensery.training.batches import Batch, batches, real_batches
from condensery.training.choices import AdamWTraining, SGDTraining
from condensery.training.decay import MILESTONES, Decay, check_decay, decayed
from condensery.training.precision import (
    COMPILE_AFTER,
    FUSED_AFTER,
    LOSSES,
    PRECISIONS,
    check_loss,
    check_precision,
    suited_precision,
)
from condensery.training.timing import Clock, StepTime, time_steps, training_steps
from condensery.training.trainer import Trainer

__all__ = [
    "COMPILE_AFTER",
    "FUSED_AFTER",
    "LOSSES",
    "MILESTONES",
    "PRECISIONS",
    "AdamWTraining",
    "Batch",
    "Clock",
    "Decay",
    "SGDTraining",
    "StepTime",
    "Trainer",
    "Training",
    "accuracy",
    "batches",
    "check_decay",
    "check_loss",
    "check_precision",
    "decayed",
    "real_batches",
    "share_right",
    "suited_precision",
    "time_steps",
    "training_steps",
]
