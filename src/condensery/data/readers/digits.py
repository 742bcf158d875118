"""The 1,797 handwritten digits, 8 x 8 grey, that travel with the package as ``digits.npz``.

They are the test part of the *Optical Recognition of Handwritten Digits* data set by
E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998 (doi 10.24432/C50P49),
licensed CC BY 4.0; the same images in the same order as ``sklearn.datasets.load_digits``.
The file keeps the original values 0..16. Changed here: scaled to bytes by
``round(value * 255 / 16)``.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch

from condensery.data.source import Part, Source

__all__ = ["read"]


def read() -> Source:
    """Read the digits; they have no test split of their own."""
    with (
        (files("condensery.data.readers") / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        values, labels = stored["images"], stored["labels"]
    scaled = np.rint(values.astype(np.float64) * 255 / 16).astype(np.uint8)
    part = Part(
        images=torch.from_numpy(scaled)[:, None],
        labels=torch.from_numpy(labels.astype(np.int64)),
    )
    return Source(title="digits", train=part)
