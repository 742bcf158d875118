"""The training of a network on the data of a selection, step by step; and its features.

Features are stored in the cache, so that rules, sizes and processes compute them only once. Knows
nothing about rules.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from condensery import cache
from condensery.checkpoint import read_safetensors, write_atomically
from condensery.data import ImageData
from condensery.engines import Fused, FusedLoss, can_train, pays_to_compile
from condensery.engines.toolchain import Fallback
from condensery.files import locked_in_turn
from condensery.networks import batched_features, build
from condensery.parallel import check_cancelled, single_threaded
from condensery.parts import part_to_json
from condensery.rng import stream
from condensery.selection.order import RuleOptions
from condensery.training import SGDTraining, Trainer, batches

_log = logging.getLogger(__name__)

TRAINING = SGDTraining()
"""IDC's network update: batch 64, learning rate 0.01, colour and crop per image, CutMix on half."""

_FORMAT = 1
_FORWARD = 256
"""Images per forward pass for features."""

_SHARE = 0.25
"""Largest share of the limit of the cache for the features of one network; others are not stored.
"""


class TrainingStep(NamedTuple):
    """The batch of a step, before the step is taken: normalised images, and classes as labels."""

    positions: Int[Tensor, "example"]
    images: Float[Tensor, "example channel height width"]
    labels: Int[Tensor, "example"]


def drawn(data: ImageData, options: RuleOptions) -> nn.Module:
    """The untrained network.

    Raises:
        ConfigError: If the network is unknown, or cannot work on such images.
    """
    return build(
        options.network,
        channels=data.channels,
        classes=data.classes,
        side=data.side,
        seed=options.seed,
        path=("selection", "network"),
    ).to(options.device)


def training_steps(
    network: nn.Module, data: ImageData, options: RuleOptions
) -> Iterator[TrainingStep]:
    """Train in place and yield every step before it is taken; one permutation for each epoch."""
    trainer = Trainer(network, TRAINING, compiled=_compiles(network, data, options))
    order = batches(len(data), TRAINING.batch, rng=stream(options.seed, "selection", "order"))
    rng = stream(options.seed, "selection", "view")
    for index in islice(order, options.steps):
        check_cancelled()
        images = data.normalise(data.pixels(index)).to(options.device)
        labels = data.labels[index].to(options.device)
        yield TrainingStep(index, images, labels)
        trainer.step(images, labels, rng=rng)
        options.on_step()


def logits_of(
    network: nn.Module, data: ImageData, options: RuleOptions
) -> Callable[[Tensor], Tensor]:
    """A function for the logits of images; compiled if that saves time."""

    def eager(images: Tensor) -> Tensor:
        network.eval()
        try:
            return network(images)
        finally:
            network.train()

    if not _compiles(network, data, options):
        return torch.no_grad()(eager)
    fused = FusedLoss(network, precision="fp32", compile=True)
    fast = Fallback(fused.logits, eager, what="Selection")

    def logits(images: Tensor) -> Tensor:
        with torch.no_grad(), single_threaded(True):
            return fast(images)

    return logits


class ClassFeatures:
    """Flattened features of the images of a class, in the order of the data set, on the CPU.

    Images are not augmented, and the network is in evaluation mode. It is trained when features
    are needed for the first time. The features of one class are in memory, with 4 bytes a number
    (6000 images, ConvNet-3 of width 64, 28x28 pixels: 14 MB).

    Args:
        data: The training images.
        options: The network, its training, the seed and the device.
    """

    def __init__(self, data: ImageData, options: RuleOptions) -> None:
        self._data, self._options = data, options
        self._network: nn.Module | None = None
        self._folder = _entry(data, options)
        cache.hold(self._folder, self)

    def __call__(self, class_: int) -> Float[Tensor, "image feature"]:
        """Features ``[image, feature]`` of the images of a class."""
        path = self._folder / f"class-{class_:04}.safetensors"
        with locked_in_turn(self._folder / ".lock-made", _log.info, check=check_cancelled):
            if not path.exists():
                seen = self._compute(class_)
                if seen.nbytes / max(1, len(seen)) * len(self._data) > _SHARE * cache.limit():
                    return seen
                write_atomically(path, safetensors.torch.save({"features": seen}))
                cache.make_room()
        return read_safetensors(path)[0]["features"]

    def _compute(self, class_: int) -> Tensor:
        data, network = self._data, self.network

        def parts() -> Iterator[Tensor]:
            for own in data.of_class(class_).split(_FORWARD):
                yield data.normalise(data.pixels(own).to(self._options.device))

        def slow() -> Tensor:
            return batched_features(network, parts()).cpu()

        if not _compiles(network, data, self._options):
            return slow()
        fused = Fused(precision="fp32", compile=True)

        def fast() -> Tensor:
            return torch.cat([fused.features(network, part).flatten(1) for part in parts()])

        with torch.no_grad(), single_threaded(True):
            return Fallback(fast, slow, what="Selection")()

    @property
    def network(self) -> nn.Module:
        """The trained network, which is stored for other rules and processes."""
        if self._network is None:
            network, path = drawn(self._data, self._options), self._folder / "network.safetensors"
            if path.exists():
                network.load_state_dict(read_safetensors(path)[0])
            else:
                for _ in training_steps(network, self._data, self._options):
                    pass
                state = {name: t.cpu().contiguous() for name, t in network.state_dict().items()}
                write_atomically(path, safetensors.torch.save(state))
            self._network = network
        return self._network


def _entry(data: ImageData, options: RuleOptions) -> Path:
    """The folder of the cache for the features of one network."""
    facts = {
        "format": _FORMAT,
        "data": data.fingerprint,
        "mean": data.mean,
        "std": data.std,
        "whitening": None if data.whitening is None else data.whitening.to_json(),
        "network": options.network,
        "drawn": _digest(drawn(data, options)),
        "training": part_to_json("training", TRAINING),
        "steps": options.steps,
        "seed": options.seed,
        "device": options.device,
    }
    return cache.entry("features", f"{data.name}-{options.network}", json.loads(json.dumps(facts)))


def _digest(network: nn.Module) -> str:
    """A hash of layers and parameters, which differs for another network with the same name."""
    content = hashlib.blake2b(str(network).encode(), digest_size=8)
    for parameter in network.parameters():
        content.update(parameter.detach().cpu().contiguous().numpy().data)
    return content.hexdigest()


def _compiles(network: nn.Module, data: ImageData, options: RuleOptions) -> bool:
    """Whether compiling saves time in the training and the features together."""
    passes = options.steps + len(data) // _FORWARD
    return can_train(network) and pays_to_compile(network, side=data.side, updates=passes)
