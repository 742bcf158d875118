"""Crops of real images that a trained network classifies with the smallest loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from condensery.data import ImageData
from condensery.parameterizations import MultiFormation, Parameterization, Pixels, stored_rows
from condensery.rng import stream
from condensery.selection.order import BuiltImages, RuleOptions
from condensery.selection.training import ClassFeatures, logits_of
from condensery.types import Examples

TEACHER_STEPS = 1000
"""Default number of training steps of the network that scores crops."""

CANDIDATES = 300
CROPS = 5
_LEAST_AREA = 0.08
_SMALL = 64
"""Up to this side in pixels, a stored image is one crop; larger images consist of four crops."""

_FORWARD = 256


def rded(data: ImageData, options: RuleOptions) -> BuiltImages:
    """For every candidate image, the crop with the lowest loss, sorted by this loss.

    If a class has fewer images than the wanted number of crops, second best crops follow the best
    ones. A larger number extends the order up to ``CANDIDATES`` crops of a class.

    Source:
        Sun et al. 2024 (RDED), without its labels, which belong to the evaluation. Differs: a short
        training with the network update of IDC (paper: a complete training with batch norm); the
        four crops of an image are consecutive in the order, so that a prefix of images is a prefix
        of the order; crops stay in [0, 1].
    """
    factor = 1 if max(data.side) <= _SMALL else 2
    parameterization: Parameterization = MultiFormation(factor=factor) if factor > 1 else Pixels()
    logits_by = logits_of(ClassFeatures(data, options).network, data, options)
    counts = data.counts().cpu().clamp(max=options.ipc)
    images: list[Tensor] = []
    for class_, count in enumerate(counts.tolist()):
        if not count:
            continue
        rng = stream(options.seed, "selection", "rded", class_)
        own = data.of_class(class_)
        many = max(CANDIDATES, count * factor**2)
        own = own[torch.randperm(len(own), generator=rng)[:many].to(own.device)]
        crops = _crops(data.pixels(own).cpu(), factor, rng)  # [image, crop, ...]
        loss = _losses(logits_by, data, crops.flatten(0, 1), class_, factor, options).view(
            len(own), -1
        )
        best = loss.sort(dim=1, stable=True)
        turns = [best.values[:, turn].argsort(stable=True) for turn in range(CROPS)]
        chosen = torch.cat([crops[at, best.indices[at, turn]] for turn, at in enumerate(turns)])
        chosen = chosen[: count * factor**2]
        # Block k of what is packed fills position k, so four consecutive crops are apart there.
        order = torch.arange(len(chosen)).view(count, factor**2).T.flatten()
        full = functional.interpolate(chosen[order], size=data.side, mode="nearest")
        images.append(parameterization.pack(full) if factor > 1 else chosen)
    rank, label = stored_rows(counts)
    rows = torch.empty(len(rank), data.channels, *data.side)
    for own, class_ in zip(images, counts.nonzero()[:, 0].tolist(), strict=True):
        rows[label == class_] = own
    stored = Examples(images=rows, labels=label.clone(), class_=label, rank=rank)
    recipe = {"factor": factor, "crops": CROPS, "candidates": CANDIDATES}
    return BuiltImages(stored=stored, parameterization=parameterization, recipe=recipe)


def _crops(
    images: Float[Tensor, "image channel height width"], factor: int, rng: torch.Generator
) -> Float[Tensor, "image crop channel height width"]:
    """``CROPS`` random squares of each image, resized to its sides divided by ``factor``."""
    height, width = images.shape[2:]
    small = (-(-height // factor), -(-width // factor))
    area = _LEAST_AREA + (1 - _LEAST_AREA) * torch.rand(len(images), CROPS, generator=rng)
    side = (area * height * width).sqrt().round().long().clamp(1, min(height, width))
    place = torch.rand(2, len(images), CROPS, generator=rng)
    top = (place[0] * (height - side + 1)).long()
    left = (place[1] * (width - side + 1)).long()
    found = torch.empty(len(images), CROPS, images.shape[1], *small)
    for at, image in enumerate(images):
        for crop in range(CROPS):
            y, x, s = (int(extent[at, crop]) for extent in (top, left, side))
            found[at, crop] = functional.interpolate(
                image[None, :, y : y + s, x : x + s], size=small, mode="bilinear", antialias=True
            )[0]
    return found.clamp(0, 1)


def _losses(
    logits_by: Callable[[Tensor], Tensor],
    data: ImageData,
    crops: Tensor,
    class_: int,
    factor: int,
    options: RuleOptions,
) -> Float[Tensor, "crop"]:
    """Cross-entropy of every crop, in the centre of an image that has the mean colour elsewhere."""
    (height, width), (h, w) = data.side, crops.shape[2:]
    top, left = (height - h) // 2, (width - w) // 2
    around = (left, width - w - left, top, height - h - top)
    mean = torch.tensor(data.mean)[:, None, None]
    losses: list[Tensor] = []
    for part in crops.split(_FORWARD):
        shown = functional.pad(part - mean, around) + mean if factor > 1 else part
        logits = logits_by(data.normalise(shown).to(options.device)).float().cpu()
        label = torch.full((len(part),), class_)
        losses.append(functional.cross_entropy(logits, label, reduction="none"))
    return torch.cat(losses)
