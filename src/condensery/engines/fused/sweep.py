"""A whole network over one chunk of a batch: forward, backward, and the derivative of that.

``forward_backward`` gives the gradient of the cross-entropy with respect to the parameters, for
each *piece* of the chunk (a run of examples of one cell). ``image_gradient`` is the R-operator: the
derivative of that gradient along a direction of the parameters, with respect to the images; the
direction may differ from piece to piece. No graph of autograd is built.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.devices import keep_freed_memory
from condensery.engines.fused import plan
from condensery.engines.fused.blocks import EAGER, Blocks
from condensery.engines.fused.compile import compiled_blocks
from condensery.engines.fused.layers import (
    CellSlice,
    Direction,
    GateLayer,
    Layer,
    LinearLayer,
    MeanLayer,
    NormLayer,
    Parts,
    SumLayer,
    total,
)
from condensery.engines.fused.linear import ConvMap, MatrixMap, flatten

Images: TypeAlias = Float[Tensor, "example channel height width"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A network as layers, with its parameters in the layout and dtype that they compute in.

    Attributes:
        layers: Never changed: every sweep works on copies.
        dtype: The dtype of feature maps and convolution kernels.
        wide: The dtype of statistics and results, at least float32.
    """

    layers: tuple[Layer, ...]
    dtype: torch.dtype
    wide: torch.dtype

    @classmethod
    def of(
        cls,
        network: nn.Module,
        nodes: Sequence[plan.Node],
        *,
        like: Tensor,
        precision: str = "fp32",
        compile: bool = False,
    ) -> Weights:
        """Read the parameters of a network.

        Args:
            network: The network of the plan.
            nodes: The plan.
            like: Images. Statistics and results have their dtype, or float32 if that is wider.
            precision: ``"bf16"`` stores maps and kernels in bfloat16, ``"fp32"`` in ``wide``.
            compile: Whether blocks are compiled.
        """
        keep_freed_memory()
        wide = torch.promote_types(like.dtype, torch.float32)
        dtype = torch.bfloat16 if precision == "bf16" else wide
        blocks = compiled_blocks() if compile else EAGER
        parameters = {name: p.detach() for name, p in network.named_parameters()}
        layers = tuple(_layer(node, parameters, dtype, wide, blocks) for node in nodes)
        return cls(layers=layers, dtype=dtype, wide=wide)


