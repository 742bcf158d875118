"""The nearest real image of the same class for some images of a set: is an image a copy?

The distance is the root of the mean squared difference of the pixels, in [0, 1]. It is set against
the distance that real images of the class have to their own nearest neighbours. Knows nothing about
files or pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.data import ImageData
from condensery.report.tiles import encoded, rgb, shown_classes

MOST = 40
"""Images of a set that are compared."""

_CHUNK = 512
_REFERENCES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestPair:
    """A training image of the set and the real image that is nearest to it.

    Attributes:
        name: Name of the class.
        rank: Number of the image in its class, from 1.
        made: The image as a data address.
        real: The real image as a data address.
        ratio: Its distance to the real image, divided by the median distance between a real image
            of the class and its nearest neighbour. 0 is an exact copy, 1 is as far as real images
            are from each other.
    """

    name: str
    rank: int
    made: str
    real: str
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The compared images, by class and rank."""

    pairs: tuple[NearestPair, ...]

    @property
    def close(self) -> int:
        """Number of images that are less than half as far from a real one as real ones are."""
        return sum(pair.ratio < 0.5 for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        """The pairs as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Nearest:
        """Read what ``to_json`` wrote."""
        return Nearest(pairs=tuple(NearestPair(**each) for each in values["pairs"]))


def nearest_real(condensed: CondensedSet, data: ImageData, *, most: int = MOST) -> Nearest:
    """Compare images of a set, as they are trained on, with all real images of their class.

    If a stored image is decoded to several training images, the one that is nearest to a real image
    is shown.

    Args:
        condensed: The set.
        data: The real training images, with the classes of the set in the same order.
        most: Images that are compared: the first ranks of all classes, or the first image of evenly
            spaced classes if there are more.
    """
    classes = condensed.classes
    each = max(1, most // classes)
    decoded = condensed.decode(min(each, condensed.sizes))
    pairs: list[NearestPair] = []
    for class_ in shown_classes(condensed, most=most):
        own = (decoded.class_ == class_).nonzero().flatten()
        if len(own) and len(data.of_class(class_)) > 1:
            pairs += _of_class(
                condensed.class_names[class_],
                decoded.images[own].cpu(),
                decoded.rank[own].cpu(),
                data,
                data.of_class(class_),
            )
    return Nearest(pairs=tuple(pairs))


def _of_class(
    name: str,
    images: Float[Tensor, "example channel height width"],
    ranks: Int[Tensor, "example"],
    data: ImageData,
    real: Int[Tensor, "image"],
) -> Sequence[NearestPair]:
    """The pairs of one class."""
    step = max(1, len(real) // _REFERENCES)
    references = real[::step][:_REFERENCES]
    queries = torch.cat([images.float(), data.pixels(references).cpu()]).flatten(1)
    best = torch.full((len(queries),), torch.inf)
    at = torch.zeros(len(queries), dtype=torch.int64)
    for index in real.split(_CHUNK):
        distance = torch.cdist(queries, data.pixels(index).cpu().flatten(1))
        same = references.cpu()[:, None] == index.cpu()[None, :]
        distance[len(images) :][same] = torch.inf
        low, where = distance.min(dim=1)
        better = low < best
        best[better], at[better] = low[better], index.cpu()[where][better]
    exact = _apart(queries, data.pixels(at).cpu().flatten(1))  # products cancel near 0
    usual = median(exact[len(images) :].tolist()) or 1.0
    pairs: list[NearestPair] = []
    for rank in ranks.unique().tolist():
        own = (ranks == rank).nonzero().flatten()
        nearest = own[best[own].argmin()]
        found = data.pixels(at[nearest][None])[0].cpu()
        pairs.append(
            NearestPair(
                name=name,
                rank=rank + 1,
                made=encoded(Image.fromarray(rgb(images[nearest].clamp(0, 1)))),
                real=encoded(Image.fromarray(rgb(found))),
                ratio=round(float(exact[nearest]) / usual, 3),
            )
        )
    return pairs


def _apart(
    one: Float[Tensor, "example pixel"], other: Float[Tensor, "example pixel"]
) -> Float[Tensor, "example"]:
    return (one - other).square().mean(dim=1).sqrt()
