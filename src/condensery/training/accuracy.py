"""The share of images that a network classifies correctly."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from condensery.data import ImageData
from condensery.devices import accelerated
from condensery.engines import FusedLoss, can_train
from condensery.engines.toolchain import Fallback
from condensery.parallel import check_cancelled, single_threaded
from condensery.placed import on
from condensery.training.precision import autocast, check_precision


def accuracy(
    network: nn.Module,
    data: ImageData,
    *,
    batch: int | None = None,
    precision: str = "fp32",
    compiled: bool = False,
) -> float:
    """The fraction of ``data`` that ``network`` classifies correctly, in [0, 1].

    The network runs in evaluation mode without gradient, and its mode is restored afterwards.

    Args:
        network: Takes images normalised with the mean and standard deviation of ``data``.
        data: All images of it are used, in their order.
        batch: Images per forward pass; affects only memory and speed. None is 64 on a CPU, which is
            up to 1.3 times faster than 256: its buffers stay in the cache, and are so small that
            the C library does not map (and zero) new pages for each of them. On another device it
            is 1024 images of 32x32 pixels, and fewer large ones.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Use compiled code for networks that the fused engine can train; other networks
            are called uncompiled. If compiling fails, a warning says why, and the network is
            called uncompiled.

    Raises:
        ConfigError: If ``precision`` is unknown.
    """
    device = _device(network)
    batch = batch or _batch(data, device)
    parts = (slice(start, start + batch) for start in range(0, len(data), batch))
    batches = (
        (data.normalise(data.pixels(part).to(device)), on(device, data.labels[part]))
        for part in parts
    )
    return share_right(network, batches, precision=precision, compiled=compiled)


def share_right(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    precision: str = "fp32",
    compiled: bool = False,
) -> float:
    """The fraction of normalised images that ``network`` classifies correctly, in [0, 1].

    Args:
        network: As in ``accuracy``.
        batches: Images ``[example, channel, height, width]`` on the device of the network, and
            their class indices ``[example]`` or label probabilities ``[example, class_]``, of which
            the largest counts; at least one batch.
        precision: As in ``accuracy``.
        compiled: As in ``accuracy``.

    Raises:
        ConfigError: If ``precision`` is unknown.
    """
    check_precision(precision)
    training, device, seen = network.training, _device(network), 0
    right: Tensor | int = 0  # counted on the device, which is waited for once

    def eager(images: Tensor) -> Tensor:
        with autocast(precision, device):
            return network(images)

    logits = eager
    if compiled and can_train(network):
        fused = FusedLoss(network, precision=precision, compile=True)
        logits = Fallback(fused.logits, eager, what="Testing of networks")
    try:
        network.eval()
        with torch.no_grad(), single_threaded(logits is not eager):
            for images, labels in batches:
                check_cancelled()
                expected = labels.argmax(dim=1) if labels.is_floating_point() else labels
                right = right + (logits(images).argmax(dim=1) == expected).sum()
                seen += len(images)
    finally:
        network.train(training)
    return int(right) / seen


def _batch(data: ImageData, device: torch.device) -> int:
    if not accelerated(device):
        return 64
    height, width = data.side
    return min(1024, max(64, 2**20 // (height * width)))


def _device(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
