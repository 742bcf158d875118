"""A fast measure of every size of a set during a run, without training a network.

For each class, the mean feature of each prefix is compared with that of real training images, under
untrained networks. These networks and random draws are **held out**: they have random streams of
their own, so that no run uses them, and all runs on the same data are measured by the same ones.
Test images are never used, so a choice by this measure is a choice on training data.

Knows nothing about how the set is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery import networks
from condensery.data import ImageData
from condensery.devices import computing
from condensery.errors import ConfigError, DataError
from condensery.networks import batched_features
from condensery.rng import stream
from condensery.types import Examples

_ROUNDING = 1e-12  # a variance below this share of the squares is that of float32 alone


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixLosses:
    """The measured losses of all sizes from 1.

    Attributes:
        loss: Squared distance of mean features, summed over features and classes, mean over
            networks.
        random: The expected loss of random real images of that size, above 0.
    """

    loss: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def relative(self) -> tuple[float, ...]:
        """``loss`` over ``random``: 1 is as good as random images, smaller is better."""
        return tuple(a / b for a, b in zip(self.loss, self.random, strict=True))

    @property
    def mean(self) -> float:
        """Geometric mean of ``relative`` over the sizes."""
        return math.exp(sum(math.log(max(r, 1e-30)) for r in self.relative) / len(self.relative))


class Proxy:
    """Measures sets with one architecture and one data set.

    Source:
        The loss is that of Zhao & Bilen 2023 (DM). Its use as a measure of prefixes is ours;
        docs/methods/nested.md has results about it.
    """

    def __init__(
        self,
        data: ImageData,
        network: str,
        *,
        probes: int = 3,
        sample: int = 200,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        """Draw the probe networks and compute their features of real images.

        Args:
            data: Real training images.
            network: A name of ``known_networks()``, or ``package.module:factory``.
            probes: Probe networks of that kind, at least 1.
            sample: Random real images per class for the mean feature of the class, at least 1.
            seed: Seed of the probe networks and the sample; independent of the seed of the run.
            device: The device of the probe networks.

        Raises:
            ConfigError: If a number is below 1.
            DataError: If the real images of every class have the same features, so that random
                images have no distance to compare with.
            UnsupportedNetwork: If the network has no features.
        """
        for name, value in (("probes", probes), ("sample", sample)):
            if value < 1:
                raise ConfigError(f"{name} = {value}, but it must be at least 1.")
        self._data = data
        self._probes = [
            networks.build(
                network,
                channels=data.channels,
                classes=data.classes,
                side=data.side,
                seed=seed,
                path=("proxy", "network", probe),
            ).to(device)
            for probe in range(probes)
        ]
        own = [data.of_class(c) for c in range(data.classes)]
        drawn = [
            index[torch.randperm(len(index), generator=stream(seed, "proxy", "real", c))[:sample]]
            for c, index in enumerate(own)
        ]
        self._means: list[Tensor] = []  # one a probe: [class_, feature]
        self._spread = 0.0  # variance summed over features and classes, mean over probes
        power = 0.0  # squares, summed and averaged likewise
        for probe in self._probes:
            means: list[Tensor] = []
            spread = squares = 0.0
            for index in drawn:  # so that the features of only one class are held
                features = _features(probe, data, data.pixels(index))
                means.append(features.mean(dim=0))
                spread += float(features.var(dim=0).sum()) if len(features) > 1 else 0.0
                squares += float(features.square().mean(dim=0).sum())
            self._means.append(torch.stack(means))
            self._spread += spread / probes
            power += squares / probes
        if self._spread <= _ROUNDING * power:
            raise DataError(
                f"the real images of each class of {data.name} have the same features, so random "
                "images have the distance 0, which nothing can be compared with. This is so where "
                "the images of a class are identical, or where each class has one image."
            )

    def __call__(self, examples: Examples) -> PrefixLosses:
        """Measure every prefix.

        Args:
            examples: Decoded examples in [0, 1]. If a class has fewer images than a size, all its
                images are used.
        """
        sizes = int(examples.rank.max()) + 1
        loss = torch.zeros(sizes, dtype=torch.float64)
        for probe, means in zip(self._probes, self._means, strict=True):
            features = _features(probe, self._data, examples.images.detach())
            for c in examples.class_.unique().tolist():
                mine = examples.class_ == c
                prefixes = _prefix_means(features[mine], examples.rank[mine], sizes)
                loss += (prefixes - means[c]).square().sum(dim=1).double()
        random = tuple(self._spread / size for size in range(1, sizes + 1))
        return PrefixLosses(loss=tuple((loss / len(self._probes)).tolist()), random=random)


def _prefix_means(features: Tensor, rank: Tensor, sizes: int) -> Float[Tensor, "size feature"]:
    """The mean feature of ``rank < size`` for every size from 1."""
    sums = features.new_zeros(sizes, features.shape[1]).index_add_(0, rank, features).cumsum(dim=0)
    counts = torch.bincount(rank, minlength=sizes).cumsum(dim=0)
    return sums / counts[:, None]


def _features(
    probe: nn.Module, data: ImageData, images: Tensor
) -> Float[Tensor, "example feature"]:
    """Features on the CPU, of images on any device."""
    device = next((parameter.device for parameter in probe.parameters()), torch.device("cpu"))
    with computing(device, "fp32"):
        return batched_features(probe, (data.normalise(part) for part in images.split(64))).cpu()
