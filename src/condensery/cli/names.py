"""Names that arguments may take, known without importing torch so that mistakes answer at once.

A test holds them to the tables they stand for.
"""

from __future__ import annotations

__all__ = [
    "DATA_SETS",
    "IMAGE_DTYPES",
    "IMPORTS",
    "LABELS",
    "METHODS",
    "PRECISIONS",
    "PRESETS",
    "PROTOCOLS",
    "SELECTIONS",
    "SIZES",
]

DATA_SETS = (
    *("digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"),
    *("imagenet-10", "imagenet-100", "imagenette", "imagewoof"),
    *("imagemeow", "imagesquawk", "imagefruit", "imageyellow"),
)
METHODS = ("mdc", "idc", "kip", "dc", "dsa", "dm", "dream", "mtt", "frepo", "nested")
PRESETS = ("smoke", "quick", "standard", "paper")
SIZES = ("one", "most-learnable", "all", "random")
PROTOCOLS = ("idc", "imagenet", "dc", "dsa", "mtt", "kip", "frepo")
PRECISIONS = ("fp32", "bf16")
IMPORTS = ("dc", "dsa", "dm", "mtt", "idc", "dream", "mdc", "kip", "folder")
IMAGE_DTYPES = ("uint8", "float16", "float32")
LABELS = ("hard", "soft")
SELECTIONS = ("random", "first", "herding", "k-center", "k-means", "forgetting")
