"""The two data sets that travel with the package, each an ``.npz`` file beside this module.

``digits``: 1,797 handwritten digits, 8 x 8, grey; the test part of *Optical Recognition of
Handwritten Digits* by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998 (doi
10.24432/C50P49), licensed CC BY 4.0; the same images in the same order as
``sklearn.datasets.load_digits``. The file has the original values 0..16. Changed here: scaled to
bytes by ``round(value * 255 / 16)``.

``fashion-mini``: of Fashion-MNIST (H. Xiao, K. Rasul and R. Vollgraf, arXiv 1708.07747; copyright
2017 Zalando SE, MIT licence, ``fashion_mini.LICENSE``) the first 500 training images and the first
100 test images of each class, 28 x 28, grey, unchanged and in their order.
``benchmarks/make_fashion_mini.py`` writes the file.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch
from jaxtyping import UInt8

from condensery.data.source import Source, Split


def read(name: str) -> Source:
    """Read a data set of the package.

    Args:
        name: One of ``EMBEDDED``. The digits have no test split of their own.
    """
    with (
        (files("condensery.data.readers") / f"{name.replace('-', '_')}.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        arrays = dict(stored)
    if name == "digits":
        scaled = np.rint(arrays["images"].astype(np.float64) * 255 / 16).astype(np.uint8)
        return Source(title=name, train=_split(scaled, arrays["labels"]))
    return Source(
        title=name,
        train=_split(arrays["train_images"], arrays["train_labels"]),
        test=_split(arrays["test_images"], arrays["test_labels"]),
    )


def _split(images: UInt8[np.ndarray, "image height width"], labels: np.ndarray) -> Split:
    return Split(
        images=torch.from_numpy(images)[:, None], labels=torch.from_numpy(labels.astype(np.int64))
    )
