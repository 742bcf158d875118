"""Loss, logits and gradients of a network without autograd, for training and testing on a CPU.

Every worker computes a chunk of the batch. The reference is autograd through the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.engines.fused.batches import default_batch_size, split
from condensery.engines.fused.layers import CellSlice
from condensery.engines.fused.linear import flatten
from condensery.engines.fused.network_plan import network_plan
from condensery.engines.fused.plan import Conv, Linear, plan, supports
from condensery.engines.fused.sweep import SweepResult, Weights, forward, forward_backward
from condensery.parallel import map_threads


def can_train(network: nn.Module) -> bool:
    """Whether ``FusedLoss`` is the fastest way to train a network.

    It is for networks on a CPU that ``plan`` supports and whose layers have one width. Every width
    is compiled: the four of ResNetAP-10 take 125 s, and a step of 64 images of 32x32 then takes
    0.51 s on one thread; its compiled loss takes 43 s and 0.48 s, and 0.91 s uncompiled.
    """
    if any(p.device.type != "cpu" for p in network.parameters()):
        return False
    if not supports(network):
        return False
    layers = [node for node in plan(network)[:-1] if isinstance(node, Conv | Linear)]
    return len({len(network.get_parameter(layer.weight)) for layer in layers}) < 2


class FusedLoss:
    """Logits, cross-entropy and gradients of one network, whose parameters every call reads anew.

    Args:
        network: One for which ``can_train`` is true.
        precision: ``"bf16"`` stores maps and kernels in bfloat16, with statistics, softmax and
            results in float32; ``"fp32"`` computes in the dtype of the images.
        compile: Whether to compile blocks. Uncompiled, this is slower than autograd.
    """

    def __init__(self, network: nn.Module, *, precision: str, compile: bool) -> None:
        self._network, self._precision, self._compile = network, precision, compile
        self._shapes = {name: p.shape for name, p in network.named_parameters()}

    @torch.no_grad()
    def logits(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """The logits of the images, at least float32."""
        weights = self._weights(images)

        def chunk(part: Tensor) -> Tensor:
            (last,), _ = forward(weights, part)
            return flatten(last, weights.wide)

        return torch.cat(list(map_threads(chunk, images.split(self._lengths(images)))))

    @torch.no_grad()
    def gradients(
        self,
        images: Float[Tensor, "example channel height width"],
        targets: Float[Tensor, "example class_"],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy and its gradient, ``{parameter: gradient}``.

        Args:
            images: As the network sees them.
            targets: Not negative; a row need not sum to 1.
        """
        weights = self._weights(images)
        targets = targets.to(weights.wide) / len(images)

        def chunk(part: Tensor, own: Tensor) -> SweepResult:
            whole = [CellSlice(cell=0, start=0, stop=len(part))]
            return forward_backward(weights, part, own, whole, names=self._shapes, save=False)

        lengths = self._lengths(images)
        (loss, (found,), _), *others = map_threads(
            chunk, images.split(lengths), targets.split(lengths)
        )
        for more, (own,), _ in others:
            loss = loss + more
            for name, gradient in own.items():
                found[name] += gradient
        for name, shape in self._shapes.items():
            if name not in found:  # a bias that the norm after it removes
                found[name] = targets.new_zeros(shape)
        return loss, found

    def _weights(self, images: Tensor) -> Weights:
        nodes = network_plan(self._network, images).logits
        precision, compile_ = self._precision, self._compile
        return Weights.of(self._network, nodes, like=images, precision=precision, compile=compile_)

    def _lengths(self, images: Tensor) -> Sequence[int]:
        """Images of each chunk."""
        batch = default_batch_size(self._precision, images)
        return [piece.stop for (piece,) in split([len(images)], batch, like=images)]
