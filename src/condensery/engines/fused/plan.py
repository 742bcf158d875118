"""The computation of a network as a list of nodes, if the fused engine supports it.

A trace (``torch.fx``) gives the order in which the network calls its modules, and everything else
that its ``forward`` does. Convolutions, linear layers, instance norms, ReLUs, average pools and
sums are supported, in any acyclic order and with shared weights. Other operations are refused with
their name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

from torch import fx, nn

from condensery.errors import UnsupportedNetwork
from condensery.parallel import exclusive_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution: names of its parameters, and its geometry."""

    sources: tuple[int, ...]
    weight: str
    bias: str | None
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A linear layer on the flattened map."""

    sources: tuple[int, ...]
    weight: str
    bias: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A block: instance norm, then ReLU and average pool where they follow."""

    sources: tuple[int, ...]
    scale: str | None
    shift: str | None
    eps: float
    relu: bool = False
    pool: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """ReLU and average pool without a norm before them."""

    sources: tuple[int, ...]
    relu: bool = False
    pool: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Two maps added."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The average over all pixels."""

    sources: tuple[int, ...]


Node: TypeAlias = Conv | Linear | Norm | Gate | Sum | Mean


def plan(network: nn.Module, method: str = "forward") -> tuple[Node, ...]:
    """The nodes that ``network.forward(images)`` computes.

    Args:
        network: Any network.
        method: The name of another method to trace, such as ``"features"``.

    Returns:
        Nodes in the order of the calls, with names of parameters instead of tensors. Node ``i``
        makes value ``i + 1`` from its sources, which are earlier values. Value 0 is the images, and
        the last value is the result.

    Raises:
        UnsupportedNetwork: If the network contains an operation without a node.
    """
    tracer = fx.Tracer()
    tracer.traced_func_name = method
    try:
        with exclusive_lock():
            graph = tracer.trace(network)
    except Exception as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        refuse(network, "", network, f"has a {method} that cannot be traced ({said})")
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    reader = _Planner(network)
    for node in graph.nodes:
        reader.read(node)
    return _without_useless_biases(_joined(reader.nodes))


def supports(network: nn.Module) -> bool:
    """Whether the network consists of these nodes and ends in a linear layer."""
    try:
        nodes = plan(network)
    except UnsupportedNetwork:
        return False
    return bool(nodes) and isinstance(nodes[-1], Linear)


_AS_MODULE: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "avg_pool2d": nn.AvgPool2d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
    "flatten": nn.Flatten,
}
"""Functions and methods that are equal to a module."""

_SHAPES = ("size", "getattr", "getitem")  # arguments of view and reshape; read by nothing else
_SUMS = ("add", "add_", "iadd")


