"""Labelled images of one split, stored as bytes; and the two splits of a data set."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from condensery.data.skipped import Skipped, remarks
from condensery.errors import DataError
from condensery.placed import on, sent


class Whitening(Protocol):
    """A fitted linear map of standardised images; ``whitened`` of this package fits one."""

    @property
    def kind(self) -> str:
        """Its name in recipes."""
        ...

    def __call__(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example channel height width"]:
        """Whiten standardised images; keeps dtype, device and graph."""
        ...

    def to_json(self) -> dict[str, Any]:
        """How to fit it again, for a condensed file."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageData:
    """One split of a data set, stored as ``uint8``.

    Attributes:
        name: Name of the data set, for example ``"cifar10"``.
        images: ``[image, channel, height, width]``, ``uint8``; 255 is 1.0. On any device.
        labels: ``int64``, ``[image]``, in ``0..classes - 1``; always on the CPU.
        class_names: One name for each class.
        mean: Mean of each channel of pixels in [0, 1]. Always that of the *train* split, or the
            published constants of a known data set.
        std: Standard deviation of each channel, as ``mean``; never 0.
        whitening: The whitening that ``normalise`` applies after mean and std; see ``whitened``.
        skipped: Images and files of all splits that were skipped; see ``Data``.
        notices: Sentences about doubtful input; see ``Data``.
        value_range: The stored pixel values that became 0 and 255, if the user gave them.
    """

    name: str
    images: UInt8[Tensor, "image channel height width"]
    labels: Int[Tensor, "image"]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    whitening: Whitening | None = None
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", self.labels.cpu())
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or 0 in shape:
            raise DataError(
                f"{self.name}: images are {self.images.dtype} of shape {shape}, but ImageData "
                "keeps uint8 [image, channel, height, width] without an empty axis. "
                "load_data((images, labels)) converts other arrays."
            )
        if self.labels.dtype != torch.int64 or tuple(self.labels.shape) != shape[:1]:
            raise DataError(
                f"{self.name}: labels are {self.labels.dtype} of shape "
                f"{tuple(self.labels.shape)}, but {shape[0]} images need int64 [{shape[0]}]."
            )
        if not (len(self.mean) == len(self.std) == shape[1]) or min(self.std) <= 0:
            raise DataError(
                f"{self.name}: mean {self.mean} and std {self.std} do not fit {shape[1]} "
                "channel(s); give one value a channel, std above 0."
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            raise DataError(
                f"{self.name}: labels run from {low} to {high}, but {len(self.class_names)} "
                f"class names allow only 0..{len(self.class_names) - 1}."
            )

    def __getstate__(self) -> dict[str, Any]:
        """The images as NumPy arrays, which the processes of one machine can read in place."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in ("images", "labels")}
        return {k: v for k, v in vars(self).items() if k != "_positions"} | arrays

    def __setstate__(self, state: dict[str, Any]) -> None:
        with warnings.catch_warnings():  # arrays that cannot be written to; nothing writes here
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = {name: torch.from_numpy(state[name]) for name in ("images", "labels")}
        vars(self).update({**state, **tensors})

    def __len__(self) -> int:
        return self.images.shape[0]

    def record(self) -> dict[str, Any]:
        """The facts about these images for a condensed file, as JSON values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "images": len(self),
            "classes": self.classes,
            **({} if self.value_range is None else {"value_range": list(self.value_range)}),
            **remarks(self.skipped, self.notices),
        }

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.images.shape[1]

    @property
    def side(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[2], self.images.shape[3]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of shape, pixels and labels in this order; 32 hexadecimal digits.

        Sources with equal pixels, such as IDX files and a Parquet file of one data set, have equal
        fingerprints, which do not depend on names and statistics.
        """
        content = hashlib.blake2b(digest_size=16)
        content.update(",".join(str(extent) for extent in self.images.shape).encode())
        content.update(self.images.cpu().contiguous().numpy().data)
        content.update(self.labels.cpu().contiguous().numpy().astype("<i8").tobytes())
        return content.hexdigest()

    def counts(self) -> Int[Tensor, "class_"]:
        """Number of images of every class."""
        return torch.bincount(self.labels, minlength=self.classes)

    @cached_property
    def _positions(self) -> tuple[Tensor, ...]:
        order = torch.argsort(self.labels, stable=True)
        return tuple(order.split(self.counts().tolist()))

    def of_class(self, class_: int) -> Int[Tensor, "image"]:
        """Positions of the images of a class, in data set order."""
        return self._positions[class_]

    def pixels(
        self, index: Int[Tensor, "example"] | slice
    ) -> Float[Tensor, "example channel height width"]:
        """The images at ``index`` as ``float32`` in [0, 1], on the device of ``images``."""
        at = index if isinstance(index, slice) else sent(self.images.device, index)
        return self.images[at].to(torch.float32).div_(255)

    def normalise(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example channel height width"]:
        """Map images in [0, 1] to mean 0 and deviation 1, and whiten them if there is a whitening.

        Keeps dtype, device and graph.
        """
        standard = (images - _column(self.mean, like=images)) / _column(self.std, like=images)
        return standard if self.whitening is None else self.whitening(standard)

    def to(self, device: torch.device | str) -> ImageData:
        """The same data with its images on another device; labels stay on the CPU."""
        moved = replace(self, images=self.images.to(device))
        known = vars(self).get("fingerprint")
        return moved if known is None else moved.with_fingerprint(known)

    def with_fingerprint(self, fingerprint: str) -> ImageData:
        """The same data with a fingerprint that is known, so that nothing is hashed again.

        ``dataclasses.replace`` leaves it out, because it makes other data.
        """
        same = replace(self)
        vars(same)["fingerprint"] = fingerprint
        return same


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """A data set: the split to condense and the split to evaluate on.

    Attributes:
        name: Name of the data set.
        train: The images to condense.
        test: Images that condensation never uses, with the same classes, channels, side and
            statistics.
        skipped: Images and files that were skipped, each with the reason.
        notices: Sentences about doubtful input; ``load_data`` also gives each as a warning.
        mapped: The file of mapped decoded images; ``None`` if they are in memory.
        loaded_by: The arguments of ``load_data`` that give this data again, with ``folder``, to
            which relative paths belong; ``None`` if images were given as objects.
    """

    name: str
    train: ImageData
    test: ImageData
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()
    mapped: str | None = None
    loaded_by: Mapping[str, Any] | None = None


def _column(values: tuple[float, ...], *, like: Tensor) -> Tensor:
    return on(like.device, torch.tensor(values, dtype=like.dtype)[:, None, None])
