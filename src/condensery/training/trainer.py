"""The training of a network, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.augment import cutmix
from condensery.engines import network_plan
from condensery.parallel import single_threaded
from condensery.training.base import Training
from condensery.training.gradients import MixedBatch, gradients_of
from condensery.training.precision import Compiling


class Trainer:
    """A network and its optimiser; each ``step`` changes both.

    The network is set to train mode. With ``precision="fp32"`` and ``compiled=False`` (the
    reference), a step on a CPU has the same bits for the same seed and number of threads.

    Args:
        network: Trained in place.
        choices: Learning rate, momentum, augmentation and so on.
        precision: ``"fp32"``, or ``"bf16"`` for bfloat16 multiplications with fp32 weights,
            statistics and loss.
        compiled: Whether gradients are computed by compiled code (see ``gradients``). If compiling
            fails, such as without a C++ compiler, a warning says why, and training continues
            uncompiled. It saves time from ``FUSED_AFTER`` steps of a network that the fused engine
            can train, and from ``COMPILE_AFTER`` steps of another network. ``"graphs"``: with CUDA
            graphs, which no GPU has tried yet.
        loss: A name of ``LOSSES``.
        teacher: Computes the labels of every batch, class probabilities ``[example, class_]``, from
            its augmented images; None: the labels of the images are used.
        watch: Called before every step with its augmented images.

    Raises:
        ConfigError: If ``precision`` or ``loss`` is unknown.
    """

    def __init__(
        self,
        network: nn.Module,
        choices: Training,
        *,
        precision: str = "fp32",
        compiled: Compiling = False,
        loss: str = "cross-entropy",
        teacher: Callable[[Tensor], Tensor] | None = None,
        watch: Callable[[Tensor], None] | None = None,
    ) -> None:
        self.network = network.train()
        self.choices = choices
        self._gradients = gradients_of(
            self.network, precision=precision, compiled=compiled, batch=choices.batch, loss=loss
        )
        self._lr = choices.lr
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._state = choices.init(self._parameters)
        self._teacher, self._watch = teacher, watch

    def set_lr(self, lr: float) -> None:
        """Use the learning rate ``lr`` from the next step on; the momentum does not change."""
        self._lr = lr

    def can_overlap(self, images: Float[Tensor, "example channel height width"]) -> bool:
        """Whether steps can run in the background (``parallel.overlap``), as they call no module.

        Args:
            images: At least one image for ``step``. The network is traced if it is new.
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
        """Augment, mix, and take one step on the mean loss.

        Args:
            images: Normalised, on the network's device.
            labels: Class index ``[example]``, or class probabilities ``[example, class_]``.
            rng: For the augmentation and CutMix of this batch.

        Returns:
            The loss before the step, without a graph (a tensor, so that no device has to wait).

        Source:
            Kim et al. 2022, *Dataset Condensation via Efficient Synthetic-Data
            Parameterization* (IDC), network update: augmentation per image, then CutMix.
            Differs: none; as released, the loss weights are the true share of the box.
        """
        with single_threaded(self._gradients.fused()):
            with torch.no_grad():
                images = self.choices.augment.draw(rng=rng)(images)
                mixed = cutmix(images, labels, probability=self.choices.cutmix, rng=rng)
            ratio = images.new_full((), mixed.ratio)
            mix = MixedBatch(mixed.images, mixed.labels, mixed.partner_labels, ratio)
            if self._watch is not None:
                self._watch(mix.images)
            if self._teacher is not None:  # it sees the batch as the network does
                labels_of_teacher = self._teacher(mix.images)
                mix = MixedBatch(
                    mix.images, labels_of_teacher, labels_of_teacher, torch.ones_like(ratio)
                )
            loss, gradients = self._gradients.of(mix)
            self._update(gradients)
        return loss

    @torch.no_grad()
    def _update(self, gradients: Sequence[Tensor | None]) -> None:
        """A step of the optimiser; parameters that the loss does not depend on do not change."""
        used = [at for at, gradient in enumerate(gradients) if gradient is not None]
        if used:
            self.choices.update(
                [self._parameters[at] for at in used],
                [gradient for gradient in gradients if gradient is not None],
                [[quantity[at] for at in used] for quantity in self._state],
                lr=self._lr,
            )
