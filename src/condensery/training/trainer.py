"""A network in training: one SGD step after the other.

Knows nothing about epochs, schedules or where the images come from.
"""

from __future__ import annotations

import logging

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.augment import cutmix
from condensery.training.choices import SGDTraining
from condensery.training.precision import Loss, loss_function

__all__ = ["Trainer"]

_log = logging.getLogger(__name__)

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # images, labels, labels of the partners, ratio
Gradients = tuple[Tensor | None, ...]


class Trainer:
    """A network and its SGD optimiser; each ``step`` changes both.

    The network is put in train mode. With ``precision="fp32"`` and ``compiled=False`` (the
    reference) a step is bit for bit the same whenever seed and number of threads are.

    Args:
        network: Trained in place.
        choices: Step size, momentum, augmentation and so on.
        precision: ``"fp32"``, or ``"bf16"`` for bfloat16 multiplications with fp32 weights,
            statistics and loss.
        compiled: Run full batches through ``torch.compile`` (smaller ones, and machines
            without a C++ compiler, use the eager twin). Compiling takes up to a minute per
            process and architecture; pays off from ``COMPILE_AFTER`` steps on.

    Raises:
        ConfigError: If ``precision`` is unknown.
    """

    def __init__(
        self,
        network: nn.Module,
        choices: SGDTraining,
        *,
        precision: str = "fp32",
        compiled: bool = False,
    ) -> None:
        self.network = network.train()
        self.choices = choices
        self._eager = loss_function(precision, compiled=False)
        self._compiled = loss_function(precision, compiled=True) if compiled else None
        self._lr = choices.lr
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._velocity = [torch.zeros_like(p) for p in self._parameters]

    def set_lr(self, lr: float) -> None:
        """Use the step size ``lr`` from the next step on; momentum is kept."""
        self._lr = lr

    def step(
        self,
        images: Float[Tensor, "example channel height width"],
        labels: Tensor,
        *,
        rng: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Augment, mix, and take one SGD step on the mean cross-entropy.

        Args:
            images: Normalised, on the network's device.
            labels: Class index ``[example]``, or class probabilities ``[example, class_]``.
            rng: For the augmentation and CutMix of this batch.

        Returns:
            The loss before the step, without a graph (not read back, so no device waits).

        Source:
            Kim et al. 2022, *Dataset Condensation via Efficient Synthetic-Data
            Parameterization* (IDC), network update: augmentation per image, then CutMix.
            Differs: nothing; the loss weights are the true share of the box, as released.
        """
        with torch.no_grad():
            images = self.choices.augment.draw(rng=rng)(images)
            mixed = cutmix(images, labels, probability=self.choices.cutmix, rng=rng)
        ratio = torch.tensor(mixed.ratio, dtype=images.dtype, device=images.device)
        batch = (mixed.images, mixed.labels, mixed.partner_labels, ratio)
        loss, gradients = self._differentiate(batch)
        self._update(gradients)
        return loss

    def _differentiate(self, batch: Batch) -> tuple[Tensor, Gradients]:
        """The loss and its gradients, compiled where that is possible."""
        if self._compiled is not None and len(batch[0]) == self.choices.batch:
            try:
                return self._gradients(self._compiled, batch)
            except Exception as error:  # no compiler, or a network it cannot trace
                # A mistake in the network or the batch shows again, clearer, in the eager twin.
                found = self._gradients(self._eager, batch)
                self._compiled = None
                _log.warning("torch.compile failed, training goes on without it: %s", error)
                return found
        return self._gradients(self._eager, batch)

    def _gradients(self, loss_of: Loss, batch: Batch) -> tuple[Tensor, Gradients]:
        loss = loss_of(self.network, *batch)
        return loss.detach(), torch.autograd.grad(loss, self._parameters, allow_unused=True)

    @torch.no_grad()
    def _update(self, gradients: Gradients) -> None:
        """SGD; bit for bit ``torch.optim.SGD``, whose import alone takes seconds."""
        choices = self.choices
        for parameter, velocity, gradient in zip(
            self._parameters, self._velocity, gradients, strict=True
        ):
            if gradient is None:  # a parameter that the loss does not depend on stays as it is
                continue
            gradient = gradient.add(parameter, alpha=choices.weight_decay)
            velocity.mul_(choices.momentum).add_(gradient)
            parameter.add_(velocity, alpha=-self._lr)
