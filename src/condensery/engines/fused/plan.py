"""Which networks the fused engine knows, and their parameters laid out for it.

It knows one shape: ``D x (Conv2d 3x3 -> GroupNorm(C, C) -> ReLU -> AvgPool2d(2))``, flatten,
``Linear``: the ConvNet of the whole literature. A network is recognised by its leaf modules in
order, and then held to it: what it says for an image must be what the plan says.

Knows nothing about gradients or groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from torch import nn

from condensery.errors import UnsupportedNetwork

__all__ = ["Block", "Plan", "plan", "refuse"]

_ORDER = (nn.Conv2d, nn.GroupNorm, nn.ReLU, nn.AvgPool2d)
_INVISIBLE = (nn.Flatten, nn.Identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block: the names of its modules, and its normalisation's epsilon."""

    conv: str
    norm: str
    eps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A network as the fused engine sees it, by names; holds no tensor."""

    blocks: tuple[Block, ...]
    head: str
    border: int  # pixels of zeros around the images, beyond the 1 that every convolution adds


def plan(network: nn.Module) -> Plan:
    """Recognise a ConvNet.

    Raises:
        UnsupportedNetwork: If any leaf module is not where a ConvNet has it.
    """
    leaves = [
        (name, module)
        for name, module in network.named_modules()
        if not any(True for _ in module.children()) and not isinstance(module, _INVISIBLE)
    ]
    if not leaves or len(leaves) % len(_ORDER) != 1 or not isinstance(leaves[-1][1], nn.Linear):
        refuse(network, *_first_stranger(network, leaves), "is not where a ConvNet has it")
    blocks: list[Block] = []
    for start in range(0, len(leaves) - 1, len(_ORDER)):
        found = leaves[start : start + len(_ORDER)]
        for (name, module), kind in zip(found, _ORDER, strict=True):
            if not isinstance(module, kind):
                refuse(network, name, module, f"stands where a {kind.__name__} was expected")
            reason = _unlike(module, first=start == 0)
            if reason:
                refuse(network, name, module, reason)
        norm = found[1][1]
        assert isinstance(norm, nn.GroupNorm)
        blocks.append(Block(conv=found[0][0], norm=found[1][0], eps=norm.eps))
    padding = leaves[0][1].padding
    border = 0 if isinstance(padding, str) else int(padding[0]) - 1  # pyright: ignore
    return Plan(blocks=tuple(blocks), head=leaves[-1][0], border=border)


def _first_stranger(
    network: nn.Module, leaves: list[tuple[str, nn.Module]]
) -> tuple[str, nn.Module]:
    for position, (name, module) in enumerate(leaves):
        last = position == len(leaves) - 1
        if not isinstance(module, nn.Linear if last else _ORDER[position % len(_ORDER)]):
            return name, module
    return ("", network) if not leaves else leaves[-1]


def _unlike(module: nn.Module, *, first: bool) -> str:
    """Why a module of the right type is still not a ConvNet's, or an empty string."""
    if isinstance(module, nn.Conv2d):
        padding = (1, 1) if module.padding == "same" else module.padding
        plain = (
            module.kernel_size == (3, 3)
            and module.stride == (1, 1)
            and (padding == (1, 1) or (first and padding[0] == padding[1] and padding != (0, 0)))
            and module.dilation == (1, 1)
            and module.groups == 1
            and module.padding_mode == "zeros"
        )
        return (
            "" if plain else "is not a plain 3x3 convolution that pads 1 (the first may pad more)"
        )
    if isinstance(module, nn.GroupNorm):
        if module.num_groups != module.num_channels:
            return "does not normalise each channel alone (one group a channel)"
        return "" if module.affine else "has no scale and shift"
    if isinstance(module, nn.AvgPool2d):
        plain = (
            _pair(module.kernel_size) == (2, 2)
            and _pair(module.stride) == (2, 2)
            and _pair(module.padding) == (0, 0)
            and not module.ceil_mode
        )
        return "" if plain else "is not a 2x2 average pool"
    return ""


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


def refuse(network: nn.Module, name: str, module: nn.Module, reason: str) -> NoReturn:
    """Raise ``UnsupportedNetwork`` about the module ``name`` (empty: the network itself)."""
    kind = type(network).__name__
    place = f"{kind}.{name} ({type(module).__name__})" if name else kind
    raise UnsupportedNetwork(
        f'engine "fused" cannot differentiate {place}: it {reason}. The fused engine knows '
        "blocks of Conv2d 3x3, GroupNorm(C, C), ReLU, AvgPool2d(2), then one Linear (convnet3 and "
        'its like). Use engine="one-pass" or engine="autograd".'
    )
