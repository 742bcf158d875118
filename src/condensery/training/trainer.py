"""A network in training: one SGD step after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.augment import cutmix
from condensery.engines import network_plan
from condensery.parallel import single_threaded
from condensery.training.choices import SGDTraining
from condensery.training.gradients import Mix, gradients_of

__all__ = ["Trainer"]


class Trainer:
    """A network and its SGD optimiser; each ``step`` changes both.

    The network is put in train mode. With ``precision="fp32"`` and ``compiled=False`` (the
    reference) a step is bit for bit the same whenever seed and number of threads are.

    Args:
        network: Trained in place.
        choices: Step size, momentum, augmentation and so on.
        precision: ``"fp32"``, or ``"bf16"`` for bfloat16 multiplications with fp32 weights,
            statistics and loss.
        compiled: Differentiate by compiled code (see ``gradients``). Where compiling fails, such
            as without a C++ compiler, a warning says why, and training goes on uncompiled. It
            saves time from ``FUSED_AFTER`` steps of a network that the fused engine can train,
            and from ``COMPILE_AFTER`` steps of another network.

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
        self._gradients = gradients_of(
            self.network, precision=precision, compiled=compiled, batch=choices.batch
        )
        self._lr = choices.lr
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._velocity = [torch.zeros_like(p) for p in self._parameters]

    def set_lr(self, lr: float) -> None:
        """Use the step size ``lr`` from the next step on; momentum is kept."""
        self._lr = lr

    def can_overlap(self, images: Float[Tensor, "example channel height width"]) -> bool:
        """Whether ``parallel.overlap`` may take steps in the background: they call no module.

        Args:
            images: At least one, as ``step`` takes them. The network is traced if it is new.
        """
        if self._gradients.fused():
            network_plan(self.network, images)
        return self._gradients.fused()

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
        with single_threaded(self._gradients.fused()):
            with torch.no_grad():
                images = self.choices.augment.draw(rng=rng)(images)
                mixed = cutmix(images, labels, probability=self.choices.cutmix, rng=rng)
            ratio = torch.tensor(mixed.ratio, dtype=images.dtype, device=images.device)
            loss, gradients = self._gradients.of(
                Mix(mixed.images, mixed.labels, mixed.partner_labels, ratio)
            )
            self._update(gradients)
        return loss

    @torch.no_grad()
    def _update(self, gradients: Sequence[Tensor | None]) -> None:
        """SGD; bit for bit ``torch.optim.SGD``, whose import alone takes seconds."""
        moved = [  # a parameter that the loss does not depend on stays as it is
            (p, v, g)
            for p, v, g in zip(self._parameters, self._velocity, gradients, strict=True)
            if g is not None
        ]
        if not moved:
            return
        parameters, velocity, slope = (list(part) for part in zip(*moved, strict=True))
        # One call for all parameters; the same sums as a loop over them.
        slope = torch._foreach_add(slope, parameters, alpha=self.choices.weight_decay)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(velocity, self.choices.momentum)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(velocity, slope)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(parameters, velocity, alpha=-self._lr)  # pyright: ignore[reportPrivateImportUsage]
