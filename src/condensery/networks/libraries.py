"""Networks of timm and torchvision by name, always untrained: ``timm:resnet18``.

Both packages are extras and are imported only when a network of theirs is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from condensery.errors import ConfigError, nearest


def library_network(name: str) -> Callable[..., nn.Module] | None:
    """The factory of a network such as ``timm:vit_tiny_patch16_224`` or ``torchvision:resnet18``.

    Args:
        name: ``LIBRARY:MODEL``.

    Returns:
        Called as ``factory(channels=..., classes=..., side=...)``; ``None`` if the name begins with
        no such library.

    Raises:
        ConfigError: If the package is absent or cannot be imported, or has no such network.
    """
    library, _, model = name.partition(":")
    return None if library not in LIBRARIES else LIBRARIES[library](name, model)


def _of_timm(name: str, model: str) -> Callable[..., nn.Module]:
    timm = _package("timm", name)
    if not timm.is_model(model):
        raise ConfigError(
            f"network {name!r}: timm {timm.__version__} has no network {model!r}."
            f"{nearest(model, timm.list_models())} timm.list_models() lists all."
        )

    def make(*, channels: int, classes: int, side: tuple[int, int]) -> nn.Module:
        options: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
        try:
            try:  # a network of patches is made for one size of images, others take any
                return timm.create_model(model, pretrained=False, img_size=side, **options)
            except TypeError as error:
                if "img_size" not in str(error):
                    raise
                return timm.create_model(model, pretrained=False, **options)
        except Exception as error:
            raise _does_not_fit(name, error, channels=channels, side=side) from error

    return make


_EXTRA: Mapping[str, Callable[[tuple[int, int]], Mapping[str, Any]]] = {
    "vit_": lambda side: {"image_size": side[0]},
    "maxvit": lambda side: {"input_size": side},
    "googlenet": lambda _: {"aux_logits": False, "init_weights": True},
    "inception_v3": lambda _: {"aux_logits": False, "init_weights": True},
}
"""Arguments of networks of torchvision whose names begin so."""


def _of_torchvision(name: str, model: str) -> Callable[..., nn.Module]:
    models = _package("torchvision.models", name)
    known: list[str] = models.list_models(module=models)  # those that classify images
    if model not in known:
        raise ConfigError(
            f"network {name!r}: torchvision has no network {model!r} that classifies images."
            f"{nearest(model, known)} Known are {', '.join(known)}."
        )

    def make(*, channels: int, classes: int, side: tuple[int, int]) -> nn.Module:
        if channels != 3:
            raise ConfigError(
                f"network {name!r}: networks of torchvision are for 3 channels, and these images "
                f"have {channels}. Networks of timm take any number, such as timm:resnet18."
            )
        options: dict[str, Any] = {}
        for start, extra in _EXTRA.items():
            if model.startswith(start):
                options |= extra(side)
        try:
            return models.get_model(model, weights=None, num_classes=classes, **options)
        except Exception as error:
            raise _does_not_fit(name, error, channels=channels, side=side) from error

    return make


LIBRARIES: Mapping[str, Callable[[str, str], Callable[..., nn.Module]]] = {
    "timm": _of_timm,
    "torchvision": _of_torchvision,
}
"""What finds a network of each library, by the word before the colon."""


def _package(module: str, name: str) -> Any:  # noqa: ANN401 - a module
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"network {name!r} needs the package {error.name or package}, which is not installed. "
            f"Install it with: pip install 'condensery[{package}]'"
        ) from error
    except Exception as error:  # compiled for another torch
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"network {name!r}: the package {package} cannot be imported ({type(error).__name__}: "
            f"{reason}). Its torchvision must be built for this torch, {torch.__version__}: "
            "install both from the same source."
        ) from error


def _does_not_fit(
    name: str, error: Exception, *, channels: int, side: tuple[int, int]
) -> ConfigError:
    reason = " ".join(str(error).split()).rstrip(".")
    return ConfigError(
        f"network {name!r} cannot be made for images of {channels} x {side[0]} x {side[1]} "
        f"(channel, height, width): {type(error).__name__}: {reason}. Choose another network, or "
        "give data of another size (--image-size)."
    )
