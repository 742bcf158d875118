"""One forward and one backward pass for all groups, and therefore for all prefixes of a set.

If a network treats each example independently, the weight gradient of a group is the sum of the
contributions of its members. Examples that belong to the same groups form a *cell*. The pass gives
one weight gradient per cell, and the gradient of a group is the sum over its cells. For nested sets
that is a cumulative sum, so the subset of MDC needs no second pass.

The reference is ``Autograd``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.grad import conv2d_weight

from condensery.errors import UnsupportedNetwork
from condensery.networks import features, features_and_logits, mixes_examples
from condensery.placed import on
from condensery.types import Groups


@dataclass(frozen=True, slots=True)
class OnePass:
    """Weight gradients per cell from one pass, by autograd (double backward for the images)."""

    chunked: ClassVar[bool] = False

    def batch_size(self, images: Tensor) -> int:
        """See ``Engine.batch_size``."""
        del images
        return 0

    def gradients(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        *,
        names: Sequence[str],
    ) -> dict[str, Tensor]:
        """See ``Engine.gradients``.

        Raises:
            UnsupportedNetwork: If a module of ``network`` mixes examples, or a named parameter
                belongs to a module without a per-cell rule.
        """
        _refuse_mixing(network)
        owners = _owners(network, names)
        differentiable = images.requires_grad
        calls = _forward(network, images, labels, list(owners))
        upstream = torch.autograd.grad(
            calls.loss, [calls.output[module] for module in owners], create_graph=differentiable
        )
        of_cell, share = cells(groups.member)
        share = share.to(images.dtype) / groups.member.sum(dim=1, keepdim=True)  # [group, cell]
        share, of_cell = on(images.device, share), [on(images.device, rows) for rows in of_cell]
        result: dict[str, Tensor] = {}
        with torch.set_grad_enabled(differentiable):
            for (module, leaves), up in zip(owners.items(), upstream, strict=True):
                rule = _RULES[type(network.get_submodule(module))]
                inputs = calls.input[module]
                per_cell = [
                    rule(network.get_submodule(module), inputs[rows], up[rows], leaves)
                    for rows in of_cell
                ]
                for leaf in leaves:
                    stacked = torch.stack([cell[leaf] for cell in per_cell])
                    name = f"{module}.{leaf}" if module else leaf
                    result[name] = torch.tensordot(share, stacked, dims=1)
        return {name: result[name] for name in names}

    def features(self, network: nn.Module, images: Tensor, *, blocks: int = 1) -> Tensor:
        """See ``Engine.features``."""
        return features(network, images, blocks=blocks).flatten(1)

    def features_and_logits(
        self, network: nn.Module, images: Tensor, *, blocks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """See ``Engine.features_and_logits``."""
        seen, logits = features_and_logits(network, images, blocks=blocks)
        return seen.flatten(1), logits


def cells(member: Tensor) -> tuple[list[Tensor], Tensor]:
    """Divide the examples into cells: the largest sets whose members belong to the same groups.

    Args:
        member: ``[group, example]``.

    Returns:
        Positions of the examples of each cell, and which groups contain which cell,
        ``[group, cell]``. An example that is in no group is in no cell.
    """
    columns, of = torch.unique(member, dim=1, return_inverse=True)
    some = columns.any(dim=0).nonzero()[:, 0]
    return [(of == cell).nonzero()[:, 0] for cell in some], columns[:, some]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calls:
    """Input and output of each module that owns a named parameter, and the sum of all losses."""

    input: dict[str, Tensor]
    output: dict[str, Tensor]
    loss: Tensor


def _forward(network: nn.Module, images: Tensor, labels: Tensor, modules: list[str]) -> _Calls:
    given: dict[str, Tensor] = {}
    gave: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            if name in given:
                raise UnsupportedNetwork(
                    f'engine "one-pass" met module {name!r} ({type(module).__name__}) twice in one '
                    "forward pass: shared weights have no single input to take a gradient from. "
                    'Use engine="autograd".'
                )
            given[name] = inputs[0]
            # Without a differentiable input this output would get no gradient.
            gave[name] = output if output.requires_grad else output.requires_grad_()
            return gave[name]

        return hook

    # Gradients are taken with respect to outputs; weights themselves need none.
    weights = {name: p.detach() for name, p in network.named_parameters()}
    with ExitStack() as hooks, torch.enable_grad():
        for name in modules:
            handle = network.get_submodule(name).register_forward_hook(keep(name))
            hooks.callback(handle.remove)
        logits = functional_call(network, weights, (images,))
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
    return _Calls(input=given, output=gave, loss=loss)


def _owners(network: nn.Module, names: Sequence[str]) -> dict[str, list[str]]:
    """``{module: [its named parameters]}``; refuses modules without a rule for cells."""
    owners: dict[str, list[str]] = {}
    for name in names:
        module, _, leaf = name.rpartition(".")
        owners.setdefault(module, []).append(leaf)
        owner = network.get_submodule(module)
        if type(owner) not in _RULES:
            known = ", ".join(sorted(kind.__name__ for kind in _RULES))
            raise UnsupportedNetwork(
                f'engine "one-pass" has no rule for {name!r}: its module is a '
                f'{type(owner).__name__}, and only {known} are known. Use engine="autograd".'
            )
    return owners


def _refuse_mixing(network: nn.Module) -> None:
    culprit = mixes_examples(network)
    if culprit is not None:
        kind = type(network.get_submodule(culprit)).__name__
        raise UnsupportedNetwork(
            f'engine "one-pass" cannot differentiate {type(network).__name__}.{culprit} ({kind}): '
            "its output for one example depends on the others, so gradients cannot be taken per "
            'group in one pass. Use engine="autograd", or a network with instance normalisation.'
        )


_Rule = Callable[[Any, Tensor, Tensor, Sequence[str]], dict[str, Tensor]]


def _conv(
    module: nn.Conv2d, inputs: Tensor, up: Tensor, leaves: Sequence[str]
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    if "weight" in leaves:
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
            raise UnsupportedNetwork(
                f'engine "one-pass" knows convolutions that pad with a number of zeros, not '
                f"padding={module.padding!r}, padding_mode={module.padding_mode!r}. Use "
                'engine="autograd".'
            )
        found["weight"] = conv2d_weight(
            inputs,
            module.weight.shape,
            up,
            stride=module.stride,  # pyright: ignore[reportArgumentType] - declared int, takes both
            padding=module.padding,  # pyright: ignore[reportArgumentType]
            dilation=module.dilation,  # pyright: ignore[reportArgumentType]
            groups=module.groups,
        )
    if "bias" in leaves:
        found["bias"] = up.sum(dim=(0, 2, 3))
    return found


def _linear(
    module: nn.Linear, inputs: Tensor, up: Tensor, leaves: Sequence[str]
) -> dict[str, Tensor]:
    del leaves, module
    inputs, up = inputs.flatten(0, -2), up.flatten(0, -2)
    return {"weight": up.T @ inputs, "bias": up.sum(dim=0)}


def _group_norm(
    module: nn.GroupNorm, inputs: Tensor, up: Tensor, leaves: Sequence[str]
) -> dict[str, Tensor]:
    del leaves
    normalised = nn.functional.group_norm(inputs, module.num_groups, eps=module.eps)
    rest = [0, *range(2, inputs.ndim)]
    return {"weight": (up * normalised).sum(dim=rest), "bias": up.sum(dim=rest)}


_RULES: dict[type[nn.Module], _Rule] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.GroupNorm: _group_norm,
}
