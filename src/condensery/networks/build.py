"""Networks by name: ours, or a user's factory, always drawn from a named stream.

Knows nothing about training. The only place that lets the global random state of torch be
followed, since constructors of ``nn.Module`` draw from it; it is put back afterwards.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import nn

from condensery.errors import ConfigError, nearest
from condensery.networks.alexnet import AlexNet
from condensery.networks.convnet import ConvNet
from condensery.networks.densenet import DenseNet
from condensery.networks.lenet import LeNet
from condensery.networks.libraries import library_network
from condensery.networks.mlp import MLP
from condensery.networks.norms import Norm, batch_norm, instance_norm
from condensery.networks.nothing import IdentityNetwork
from condensery.networks.resnet import resnet10, resnet18, resnet_ap10
from condensery.networks.vgg import VGG11
from condensery.parallel import exclusive_lock
from condensery.rng import global_stream

Factory = Callable[..., nn.Module]
"""Called as ``factory(channels=..., classes=..., side=(height, width))``."""

_OURS: dict[str, Factory] = {
    "resnetap10": resnet_ap10,
    "resnet10": resnet10,
    "resnet18": resnet18,
    "resnet18-in": partial(resnet18, norm=instance_norm),
    "densenet": DenseNet,
    "vgg11": partial(VGG11, norm=instance_norm),
    "vgg11-bn": partial(VGG11, norm=batch_norm),
    "alexnet": AlexNet,
    "lenet": LeNet,
    "mlp": MLP,
}
_CONVNET = re.compile(r"convnet([1-8])(?:-w([1-9]\d*))?(-bn)?")
_RESNET_AP = re.compile(r"resnetap10-w([1-9]\d*)")


def known_networks() -> tuple[str, ...]:
    """The names that ``build`` knows, but for ``none``, which gives ``IdentityNetwork``.

    A ConvNet's may be followed by its width and by ``-bn`` for batch norm: ``convnet3-w64``,
    ``convnet3-bn``, ``convnet3-w64-bn``; ``resnetap10-w16`` begins with 16 channels, not 64.
    """
    return (*(f"convnet{depth}" for depth in range(1, 9)), *_OURS)


def _imported(name: str) -> Factory:
    module_name, _, attribute = name.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"network {name!r}: module {module_name!r} cannot be imported "
            f"({type(error).__name__}: {error}). The folder that holds it must be on "
            "PYTHONPATH; the form is package.module:factory."
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(
                f"network {name!r}: {module_name!r} has no {attribute!r}."
                f"{nearest(part, dir(found))} The form is package.module:factory."
            )
        found = getattr(found, part)
    return cast("Factory", found)


def _factory(network: str | Factory) -> tuple[str, Factory, bool]:
    """What to call the network in messages, how to make it, and whether it is ours."""
    if not isinstance(network, str):
        return getattr(network, "__qualname__", type(network).__name__), network, False
    if (of_library := library_network(network)) is not None:
        return network, of_library, False
    if ":" in network:
        return network, _imported(network), False
    if match := _CONVNET.fullmatch(network):
        norm: Norm = batch_norm if match[3] else instance_norm
        width = int(match[2] or 128)
        return network, partial(ConvNet, depth=int(match[1]), width=width, norm=norm), True
    if match := _RESNET_AP.fullmatch(network):
        return network, partial(resnet_ap10, width=int(match[1])), True
    if network == "none":
        return network, lambda **_: IdentityNetwork(), True
    if network in _OURS:
        return network, _OURS[network], True
    raise ConfigError(
        f"network {network!r} is not known.{nearest(network, known_networks())} Known are "
        f"{', '.join(known_networks())}, a ConvNet with its width (convnet3-w64) or batch "
        "norm (convnet3-bn), resnetap10 with its width (resnetap10-w16), networks of other "
        "packages (timm:resnet18, torchvision:resnet18), and a factory of yours as "
        "package.module:factory."
    )


def _check_factory(name: str, factory: object) -> None:
    """A user's factory must be callable as ``factory(channels=, classes=, side=)``."""
    wanted = "A factory is called as factory(channels=, classes=, side=(height, width))"
    if isinstance(factory, nn.Module) or not callable(factory):
        raise ConfigError(
            f"network {name!r} is of type {type(factory).__name__}, not a factory: networks are "
            f"drawn anew many times. {wanted} and returns a new nn.Module."
        )
    try:
        inspect.signature(factory).bind(channels=3, classes=10, side=(32, 32))
    except TypeError as error:
        raise ConfigError(
            f"network {name!r} does not take what it is given: {error}. {wanted}."
        ) from error
    except ValueError:  # a builtin without a signature: calling it will tell
        pass


def _check_network(
    name: str, network: object, *, channels: int, classes: int, side: tuple[int, int]
) -> None:
    """A user's network must give one logit per class; two zero images are shown to it."""
    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"network {name!r} returned {type(network).__name__}, which is not an nn.Module. "
            "The factory must return a new nn.Module that maps images to logits."
        )
    images = torch.zeros(2, channels, *side)
    for tensor in network.parameters():
        images = images.to(device=tensor.device, dtype=tensor.dtype)
        break
    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.no_grad():
            logits: object = network.eval()(images)
    except Exception as error:
        raise ConfigError(
            f"network {name!r} fails on images of shape {list(images.shape)} "
            f"({type(error).__name__}: {error}). It must map [example, {channels}, {side[0]}, "
            f"{side[1]}] to [example, {classes}]. If it needs images of another size, give such "
            "data (--image-size)."
        ) from error
    finally:
        for module, training in modes:
            module.training = training
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes):
        got = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ConfigError(
            f"network {name!r} maps two images to {got}, not to one logit per class. It must map "
            f"[example, {channels}, {side[0]}, {side[1]}] to [example, {classes}]."
        )


def build(
    network: str | Factory,
    *,
    channels: int,
    classes: int,
    side: tuple[int, int],
    seed: int,
    path: tuple[str | int, ...],
) -> nn.Module:
    """Make a network whose weights depend on ``seed`` and ``path`` alone.

    Args:
        network: A name of ``known_networks()`` (``convnet3``, ``convnet3-w64``,
            ``resnetap10``, ...), an untrained network of timm or torchvision
            (``timm:vit_tiny_patch16_224``, ``torchvision:resnet18``), a user's
            ``package.module:factory``, or the factory itself.
        channels: Channels of an image.
        classes: Number of classes, the length of the logits.
        side: Height and width of an image in pixels.
        seed: The run's seed.
        path: Name of the stream to draw from, such as ``("network", outer)``.

    Returns:
        A network in train mode, on the CPU unless a user's factory says otherwise.

    Raises:
        ConfigError: If the name is unknown, the network cannot work on such images, or a
            user's factory does not give a network from images to logits.
    """
    name, factory, ours = _factory(network)
    if not ours:
        _check_factory(name, factory)
    with exclusive_lock(), global_stream(seed, *path):
        built = factory(channels=channels, classes=classes, side=side)
        if not ours:
            _check_network(name, built, channels=channels, classes=classes, side=side)
    return built
