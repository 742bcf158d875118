"""Single augmentations: functions of images and explicit parameters, without random draws.

Every operation takes parameters of length 1 (shared by all images) or one for each image; they may
be on the CPU. All operations are differentiable in the images. Images are normalised, so a fill of
zero is the mean colour of the data set, and offsets are in units of its standard deviation.

Knows nothing about ranges, random numbers or the order in which operations are combined.

Source:
    Zhao, Bilen 2021, *Dataset Condensation with Differentiable Siamese Augmentation*,
    the family of transformations of its experiments, with the ranges of the released code
    (see ``composition``). Differs: nothing in value; crop moves pixels by indexing and scale and
    rotate build their grids without a loop over images.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

Images = Float[Tensor, "example channel height width"]


def _per_image(parameter: Tensor, images: Tensor) -> Tensor:
    """``[draw]`` -> ``[draw, 1, 1, 1]``, with the dtype and the device of the images."""
    return parameter.to(device=images.device, dtype=images.dtype)[:, None, None, None]


def _only(images: Images, mask: Bool[Tensor, "draw height width"]) -> Images:
    """Zero what the mask leaves out: a product, 6 times faster on a CPU than ``masked_fill``."""
    return images * mask[:, None].to(images.dtype)


def brightness(images: Images, *, offset: Float[Tensor, "draw"]) -> Images:
    """Add ``offset`` to every pixel."""
    return images + _per_image(offset, images)


def saturation(images: Images, *, factor: Float[Tensor, "draw"]) -> Images:
    """Scale colours around the grey value (channel mean) of their pixel.

    Images of one channel do not change.
    """
    grey = images.mean(dim=1, keepdim=True)
    return grey + _per_image(factor, images) * (images - grey)


def contrast(images: Images, *, factor: Float[Tensor, "draw"]) -> Images:
    """Scale all values around the mean of their image."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + _per_image(factor, images) * (images - mean)


def color(
    images: Images,
    *,
    offset: Float[Tensor, "draw"],
    saturation: Float[Tensor, "draw"],
    contrast: Float[Tensor, "draw"],
) -> Images:
    """Brightness, then saturation, then contrast, in two passes over the pixels instead of six.

    All three are affine in a pixel, its grey value and the mean of its image, and so is their
    composition. The slow reference calls the three functions one after the other.
    """
    light, colour, stretch = (_per_image(part, images) for part in (offset, saturation, contrast))
    grey = images.mean(dim=1, keepdim=True)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    shared = torch.addcmul(light + (1 - stretch) * mean, grey, stretch * (1 - colour))
    return torch.addcmul(shared, images, stretch * colour)


def flip(images: Images, *, flipped: Bool[Tensor, "draw"]) -> Images:
    """Mirror left and right where ``flipped``."""
    if len(flipped) == 1:
        return images.flip(3) if bool(flipped) else images
    where = flipped.to(images.device)[:, None, None, None]
    return torch.where(where, images.flip(3), images)


def crop(images: Images, *, rows: Int[Tensor, "draw"], columns: Int[Tensor, "draw"]) -> Images:
    """Show at pixel ``(i, j)`` the pixel ``(i + rows, j + columns)``; zero outside the image."""
    height, width = images.shape[2:]
    if len(rows) == 1:
        down, right = int(rows), int(columns)
        # Negative padding cuts off: one call moves the window over the image.
        return functional.pad(images, (-right, right, -down, down))
    device = images.device
    row = torch.arange(height, device=device) + rows.to(device)[:, None]  # [example, height]
    column = torch.arange(width, device=device) + columns.to(device)[:, None]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None]
    at = row.clamp(0, height - 1)[:, :, None] * width + column.clamp(0, width - 1)[:, None]
    at = at.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return _only(images.flatten(2).gather(2, at).view_as(images), inside)


def cutout(images: Images, *, rows: Int[Tensor, "draw"], columns: Int[Tensor, "draw"]) -> Images:
    """Zero a box of half the height and width (rounded half up) centred at ``(rows, columns)``.

    The box is cut off at the border. Its pixels start at ``centre - side // 2``, ``side`` of them.
    """

    def hit(length: int, centre: Tensor) -> Tensor:
        side = math.floor(length * 0.5 + 0.5)
        start = centre.to(images.device)[:, None] - side // 2
        pixel = torch.arange(length, device=images.device)
        return (pixel >= start) & (pixel < start + side)  # [draw, length]

    height, width = images.shape[2:]
    box = hit(height, rows)[:, :, None] & hit(width, columns)[:, None, :]
    return _only(images, ~box)


def _axes(images: Images) -> tuple[Tensor, Tensor, torch.dtype]:
    """Pixel centres ``[width]`` and ``[height, 1]``, where -1 and 1 are the outer edges."""
    dtype = torch.promote_types(images.dtype, torch.float32)
    height, width = images.shape[2:]
    x = (torch.arange(width, device=images.device, dtype=dtype) * 2 + 1) / width - 1
    y = (torch.arange(height, device=images.device, dtype=dtype) * 2 + 1) / height - 1
    return x, y[:, None], dtype


def look_at(images: Images, x: Tensor, y: Tensor) -> Images:
    """Sample the images at coordinates that broadcast to ``[draw, height, width]``.

    Bilinear, zero outside. Callers compute the coordinates without ``affine_grid``, whose matrix
    product is rounded to half precision in an autocast region; for the same reason, images of half
    precision are sampled in single precision.
    """
    grid = torch.stack(torch.broadcast_tensors(x, y), dim=3)
    shown = functional.grid_sample(
        images.to(grid.dtype),
        grid.expand(len(images), -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return shown.to(images.dtype)


def scale(images: Images, *, x: Float[Tensor, "draw"], y: Float[Tensor, "draw"]) -> Images:
    """Multiply the sampling coordinates by ``x`` and ``y``; a factor below 1 enlarges the image."""
    across, down, dtype = _axes(images)
    by_x, by_y = (part.to(images.device, dtype)[:, None, None] for part in (x, y))
    return look_at(images, by_x * across, by_y * down)


def rotate(
    images: Images, *, degrees: Float[Tensor, "draw"], turn: tuple[Tensor, Tensor] | None = None
) -> Images:
    """Rotate the sampling coordinates by ``degrees``, in units of half the height and width.

    ``turn`` is the cosine and the sine of ``degrees``, if they are known on the device of images.
    """
    across, down, dtype = _axes(images)
    if turn is None:
        angle = torch.deg2rad(degrees.double())
        turn = angle.cos(), angle.sin()
    cos, sin = (part.to(images.device, dtype)[:, None, None] for part in turn)
    return look_at(images, cos * across - sin * down, sin * across + cos * down)
