"""How experts are trained: everything that decides a trajectory except the images; and one epoch.

An epoch depends only on the parameters before it and on its number, so that a trajectory can
continue from any snapshot with the same bits. Knows nothing about files.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from condensery import networks
from condensery.augment import PerExample
from condensery.data import ImageData
from condensery.devices import accelerated, computing
from condensery.engines import can_train
from condensery.errors import ConfigError, NonFiniteLoss
from condensery.parallel import check_cancelled
from condensery.parts import part_to_json
from condensery.rng import stream
from condensery.training import (
    Decay,
    SGDTraining,
    Trainer,
    Training,
    check_decay,
    decayed,
    real_batches,
)

Parameters: TypeAlias = dict[str, Tensor]
"""The parameters of a network by name."""

EXPERT_TRAINING = SGDTraining(
    batch=256,
    lr=0.01,
    momentum=0.0,
    weight_decay=0.0,
    augment=PerExample(strategy="color_crop_cutout_flip_scale_rotate", mode="dsa"),
    cutmix=0.0,
)
"""The training of MTT: plain SGD, which a student with plain gradient steps can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertTraining:
    """How experts are trained.

    Attributes:
        network: Name of the architecture.
        training: The training on real images. Momentum starts from zero in every epoch.
        steps: Network steps in an epoch; 0 is one pass over the data.
        seed: The seed of the experts; independent of the seed of a run.
        precision: ``"fp32"``, ``"tf32"`` or ``"bf16"``.
        compiled: Whether training is compiled; see ``Trainer``.
        epochs: Epochs of the trajectory if it is ``whole``: if its length decides its parameters or
            which of them are stored. Otherwise 0.
        decay: How the learning rate falls over all steps of a trajectory; see ``decayed``.
        keep: ``"all"`` stores the parameters after every epoch; ``"ends"`` only those of the
            untrained and of the trained network, which suffice for points on the line between them.

    Source:
        Cazenavette et al. 2022 (MTT), expert trajectories, as the released code trains them.
        Differs: none with the defaults; ``steps`` allows fewer steps between snapshots.
        Zhang et al. 2024 (DANCE), pretraining, with ``decay="milestones"`` and ``keep="ends"``.
        Differs: momentum starts from zero in every epoch.
    """

    network: str
    training: Training = field(default_factory=lambda: EXPERT_TRAINING)
    steps: int = 0
    seed: int = 0
    precision: str = "fp32"
    compiled: bool = False
    epochs: int = 0
    decay: Decay = "constant"
    keep: Literal["all", "ends"] = "all"

    def __post_init__(self) -> None:
        for name in ("steps", "seed", "epochs"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} = {getattr(self, name)} of the experts' training: give 0 or more."
                )
        check_decay("decay", self.decay)
        if self.keep not in ("all", "ends"):
            raise ConfigError(f"keep = {self.keep!r} is unknown; known are all, ends.")
        if self.epochs and not self.whole:
            raise ConfigError(
                f"epochs = {self.epochs}, but the length belongs to experts only where their "
                "learning rate decays or their ends alone are kept."
            )

    @property
    def whole(self) -> bool:
        """Whether trajectories depend on their length."""
        return self.decay != "constant" or self.keep == "ends"

    def check_length(self, epochs: int) -> None:
        """Refuse trajectories that are longer than these choices say.

        Raises:
            ConfigError: Names both lengths.
        """
        if self.whole and epochs > self.epochs:
            raise ConfigError(
                f"These experts end after {self.epochs} epochs, for which their learning rate and "
                f"what is kept of them are made, but {epochs} are asked for. Use "
                f"schedule.epochs = {epochs}."
            )

    def facts(self, data: ImageData) -> dict[str, Any]:
        """Everything that decides the trajectories on ``data``, as JSON values."""
        facts = {
            "network": self.network,
            "data": {"name": data.name, "fingerprint": data.fingerprint},
            "mean": data.mean,
            "std": data.std,
            "whitening": None if data.whitening is None else data.whitening.to_json(),
            "training": part_to_json("training", self.training),
            "steps": self.steps,
            "seed": self.seed,
            "precision": self.precision,
            "compiled": self.compiled,
            "epochs": self.epochs,
            "decay": self.decay,
            "keep": self.keep,
        }
        return json.loads(json.dumps(facts))

    def swept(self, data: ImageData, *, device: str = "cpu") -> bool:
        """Whether several experts can be trained at the same time, as steps call no module."""
        return self.compiled and not accelerated(device) and can_train(self._network(data, 0))

    def first(self, data: ImageData, index: int) -> Parameters:
        """The untrained expert ``index``."""
        return _parameters(self._network(data, index))

    def after(
        self,
        data: ImageData,
        before: Parameters,
        *,
        index: int,
        epoch: int,
        device: str = "cpu",
    ) -> tuple[Parameters, float]:
        """Train one more epoch.

        Args:
            data: Real images.
            before: Parameters after ``epoch - 1`` epochs; they are not changed.
            index: Index of the expert.
            epoch: Number of the epoch, from 1.
            device: The device of the training.

        Returns:
            Parameters on the CPU, and the mean loss over the batches of the epoch.

        Raises:
            NonFiniteLoss: If the training diverges.
            ConfigError: If the trajectory does not have this epoch.
        """
        self.check_length(epoch)
        with computing(device, self.precision):
            return self._after(data, before, index=index, epoch=epoch, device=device)

    def _after(
        self, data: ImageData, before: Parameters, *, index: int, epoch: int, device: str
    ) -> tuple[Parameters, float]:
        network = loaded(self._network(data, index), before).to(device)
        trainer = Trainer(network, self.training, precision=self.precision, compiled=self.compiled)
        steps = self.steps or -(-len(data) // self.training.batch)
        rng = stream(self.seed, "expert", index, "epoch", epoch)
        total = torch.zeros((), device=device)
        batches = real_batches(data, self.training, steps=steps, rng=rng)
        for step, batch in enumerate(batches, start=(epoch - 1) * steps):
            check_cancelled()
            share = decayed(self.decay, step, total=max(1, self.epochs) * steps)
            trainer.set_lr(self.training.lr * share)
            total += trainer.step(batch.images.to(device), batch.labels.to(device), rng=rng)
        loss = float(total) / steps
        if not math.isfinite(loss):
            raise NonFiniteLoss(
                f"The loss of expert {index} is {loss} in epoch {epoch}: its learning rate "
                f"{self.training.lr} is too large. Use a smaller schedule.training.lr."
            )
        return _parameters(network), loss

    def _network(self, data: ImageData, index: int) -> nn.Module:
        return networks.build(
            self.network,
            channels=data.channels,
            classes=data.classes,
            side=data.side,
            seed=self.seed,
            path=("expert", index),
        )


@torch.no_grad()
def loaded(network: nn.Module, parameters: Parameters) -> nn.Module:
    """The network with the given parameters."""
    for name, own in network.named_parameters():
        own.copy_(parameters[name])
    return network


def _parameters(network: nn.Module) -> Parameters:
    return {
        name: p.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, p in network.named_parameters()
    }
