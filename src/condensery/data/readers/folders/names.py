"""What the names of files and folders say: a split, no more than "images", masks, or lists."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["train", "val", "test"]

_WORDS: dict[Kind, tuple[str, ...]] = {
    "train": ("train", "training", "trainset", "trn"),
    "val": ("val", "valid", "validation", "validate", "valset", "dev"),
    "test": ("test", "testing", "testset", "tst"),
}
_KINDS: dict[str, Kind] = {word: kind for kind, words in _WORDS.items() for word in words}
_CONTAINERS = frozenset(
    {
        *("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpegimages"),
        *("data", "dataset", "datasets", "set", "jpg", "jpeg", "png", "raw", "all", "classes"),
        *("object", "objects", "categories", "cls", "loc"),
    }
)
_COMPANIONS = frozenset(
    {
        *("annotation", "annotations", "labels", "meta", "metadata", "lists", "docs", "parts"),
        *("attributes", "devkit", "code", "scripts", "bbox", "bboxes", "imagesets", "splits"),
    }
)
_MASK_FOLDER = re.compile(
    r"(seg(mentation)?|ground[-_ ]?truth)?[-_ ]?(masks?|annotations?|segmentations?|segs?|"
    r"trimaps?|gts?|ground[-_ ]?truths?|labels?)",
    re.IGNORECASE,
)
_MASK_OF = re.compile(
    r"(?P<of>.+?)[-_ ](mask|seg|segmentation|annotation|gt|trimap)([-_ ]?\d+)?", re.IGNORECASE
)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: ``("train", "labels")`` of ``trainLabels``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(word for word in re.split(r"[^a-z]+", apart.lower()) if word)


def kind_of(name: str) -> Kind | None:
    """The split that a name says: ``"train"`` of ``seg_train``; ``None`` if none, or several."""
    kinds: set[Kind] = {_KINDS[word] for word in words_of(name) if word in _KINDS}
    return kinds.pop() if len(kinds) == 1 else None


def rest_of(name: str) -> tuple[str, ...]:
    """The words of a name that do not say a split: ``("seg",)`` of ``seg_train``."""
    return tuple(word for word in words_of(name) if word not in _KINDS)


def is_container(name: str) -> bool:
    """Whether a name says that a folder holds images, and nothing about their class."""
    words = words_of(name)
    return bool(words) and all(word in _CONTAINERS or word in _KINDS for word in words)


def is_companion(name: str) -> bool:
    """Whether a folder of this name usually accompanies images, such as ``annotations``."""
    return bool(_COMPANIONS & set(words_of(name))) or is_mask_folder(name)


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name usually holds masks, such as ``masks``."""
    return _MASK_FOLDER.fullmatch(name) is not None


def image_of(stem: str) -> str | None:
    """The stem of the image that a mask belongs to: ``"x"`` of ``"x_mask"``, else ``None``."""
    masked = _MASK_OF.fullmatch(stem)
    return masked["of"] if masked else None