class _Planner:
    """Makes nodes from the traced calls."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.nodes: list[Node] = []
        # Tied parameters have one name, under which their gradients are added.
        self._names = {id(p): name for name, p in network.named_parameters()}
        self._value: dict[fx.Node, int] = {}

    def read(self, call: fx.Node) -> None:
        """Append the node of one call."""
        target = call.target if isinstance(call.target, str) else call.target.__name__
        sources = tuple(
            self._value[x] for x in call.args if isinstance(x, fx.Node) and x in self._value
        )
        if call.op == "placeholder":
            self._value[call] = 0
            if len(self._value) == 1:
                return
        elif call.op == "output":
            if self._value.get(call.args[0]) == len(self.nodes):  # pyright: ignore
                return
        elif call.op == "call_module" and len(sources) == len(call.args) == 1:
            self._module(call, sources, target, self.network.get_submodule(target))
            return
        elif target in _SHAPES:
            return
        elif target in _AS_MODULE and len(sources) == 1:
            module = _AS_MODULE[target](*call.args[1:], **call.kwargs)
            self._module(call, sources, "", module)
            return
        elif target in ("view", "reshape") and len(call.args) == 3 and call.args[2] == -1:
            self._value[call] = sources[0]
            return
        elif target == "mean" and len(sources) == 1 and _over_pixels(call):
            self._append(call, Mean(sources=sources))
            return
        elif target in _SUMS and len(sources) == 2 and not call.kwargs:
            self._append(call, Sum(sources=sources))
            return
        refuse(self.network, "", self.network, f"has {target!r} in its forward")

    def _append(self, call: fx.Node, node: Node) -> None:
        self.nodes.append(node)
        self._value[call] = len(self.nodes)

    def _module(
        self, call: fx.Node, sources: tuple[int, ...], name: str, module: nn.Module
    ) -> None:
        reason = _unsupported(module)
        weight, bias = (self._name(name, module, leaf) for leaf in ("weight", "bias"))
        match module:
            case _ if reason:
                refuse(self.network, name, module, reason)
            case nn.Conv2d():
                assert weight is not None
                node = Conv(
                    sources=sources,
                    weight=weight,
                    bias=bias,
                    stride=_pair(module.stride),
                    padding=_padding(module),
                )
            case nn.Linear():
                assert weight is not None
                node = Linear(sources=sources, weight=weight, bias=bias)
            case nn.GroupNorm() | nn.InstanceNorm2d():
                node = Norm(sources=sources, scale=weight, shift=bias, eps=module.eps)
            case nn.ReLU():
                node = Gate(sources=sources, relu=True)
            case nn.AvgPool2d():
                node = Gate(sources=sources, pool=_pair(module.kernel_size)[0])
            case nn.AdaptiveAvgPool2d():
                node = Mean(sources=sources)
            case _:  # flatten and identity
                self._value[call] = sources[0]
                return
        self._append(call, node)

    def _name(self, name: str, module: nn.Module, leaf: str) -> str | None:
        found = getattr(module, leaf, None)
        if found is not None and id(found) not in self._names:
            refuse(self.network, name, module, f"has a {leaf} that is not a parameter")
        return None if found is None else self._names[id(found)]


def _over_pixels(call: fx.Node) -> bool:
    axes: Any = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    return isinstance(axes, Sequence) and sorted(axis % 4 for axis in axes) == [2, 3]


def _joined(nodes: Sequence[Node]) -> list[Node]:
    """Join a ReLU or a pool with the norm or gate before it, if no other node reads its value."""
    readers = [source for node in nodes for source in node.sources]
    joined_nodes: list[Node] = []
    new_number = [0]  # of each value
    for node in nodes:
        first = node.sources[0]
        before = joined_nodes[new_number[first] - 1] if new_number[first] else None
        if (
            isinstance(node, Gate)
            and isinstance(before, Norm | Gate)
            and before.pool == 1
            and readers.count(first) == 1
        ):
            both = replace(before, relu=before.relu or node.relu, pool=node.pool)
            joined_nodes[new_number[first] - 1] = both
            new_number.append(new_number[first])
        else:
            sources = tuple(new_number[source] for source in node.sources)
            joined_nodes.append(replace(node, sources=sources))
            new_number.append(len(joined_nodes))
    return joined_nodes


def _without_useless_biases(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Drop the bias of convolutions that only norms read: a norm removes it exactly."""
    found = list(nodes)
    for value, node in enumerate(nodes, start=1):
        readers = [reader for reader in nodes if value in reader.sources]
        if isinstance(node, Conv) and readers and all(isinstance(r, Norm) for r in readers):
            found[value - 1] = replace(node, bias=None)
    return tuple(found)


def _unsupported(module: nn.Module) -> str:
    """Why the engine does not support a module, or an empty string."""
    match module:
        case nn.Conv2d():
            plain = module.dilation == (1, 1) and module.groups == 1
            odd = module.padding != "same" or all(side % 2 for side in module.kernel_size)
            known = plain and odd and module.padding_mode == "zeros"
            return "" if known else "is dilated, grouped, or does not pad evenly with zeros"
        case nn.GroupNorm():
            known = module.num_groups == module.num_channels
            return "" if known else "does not normalise each channel alone (one group a channel)"
        case nn.InstanceNorm2d():
            return "keeps running statistics" if module.track_running_stats else ""
        case nn.AvgPool2d():
            side, *others = {
                *_pair(module.kernel_size),
                *_pair(module.stride),
            }
            known = (
                not others
                and side > 0
                and _pair(module.padding) == (0, 0)
                and not module.ceil_mode
                and module.divisor_override is None
            )
            return "" if known else "does not average squares side by side"
        case nn.AdaptiveAvgPool2d():
            return "" if _pair(module.output_size) == (1, 1) else "does not average all pixels"
        case nn.Flatten():
            return "" if (module.start_dim, module.end_dim) == (1, -1) else "keeps some axes"
        case nn.Linear() | nn.ReLU() | nn.Identity():
            return ""
        case _:
            return "is no layer that it supports"


def _padding(module: nn.Conv2d) -> tuple[int, int]:
    if module.padding == "valid":
        return (0, 0)
    if module.padding == "same":
        return (module.kernel_size[0] // 2, module.kernel_size[1] // 2)
    return _pair(module.padding)  # pyright: ignore[reportArgumentType]


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def refuse(network: nn.Module, name: str, module: nn.Module, reason: str) -> NoReturn:
    """Raise ``UnsupportedNetwork`` about the module ``name`` (empty: the network itself)."""
    kind = type(network).__name__
    place = f"{kind}.{name} ({type(module).__name__})" if name else kind
    raise UnsupportedNetwork(
        f'engine "fused" cannot differentiate {place}: it {reason}. The fused engine supports '
        "Conv2d, GroupNorm(C, C), ReLU, AvgPool2d, sums and Linear (convnet3, resnetap10, mlp and "
        'their like). Use engine="one-pass" or engine="autograd".'
    )
