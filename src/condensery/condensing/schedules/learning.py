"""Training steps of a network on the synthetic set.

For schedules whose networks learn from the set. Knows nothing about their number and their times.
"""

from __future__ import annotations

from itertools import islice

from condensery.condensing.schedules.base import RunContext
from condensery.placed import sent
from condensery.rng import stream
from condensery.training import Trainer, batches
from condensery.types import Examples


def learn(
    trainer: Trainer, examples: Examples, run: RunContext, *, steps: int, at: tuple[int, int]
) -> None:
    """Train for ``steps`` batches of ``examples``, with the random draws of context ``at``."""
    images = run.data.normalise(examples.images.detach())
    labels = examples.labels.detach()
    order = batches(len(examples), trainer.choices.batch, rng=stream(run.seed, "order", *at))
    rng = stream(run.seed, "train", *at)
    trainer.network.train()
    for index in islice(order, steps):
        own = sent(images.device, index)
        trainer.step(images[own], labels[own], rng=rng)
