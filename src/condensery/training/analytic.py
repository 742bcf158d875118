"""Loss, logits and weight gradients without autograd: the fast twin of training, on a CPU.

Every thread takes a part of a batch. The slow twin is autograd through the network. Knows nothing
about optimisers or augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.analytic.known import known
from condensery.analytic.maps import rows
from condensery.analytic.plan import Conv, Linear, knows, plan
from condensery.analytic.shares import shares, usual_batch
from condensery.analytic.steps import Piece
from condensery.analytic.sweep import Swept, Weights, rise, sweep
from condensery.parallel import map_threads

__all__ = ["Analytic", "is_analytic"]


def is_analytic(network: nn.Module) -> bool:
    """Whether ``network`` is worth it: of the layers of ``plan`` alone, of one width, on a CPU.

    Every width is compiled anew: the four of ResNetAP-10 take 125 s, and then a step of 64 images
    of 32x32 takes 0.51 s on one thread; its compiled loss takes 43 and 0.48, eagerly it is 0.91.
    """
    if any(p.device.type != "cpu" for p in network.parameters()):
        return False
    if not knows(network):
        return False
    layers = [node for node in plan(network)[:-1] if isinstance(node, Conv | Linear)]
    return len({len(network.get_parameter(layer.weight)) for layer in layers}) < 2


class Analytic:
    """One network; its parameters are read anew in every call.

    Args:
        network: One that ``is_analytic`` accepts.
        precision: ``"bf16"`` keeps maps and kernels in bfloat16, with statistics, softmax and
            results in float32; ``"fp32"`` computes in the dtype of the images.
        compiled: Whether to compile what is not a matrix product; eagerly this is slow.
    """

    def __init__(self, network: nn.Module, *, precision: str, compiled: bool) -> None:
        self._network, self._precision, self._compiled = network, precision, compiled
        self._shapes = {name: p.shape for name, p in network.named_parameters()}

    @torch.no_grad()
    def logits(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """What the network says; at least float32."""
        weights = self._weights(images)

        def one(part: Tensor) -> Tensor:
            return rows(rise(weights, part, still=True)[0], weights.wide)

        return torch.cat(list(map_threads(one, images.split(self._counts(images)))))

    @torch.no_grad()
    def gradients(
        self,
        images: Float[Tensor, "example channel height width"],
        targets: Float[Tensor, "example class_"],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy and its gradient, ``{parameter: gradient}``.

        Args:
            images: As the network sees them.
            targets: Non-negative; a row need not sum to 1.
        """
        weights = self._weights(images)
        targets = targets.to(weights.wide) / len(images)

        def one(part: Tensor, own: Tensor) -> Swept:
            whole = [Piece(cell=0, start=0, stop=len(part))]
            return sweep(weights, part, own, whole, names=self._shapes, keep=False)

        counts = self._counts(images)
        (loss, (found,), _), *others = map_threads(one, images.split(counts), targets.split(counts))
        for more, (own,), _ in others:
            loss = loss + more
            for name, gradient in own.items():
                found[name] += gradient
        for name, shape in self._shapes.items():
            if name not in found:  # a bias that the norm after it removes
                found[name] = targets.new_zeros(shape)
        return loss, found

    def _weights(self, images: Tensor) -> Weights:
        nodes = known(self._network, images).logits
        precision, compiled = self._precision, self._compiled
        return Weights.of(self._network, nodes, like=images, precision=precision, compile=compiled)

    def _counts(self, images: Tensor) -> Sequence[int]:
        """Images of each sweep."""
        batch = usual_batch(self._precision, images)
        return [piece.stop for (piece,) in shares([len(images)], batch, like=images)]