def _layer(
    node: plan.Node,
    parameters: Mapping[str, Tensor],
    dtype: torch.dtype,
    wide: torch.dtype,
    blocks: Blocks,
) -> Layer:
    sources = node.sources
    match node:
        case plan.Conv():
            bias = None if node.bias is None else parameters[node.bias].to(dtype)
            w = parameters[node.weight].to(dtype).contiguous(memory_format=torch.channels_last)
            conv = ConvMap(w=w, bias=bias, stride=node.stride, padding=node.padding)
            return LinearLayer(sources=sources, node=node, map=conv)
        case plan.Linear():
            bias = None if node.bias is None else parameters[node.bias].to(wide)
            matrix = MatrixMap(w=parameters[node.weight].to(wide), bias=bias)
            return LinearLayer(sources=sources, node=node, map=matrix)
        case plan.Norm():
            one = torch.ones(1, dtype=wide, device=next(iter(parameters.values())).device)
            scale = parameters.get(node.scale or "", one).to(wide)
            shift = parameters.get(node.shift or "", 0 * one).to(wide)
            return NormLayer(sources=sources, node=node, scale=scale, shift=shift, blocks=blocks)
        case plan.Gate():
            return GateLayer(sources=sources, node=node, blocks=blocks)
        case plan.Sum():
            return SumLayer(sources=sources)
        case plan.Mean():
            return MeanLayer(sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSweep:
    """What a sweep saves for ``image_gradient``: the activations, and the last gradient.

    Attributes:
        layers: The layers with their activations.
        probabilities: Softmax of the logits.
        mass: The sum of the probabilities of each label.
    """

    layers: list[Layer]
    probabilities: Float[Tensor, "example class_"]
    mass: Float[Tensor, "example 1"]

    @property
    def bytes(self) -> int:
        """Bytes of the saved maps; maps that share memory count once."""
        count = len(self.probabilities)
        values = [getattr(layer, f.name, None) for layer in self.layers for f in fields(layer)]
        maps = [x for x in values if isinstance(x, Tensor) and x.ndim == 4 and len(x) == count]
        return sum({x.data_ptr(): x.nbytes for x in maps}.values())


def forward(weights: Weights, images: Images, *numbers: int) -> tuple[list[Tensor], list[Layer]]:
    """Run the network on normalised images.

    Args:
        weights: The network.
        images: A chunk of a batch.
        numbers: Numbers of the wanted values, 0 for the images; empty: the last value.

    Returns:
        The values, channels-last, and the layers with their saved activations.
    """
    layers = [copy(layer) for layer in weights.layers]
    first = _channels_last(images, weights.dtype)
    return _run(layers, first, lambda layer, maps: layer.forward(*maps), numbers), layers


def _channels_last(images: Images, dtype: torch.dtype) -> Tensor:
    """The images as a map of the dtype.

    The strides are set explicitly: a map of one channel is contiguous in both layouts, and torch
    would compute every later map in the other layout, which takes ten times as long.
    """
    x = images.to(dtype).permute(0, 2, 3, 1).contiguous()
    _, height, width, channel = x.shape
    return x.as_strided(x.shape, (height * width * channel, width * channel, channel, 1))


def _run(
    layers: Sequence[Layer],
    first: _T,
    function: Callable[[Layer, list[_T]], _T],
    numbers: Collection[int] = (),
) -> list[_T]:
    """The values with these numbers, or the last one; others are freed after their last use."""
    last = {source: layer for layer in layers for source in layer.sources}
    wanted = numbers or (len(layers),)
    values, kept = {0: first}, {0: first}
    for number, layer in enumerate(layers, start=1):
        values[number] = function(layer, [values[source] for source in layer.sources])
        if number in wanted:
            kept[number] = values[number]
        for source in {source for source in layer.sources if last[source] is layer}:
            del values[source]
    return [kept[number] for number in wanted]


def backward_to_images(layers: Sequence[Layer], gradients: Mapping[int, Tensor]) -> Images:
    """The gradient of the images from gradients of values, channels-last.

    Args:
        layers: The layers after ``forward``.
        gradients: Gradients by the number of the value; the last value is among them.
    """
    parts: list[Parts] = [[gradients[n]] if n in gradients else [] for n in range(len(layers) + 1)]
    for layer in reversed(layers):
        found = layer.backward(total(parts.pop()), input_gradient=True)
        for source, part in zip(layer.sources, found, strict=True):
            parts[source].append(part)
    return total(parts[0]).permute(0, 3, 1, 2)


class SweepResult(NamedTuple):
    """What ``forward_backward`` returns.

    Attributes:
        loss: The sum over the examples of the chunk.
        of_piece: ``{parameter: gradient}`` for each piece.
        saved: The saved activations for ``image_gradient``, or None.
    """

    loss: Tensor
    of_piece: list[dict[str, Tensor]]
    saved: SavedSweep | None


def forward_backward(
    weights: Weights,
    images: Images,
    targets: Tensor,
    pieces: Sequence[CellSlice],
    *,
    names: Collection[str],
    save: bool,
) -> SweepResult:
    """Cross-entropy, summed over the examples, and its gradient with respect to parameters.

    Args:
        weights: The network.
        images: A chunk of a batch of normalised images.
        targets: ``[example, class_]``, not negative; a row need not sum to 1.
        pieces: The pieces of the chunk, in order.
        names: Parameters whose gradients are wanted.
        save: Whether ``image_gradient`` follows; otherwise activations are freed early.
    """
    (last,), layers = forward(weights, images)
    log_p = flatten(last, weights.wide).log_softmax(dim=1)
    mass, probabilities = targets.sum(dim=1, keepdim=True), log_p.exp()
    saved = (
        SavedSweep(layers=list(layers), probabilities=probabilities, mass=mass) if save else None
    )
    gradients: list[dict[str, Tensor]] = [{} for _ in pieces]
    parts: list[Parts] = [[] for _ in layers]
    parts.append([(mass * probabilities - targets)[:, None, None]])
    while layers:
        layer = layers.pop()
        found = layer.backward(total(parts.pop()), input_gradient=any(layer.sources))
        for source, part in zip(layer.sources, found, strict=False):
            parts[source].append(part)
        for piece, of_piece in zip(pieces, gradients, strict=True):
            for name, gradient in layer.weight_gradient(piece.rows, names).items():
                wide = gradient.to(weights.wide)
                shared = of_piece.get(name)  # of a later layer with the same weights
                of_piece[name] = wide if shared is None else shared + wide
    return SweepResult(-(targets * log_p).sum(), gradients, saved)


def image_gradient(saved: SavedSweep, direction: Direction) -> Tensor:
    """Differentiate ``sum over pieces of <direction[cell], gradient of the piece>``.

    Args:
        saved: What ``forward_backward`` saved for the chunk.
        direction: Direction of the parameters, for each piece of the chunk.

    Returns:
        The derivative with respect to the images, ``[example, channel, height, width]``.
    """
    layers = [copy(layer) for layer in saved.layers]  # what tangents save ends with this call
    unchanged: Parts = []  # the tangent of the images themselves is zero
    (tangent,) = _run(
        layers, unchanged, lambda layer, parts: layer.tangent_forward(*parts, direction=direction)
    )
    p = saved.probabilities
    logits_ = flatten(total(tangent), p.dtype) if tangent else torch.zeros_like(p)
    dlogits_ = saved.mass * p * (logits_ - (p * logits_).sum(dim=1, keepdim=True))
    parts: list[Parts] = [[] for _ in layers]
    parts.append([dlogits_[:, None, None]])
    for layer in reversed(layers):
        for source, found in zip(layer.sources, layer.tangent_backward(parts.pop()), strict=True):
            parts[source] += found
    return total(parts[0]).permute(0, 3, 1, 2)
