"""The Gaussian kernel, in units that do not depend on the number of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError
from condensery.kernels.base import Kernel, vectors
from condensery.registry import register


@register("kernel", "rbf")
@dataclass(frozen=True, slots=True, kw_only=True)
class RBF(Kernel):
    """``exp(-|x - x'|^2 / (2 bandwidth^2 d))`` of images with ``d`` entries.

    Attributes:
        bandwidth: Root mean square difference at which two images are no longer similar, > 0.
            Two images of independent standardised pixels differ by ``sqrt(2)``.
    """

    bandwidth: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < float("inf"):
            raise ConfigError(
                f"kernel.bandwidth = {self.bandwidth}, but it must be a finite number above 0."
            )

    @staticmethod
    def of_median(images: Float[Tensor, "image ..."]) -> RBF:
        """The kernel whose bandwidth is the median root mean square difference of these images.

        Raises:
            ConfigError: If there are fewer than two, or most are equal.
        """
        flat = vectors(images)
        pairs = torch.nn.functional.pdist(flat) / flat.shape[1] ** 0.5
        return RBF(bandwidth=float(pairs.median()) if len(pairs) else 0.0)

    @property
    def name(self) -> str:
        """See ``Kernel.name``."""
        return f"rbf-{self.bandwidth:g}"

    def __call__(
        self, left: Float[Tensor, "left ..."], right: Float[Tensor, "right ..."]
    ) -> Float[Tensor, "left right"]:
        """See ``Kernel``."""
        x, y = vectors(left), vectors(right)
        squares = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)[None, :]
        apart = (squares - 2 * (x @ y.T)).clamp(min=0)
        return torch.exp(-apart / (2 * self.bandwidth**2 * x.shape[1]))
