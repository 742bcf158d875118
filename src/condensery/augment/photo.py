"""The augmentation of photographs: random resized crop, flip, colour jitter, lighting.

Jitter and lighting are defined for pixels in [0, 1], but the images here are normalised. Therefore
the mean and the deviation of the normalisation are choices of the augmentation.

Knows nothing about labels, and nothing about which images are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.augment.base import Augment
from condensery.augment.operations import Images, flip, look_at
from condensery.augment.views import Augmentation
from condensery.errors import ConfigError
from condensery.placed import on, sent
from condensery.registry import register

_LEAST_AREA = 0.5
_LARGEST_RATIO = 4 / 3
_TRIES = 10
_STRENGTH = 0.4
_GREY = (0.299, 0.587, 0.114)
_LIGHT = 0.1
_VALUES = (0.2175, 0.0188, 0.0045)
_VECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@register("augment", "photo-per-example")
@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPerExample(Augment):
    """Crop, flip, jitter and lighting, with different parameters for every image.

    Attributes:
        mean: Mean of each channel in the normalisation of the images.
        std: Standard deviation of each channel in the normalisation of the images.

    Source:
        Kim et al. 2022 (IDC), the training of networks on ImageNet, with the ranges of the
        released code: crops of half the area or more, brightness, contrast and saturation by up
        to 0.4 in a random order, lighting of deviation 0.1 (Krizhevsky et al. 2012). Differs:
        images of one channel get no lighting; there is no global random state.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ConfigError(
                f"mean has {len(self.mean)} and std {len(self.std)} channels, but photographs have "
                "1 or 3, and both as many."
            )

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Draw a seed, from which the parameters of every batch are drawn."""
        seed = int(torch.randint(2**62, (), generator=rng))

        def shown(images: Tensor) -> Tensor:
            own = torch.Generator().manual_seed(seed)
            count, side = len(images), (images.shape[2], images.shape[3])
            tries = torch.rand(count, _TRIES, 4, dtype=torch.float64, generator=own)
            rest = torch.rand(count, 5, dtype=torch.float64, generator=own)
            bulbs = torch.randn(count, 3, dtype=torch.float64, generator=own)
            window = sent(images.device, torch.stack(boxes(tries, side=side)))
            images = resized_crop(images, *window.unbind(0))
            images = flip(images, flipped=rest[:, 0] < 0.5)
            order = (rest[:, 1] * len(_ORDERS)).long().clamp(max=len(_ORDERS) - 1)
            weights = jitter_weights((2 * rest[:, 2:] - 1) * _STRENGTH, order=order)
            return self._lit(images, weights, lighting(bulbs * _LIGHT))

        return shown

    def _lit(self, images: Images, weights: Tensor, light: Tensor) -> Images:
        """Jitter and light pixels, and normalise them again."""
        mean, std = (_column(values, images) for values in (self.mean, self.std))
        weights = sent(images.device, weights.to(images.dtype))
        own, grey, level = (part[:, None, None, None] for part in weights.unbind(1))
        pixels = images * std + mean
        shade = pixels
        if images.shape[1] == 3:
            shade = (pixels * _column(_GREY, images)).sum(dim=1, keepdim=True)
            mean = mean - light[:, :, None, None].to(images)
        pixels = own * pixels + grey * shade + level * shade.mean(dim=(2, 3), keepdim=True)
        return (pixels - mean) / std


def boxes(
    tries: Float[Tensor, "draw try four"], *, side: tuple[int, int]
) -> tuple[Int[Tensor, "draw"], Int[Tensor, "draw"], Int[Tensor, "draw"], Int[Tensor, "draw"]]:
    """Top, left, height and width of the cropped windows, in pixels.

    The area is at least half of the image, and the ratio 3 : 4 to 4 : 3 (uniform in its logarithm).
    The first try inside the image is used; if there is none, the largest window with such a ratio.

    Args:
        tries: Uniform numbers in [0, 1): area, ratio, row and column of each try.
        side: Height and width of the image.
    """
    height, width = side
    area = height * width * (_LEAST_AREA + (1 - _LEAST_AREA) * tries[..., 0])
    ratio = torch.exp((2 * tries[..., 1] - 1) * math.log(_LARGEST_RATIO))
    tall, wide = (area / ratio).sqrt().round().long(), (area * ratio).sqrt().round().long()
    fits = (tall <= height) & (wide <= width)
    first = fits.to(torch.int8).argmax(dim=1, keepdim=True)
    found = fits.any(dim=1)
    largest = (min(to, round(across * _LARGEST_RATIO)) for to, across in (side, side[::-1]))
    sizes = [
        torch.where(found, own.gather(1, first)[:, 0], other)
        for own, other in zip((tall, wide), largest, strict=True)
    ]
    corners = [
        torch.where(
            found, (place.gather(1, first)[:, 0] * (length - own + 1)).long(), (length - own) // 2
        )
        for place, length, own in zip(tries[..., 2:].unbind(2), side, sizes, strict=True)
    ]
    return corners[0], corners[1], sizes[0], sizes[1]


def resized_crop(
    images: Images,
    top: Int[Tensor, "draw"],
    left: Int[Tensor, "draw"],
    height: Int[Tensor, "draw"],
    width: Int[Tensor, "draw"],
) -> Images:
    """Enlarge a window of every image to the whole image; bilinear, its border is repeated."""
    rows, columns = images.shape[2:]
    dtype = torch.promote_types(images.dtype, torch.float32)

    def at(length: int, start: Tensor, part: Tensor) -> Tensor:
        start, part = (
            start.to(images.device, dtype)[:, None],
            part.to(images.device, dtype)[:, None],
        )
        pixel = torch.arange(length, device=images.device, dtype=dtype)
        within = ((pixel + 0.5) * part / length - 0.5).clamp(min=0)
        return (2 * (start + torch.minimum(within, part - 1)) + 1) / length - 1

    return look_at(images, at(columns, left, width)[:, None, :], at(rows, top, height)[:, :, None])


def jitter_weights(
    shares: Float[Tensor, "draw three"], *, order: Int[Tensor, "draw"]
) -> Float[Tensor, "draw three"]:
    """The weights of a pixel, its grey value and the mean grey value of the image after jitter.

    Brightness moves a pixel by a share towards black, contrast towards the mean grey value of the
    image, and saturation towards the grey value of the pixel. All are linear in these three values,
    and so is their composition; the slow reference applies one after the other.

    Args:
        shares: Shares of brightness, contrast and saturation; a negative share moves away.
        order: Which of the six orders is used.
    """
    orders = torch.tensor(_ORDERS)[order]  # [draw, place]
    own = torch.ones(len(shares), dtype=shares.dtype)
    grey, level = torch.zeros_like(own), torch.zeros_like(own)
    for place in orders.unbind(1):
        share = shares.gather(1, place[:, None])[:, 0]
        bright, contrast, rest = place == 0, place == 1, 1 - share
        whole, both = own + grey + level, own + grey
        level = torch.where(
            bright, rest * level, torch.where(contrast, rest * level + share * whole, level)
        )
        grey = torch.where(bright | contrast, rest * grey, rest * grey + share * both)
        own = rest * own
    return torch.stack([own, grey, level], dim=1)


def lighting(bulbs: Float[Tensor, "draw three"]) -> Float[Tensor, "draw channel"]:
    """The offset of red, green and blue, along the principal directions of the ImageNet colours."""
    vectors = torch.tensor(_VECTORS, dtype=bulbs.dtype)
    return (bulbs * torch.tensor(_VALUES, dtype=bulbs.dtype)) @ vectors.T


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return on(like.device, torch.tensor(values, dtype=like.dtype)[:, None, None])
