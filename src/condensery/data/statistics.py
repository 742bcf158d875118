"""Mean and deviation of pixels, and the published constants of well-known data sets.

Knows nothing about files: a data set is recognised by a text (its name, or its path).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

__all__ = ["KnownSet", "Statistics", "known_by_name", "known_by_path", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Mean and standard deviation per channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """A data set of the literature.

    Attributes:
        name: Its canonical name, which presets go by.
        pattern: How file and folder names write it, lower case.
        classes: Number of classes; a path that only sounds like it is told apart by this.
        statistics: The constants that published results normalise with.
        class_names: For layouts that say none (IDX); ``None`` where their numbers say it all.
    """

    name: str
    pattern: str
    classes: int
    statistics: Statistics
    class_names: tuple[str, ...] | None = None


_CIFAR10 = Statistics(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
_IMAGENET = Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

# CIFAR-100 follows the rule of IDC (and of MDC and MTT after it): CIFAR-10's constants are used
# again. DC and DC-BENCH use .5071 .4866 .4409 / .2673 .2564 .2762 instead.
_KNOWN = (
    KnownSet(
        name="fashion-mnist",
        pattern=r"fashion[-_ ]?mnist(?![a-z0-9])",
        classes=10,
        statistics=Statistics(mean=(0.2861,), std=(0.3530,)),
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    KnownSet(
        name="mnist",
        pattern=r"(?<![a-z])(?<!emnist[-_ ])mnist(?![a-z0-9])",
        classes=10,
        statistics=Statistics(mean=(0.1307,), std=(0.3081,)),
    ),
    KnownSet(
        name="svhn",
        pattern=r"(?<![a-z])svhn(?![a-z])",
        classes=10,
        statistics=Statistics(mean=(0.4377, 0.4438, 0.4728), std=(0.1980, 0.2010, 0.1970)),
    ),
    KnownSet(name="cifar100", pattern=r"cifar[-_ ]?100(?!\d)", classes=100, statistics=_CIFAR10),
    KnownSet(name="cifar10", pattern=r"cifar[-_ ]?10(?!\d)", classes=10, statistics=_CIFAR10),
    KnownSet(name="imagenette", pattern=r"imagenette", classes=10, statistics=_IMAGENET),
    KnownSet(
        name="imagenet-100", pattern=r"imagenet[-_ ]?100(?!\d)", classes=100, statistics=_IMAGENET
    ),
    KnownSet(
        name="imagenet-10", pattern=r"imagenet[-_ ]?10(?!\d)", classes=10, statistics=_IMAGENET
    ),
)


def known_by_path(path: str, *, classes: int, channels: int) -> KnownSet | None:
    """Recognise a data set by where it lies.

    The last component of the path that contains a known name decides, so
    ``mnist-variants/fashion-mnist`` is Fashion-MNIST. Classes and channels must agree:
    ten classes of ``cifar100`` are a data set of their own.

    Args:
        path: A path, or the name of a type.
        classes: Number of classes found.
        channels: Number of channels found.
    """
    for component in reversed(re.split(r"[/\\]", path.lower())):
        for known in _KNOWN:
            if re.search(known.pattern, component):
                return known if _agrees(known, classes, channels) else None
    return None


def known_by_name(name: str, *, classes: int, channels: int) -> KnownSet | None:
    """Recognise a data set by the name the user gives it, in any usual spelling, such as CIFAR-10.

    Args:
        name: The whole name; ``"my-cifar10"`` is none of ours.
        classes: Number of classes found.
        channels: Number of channels found.
    """
    for known in _KNOWN:
        if re.fullmatch(known.pattern, name.lower()) and _agrees(known, classes, channels):
            return known
    return None


def _agrees(known: KnownSet, classes: int, channels: int) -> bool:
    return known.classes == classes and len(known.statistics.mean) == channels


def measure(images: UInt8[Tensor, "image channel height width"]) -> Statistics:
    """Measure mean and population deviation per channel, exactly, from counts of byte values.

    A channel that is constant gets deviation 1, so that normalising it gives 0.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean: list[float] = []
    std: list[float] = []
    for channel in range(images.shape[1]):
        counts = _histogram(images[:, channel]).to(torch.float64)
        share = counts / counts.sum()
        centre = float((share * levels).sum())
        spread = float((share * (levels - centre) ** 2).sum()) ** 0.5
        mean.append(centre)
        std.append(spread if int((counts > 0).sum()) > 1 else 1.0)
    return Statistics(mean=tuple(mean), std=tuple(std))


def _histogram(values: Tensor, *, most: int = 2**22) -> Tensor:
    """Count byte values, ``most`` at a time: ``bincount`` makes 8-byte copies."""
    counts = torch.zeros(256, dtype=torch.int64)
    rows = max(1, most // values[0].numel())
    for block in values.split(rows):
        counts += torch.bincount(block.reshape(-1), minlength=256)
    return counts
