"""The condensed set and its file: one safetensors file of which every prefix is a condensed set.

Rows are sorted by rank, then by class, so the set of size ``k`` is the first ``rows[k - 1]`` rows
of every tensor, a contiguous range of bytes (docs/artifact.md). Images are quantised before
they are evaluated, so that the measured images are those of the file.

Knows nothing about how a set was condensed: the recipe in its manifest is stored but not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from condensery.checkpoint import read_safetensors, write_atomically
from condensery.condensed.choosing import by_accuracy
from condensery.condensed.datasets import PerChannel, as_dataset
from condensery.condensed.hub import located
from condensery.condensed.manifest import (
    FORMAT,
    IMAGE_DTYPES,
    KEY,
    OPTIONAL,
    REQUIRED,
    bytes_by_size,
    check,
    check_format,
    check_size,
    cut,
    dumps,
    library_version,
    nested_rows,
    stored_tensors,
    words,
)
from condensery.errors import ArtifactError, ConfigError
from condensery.parameterizations import Parameterization, decoder
from condensery.rng import stream
from condensery.types import Examples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CondensedSet:
    """A condensed data set that contains every size from 1 to ``sizes`` images per class.

    The constructor checks that tensors and manifest agree.

    Attributes:
        stored: The stored tensors by name, not decoded and not normalised. By default only
            ``images``, ``[row, channel, height, width]``: uint8 (value / 255), or float16 or
            float32 in [0, 1].
        labels: Class index, int64 ``[row]``.
        rank: The smallest size that contains the row, minus one; int32 ``[row]``.
        soft_labels: Learned labels, float32 ``[row, class_]``, or ``None``.
        manifest: The JSON object of docs/artifact.md; a copy with the given order of keys.

    Raises:
        ArtifactError: If tensors and manifest disagree; names the field and both values.
    """

    stored: dict[str, Tensor]
    labels: Tensor
    rank: Tensor
    soft_labels: Tensor | None = None
    manifest: dict[str, Any]

    def __post_init__(self) -> None:
        try:
            own = json.loads(dumps(self.manifest))
        except (TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(f"manifest: cannot be written as JSON ({error}).") from error
        object.__setattr__(self, "manifest", own)
        object.__setattr__(self, "stored", dict(self.stored))
        check(self.tensors, own)

    @classmethod
    def from_stored(
        cls,
        stored: Examples,
        *,
        name: str,
        class_names: Sequence[str],
        decode: Mapping[str, object],
        mean: Sequence[float],
        std: Sequence[float],
        method: str,
        recipe: Mapping[str, Any],
        seed: int,
        data: Mapping[str, Any],
        created: str,
        dtype: torch.dtype = torch.uint8,
        zca: object = None,
        learned_lr: float | None = None,
        experts: Mapping[str, float] | None = None,
    ) -> CondensedSet:
        """A condensed set from stored images: they are quantised and sorted for the file.

        Args:
            stored: Images in [0, 1] (values outside are clamped), at most one row for each rank
                and class, on any device. Labels of shape ``[row, class_]`` are learned labels.
            name: Name of the set for people.
            class_names: One name for each class, in the order of the labels.
            decode: ``parameterization.decode_json()``.
            mean: Mean of each channel of the training data.
            std: Standard deviation of each channel of the training data.
            method: Name of the method, such as ``"mdc"``.
            recipe: The complete recipe, as JSON values.
            seed: Seed of the run.
            data: ``{"name", "fingerprint", "images", "classes"}`` of the training data.
            created: Time as text, from the clock of the caller.
            dtype: The dtype of the images in the file: uint8, float16 or float32.
            zca: How to compute the whitening, or ``None``.
            learned_lr: The learning rate that ``mtt`` learned, or ``None``.
            experts: ``{"experts", "epochs", "cpu_seconds"}`` of the networks that were trained on
                the data before the run, if there are any.

        Raises:
            ArtifactError: If an image is not finite, or the rows are not nested sets.
        """
        if dtype not in IMAGE_DTYPES:
            raise ConfigError(
                f"dtype = {dtype}, but a condensed set holds {words(IMAGE_DTYPES)} images."
            )
        soft = stored.labels.ndim == 2
        hard = stored.class_ if soft else stored.labels
        order = (stored.rank * len(class_names) + hard).argsort(stable=True)
        stored = stored.rows(order)
        stored = replace(
            stored.to("cpu"),
            images=stored.images.detach().cpu(),
            shared={name: tensor.detach().cpu() for name, tensor in stored.shared.items()},
        )
        for name_, tensor in {"images": stored.images, **stored.shared}.items():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise ArtifactError(
                    f"{name_}: found {bad} values that are NaN or infinite, expected 0."
                )
        parameterization = decoder(decode)
        stored = parameterization.project(stored)
        shape = tuple(parameterization.decode(stored).images.shape[1:])
        tensors = parameterization.to_file(stored, dtype=dtype)
        rank = stored.rank.detach().cpu().to(torch.int32)
        learned = stored.labels.detach().cpu().float().contiguous() if soft else None
        rows = nested_rows(rank)
        kinds = {key: "shared" if key in stored.shared else "rows" for key in tensors}
        return cls(
            stored=tensors,
            labels=hard[order].detach().cpu().to(torch.int64),
            rank=rank,
            soft_labels=learned,
            manifest={
                "format": FORMAT,
                "library_version": library_version(),
                "name": name,
                "class_names": list(class_names),
                "sizes": len(rows),
                "rows": rows,
                "decode": dict(decode),
                "tensors": kinds,
                "shape": list(shape),
                "examples_each": parameterization.examples_each,
                "mean": [float(x) for x in mean],
                "std": [float(x) for x in std],
                "zca": zca,
                "learned_lr": learned_lr,
                "method": method,
                "recipe": dict(recipe),
                "seed": seed,
                "data": dict(data),
                "observations": [],
                "bytes": bytes_by_size(tensors, kinds, learned, rows),
                "created": created,
                **({} if experts is None else {"experts": dict(experts)}),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> CondensedSet:
        """Read a condensed set from a file.

        Args:
            path: A path, or ``hf://USER/NAME`` for the set that ``push`` published on the Hugging
                Face Hub; ``hf://USER/NAME@REVISION/FILE`` with a revision and a file.

        Raises:
            ArtifactError: If the file is absent, truncated, too new or of another kind, or its
                tensors and metadata disagree; names the file, the field and both values. Also if a
                set of the Hub cannot be fetched.
            ConfigError: If a set of the Hub is asked for, but the extra ``hub`` is not installed.
        """
        path = located(path)
        tensors, metadata = read_safetensors(path)
        if KEY not in metadata:
            raise ArtifactError(
                f"{path}: is a safetensors file, but no condensed set: its metadata holds "
                f"{words(sorted(metadata))}, expected {KEY!r}."
            )
        try:
            try:
                manifest = json.loads(metadata[KEY])
            except (ValueError, RecursionError) as error:
                raise ArtifactError(f"manifest: is no JSON ({error}).") from error
            if not isinstance(manifest, dict):
                raise ArtifactError(
                    f"manifest: found a {type(manifest).__name__}, expected a dict."
                )
            check_format(manifest)  # first: a newer format may change all that follows
            names = tuple(stored_tensors(manifest))
            missing = [name for name in (*names, *REQUIRED) if name not in tensors]
            strange = sorted(tensors.keys() - {*names, *REQUIRED, *OPTIONAL})
            if missing or strange:
                raise ArtifactError(
                    f"tensors: found {words(sorted(tensors))}, expected "
                    f"{words((*names, *REQUIRED))} and perhaps {words(OPTIONAL)}."
                )
            stored = {name: tensors.pop(name) for name in names}
            return cls(stored=stored, **tensors, manifest=manifest)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error} Nothing was loaded.") from error

    def save(self, path: str | Path) -> None:
        """Write the file atomically; equal sets give equal bytes.

        Raises:
            ArtifactError: If it cannot be written; an existing file is then not changed.
        """
        write_atomically(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        return safetensors.torch.save(self.tensors, {KEY: dumps(self.manifest)})

    def take(self, ipc: int) -> CondensedSet:
        """The set of size ``ipc``: a prefix of the rows, with the observations up to that size.

        Raises:
            ConfigError: If ``ipc`` is not in 1..sizes, or a set with ``order="crop"`` would be cut.
        """
        manifest = cut(self.manifest, ipc)
        if ipc == self.sizes:
            return self
        count = self.rows[ipc - 1]
        soft = self.soft_labels
        kinds = stored_tensors(self.manifest)
        return CondensedSet(
            stored={  # own memory: the rest can be let go
                name: tensor[:count].clone() if kinds[name] == "rows" else tensor.clone()
                for name, tensor in self.stored.items()
            },
            labels=self.labels[:count].clone(),
            rank=self.rank[:count].clone(),
            soft_labels=None if soft is None else soft[:count].clone(),
            manifest=manifest,
        )

    def fit_bytes(self, budget: int) -> CondensedSet:
        """The set of the largest size whose file has at most ``budget`` bytes with its header.

        Raises:
            ConfigError: If the smallest size needs more; the message says how many bytes.
        """
        smallest = 1 if self.prefixes else self.sizes
        for ipc in range(self.sizes, smallest - 1, -1):
            # The tensors alone are a lower bound: most sizes are ruled out without writing them.
            if self.bytes_of(ipc) <= budget and len((fit := self.take(ipc)).to_bytes()) <= budget:
                return fit
        needed = len(self.take(smallest).to_bytes())
        cut = "; a set that decodes crop by crop cannot be cut" if not self.prefixes else ""
        raise ConfigError(
            f"budget = {budget} bytes, but the file of the smallest size that can be cut, "
            f"{smallest} per class, takes {needed} bytes{cut}. Give at least that many."
        )

    def fit_accuracy(self, share: float) -> CondensedSet:
        """The set of the smallest tested size with this share of the accuracy at full size.

        ``condensery.condensed.choosing.by_accuracy`` also gives the reason, and has options for the
        measurement.

        Raises:
            ConfigError: If the set was not evaluated at full size; the message says how to do it.
        """
        return self.take(by_accuracy(self.observations, share, largest=self.sizes).size)

    def decode(self, ipc: int | None = None) -> Examples:
        """The training images: float32 images in [0, 1], not normalised.

        Args:
            ipc: The size, in 1..sizes; the full size if ``None``.

        Returns:
            Examples whose ``rank`` is below ``ipc``. Labels are ``[example]``, or
            ``[example, class_]`` if the set has learned labels.
        """
        ipc = self.sizes if ipc is None else ipc
        self._check_size(ipc)
        parameterization = self.parameterization
        images, shared = parameterization.from_file(self.stored, shape=self.shape)
        stored = Examples(
            images=images,
            labels=self.labels if self.soft_labels is None else self.soft_labels,
            class_=self.labels,
            rank=self.rank.long(),
            shared=shared,
        )
        decoded = parameterization.decode(stored)
        decoded = decoded.rows(decoded.rank < ipc)  # a copy: the set stays as it is
        return decoded.with_images(decoded.images.clamp(0, 1))

    def decode_rows(self) -> tuple[Tensor, Tensor]:
        """The training images of all sizes, and the stored row of each.

        Returns:
            Images ``[example, channel, height, width]`` in [0, 1], and ``int64 [example]``.
        """
        images, shared = self.parameterization.from_file(self.stored, shape=self.shape)
        marked = Examples(
            images=images,
            labels=torch.arange(len(self)),
            class_=self.labels,
            rank=self.rank.long(),
            shared=shared,
        )
        decoded = self.parameterization.decode(marked)
        return decoded.images.clamp(0, 1), decoded.labels

    def as_dataset(
        self,
        ipc: int | None = None,
        *,
        normalise: bool | Callable[[Tensor], Tensor] = False,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> Dataset[tuple[Tensor, ...]]:
        """``decode(ipc)`` as a torch data set of pairs (image, label).

        Args:
            ipc: The size; ``None`` is the full size.
            normalise: ``True`` gives every channel ``(image - mean) / std`` with ``.mean`` and
                ``.std``; ``False`` leaves images in [0, 1]. A function normalises a batch in
                another way: ``data.train.normalise`` of loaded data also whitens.
            transform: Called with each image, float32 ``[channel, height, width]`` in [0, 1],
                whenever it is read and before it is normalised; such as an augmentation of
                ``torchvision.transforms.v2``.

        Returns:
            A map-style data set of images, float32 ``[channel, height, width]``, and labels: class
            indices, or learned labels ``[class_]``, which ``cross_entropy`` takes as well.

        Raises:
            ConfigError: If ``ipc`` is not in 1..sizes, or ``normalise`` is ``True`` for a set whose
                images are whitened.

        Example:
            ``condensed.as_dataset(5, normalise=True, transform=v2.RandomCrop(28, padding=2))``
        """
        return as_dataset(
            self.decode(ipc), normalise=self._normalisation(normalise), transform=transform
        )

    def as_dataloader(
        self,
        ipc: int | None = None,
        *,
        batch_size: int = 128,
        shuffle: bool = True,
        seed: int = 0,
        normalise: bool | Callable[[Tensor], Tensor] = False,
        transform: Callable[[Tensor], Tensor] | None = None,
        **options: Any,  # noqa: ANN401 - passed on
    ) -> DataLoader[tuple[Tensor, ...]]:
        """``as_dataset`` in batches.

        Args:
            ipc: As in ``as_dataset``.
            batch_size: Examples in a batch; the last batch of an epoch may have fewer.
            shuffle: Whether every epoch has another order.
            seed: Decides these orders; the global random state is not used for them.
            normalise: As in ``as_dataset``.
            transform: As in ``as_dataset``. What it draws follows the global random state, unless
                it has its own generator.
            options: Further arguments of ``torch.utils.data.DataLoader``, such as ``num_workers``.

        Returns:
            A loader of (images, labels).

        Raises:
            ConfigError: As ``as_dataset``.
        """
        data = self.as_dataset(ipc, normalise=normalise, transform=transform)
        order = stream(seed, "dataloader")
        return DataLoader(data, batch_size, shuffle=shuffle, generator=order, **options)

    def bytes_of(self, ipc: int) -> int:
        """Bytes of the rows of size ``ipc`` in all tensors, without the header of the file."""
        self._check_size(ipc)
        return self.manifest["bytes"][ipc - 1]

    def with_observations(self, observations: Sequence[Mapping[str, Any]]) -> CondensedSet:
        """The same set with these measurements in place of its own.

        Raises:
            ArtifactError: If a record has no ``size`` in 1..sizes.
        """
        manifest = {**self.manifest, "observations": [dict(x) for x in observations]}
        return replace(self, manifest=manifest)

    @property
    def observations(self) -> list[dict[str, Any]]:
        """The measurements, one record for each size and protocol; a copy."""
        return json.loads(dumps(self.manifest["observations"]))

    @property
    def images(self) -> Tensor:
        """A picture of every row for people, ``[row, channel, height, width]``.

        It is the stored image if pixels are stored: uint8 (value / 255), or floating point in
        [0, 1]; not decoded and not normalised.
        """
        return self.parameterization.pictures(self.stored, shape=self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a training image."""
        if "shape" not in self.manifest:  # format 1
            return cast("tuple[int, int, int]", tuple(self.stored["images"].shape[1:]))
        return cast("tuple[int, int, int]", tuple(self.manifest["shape"]))

    @property
    def parameterization(self) -> Parameterization:
        """The parameterization that decodes the stored images."""
        return decoder(self.manifest["decode"])

    @property
    def prefixes(self) -> bool:
        """Whether the set of every size is a prefix of the bytes of the file."""
        return self.parameterization.prefixes

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of the file, by name."""
        found = {**self.stored, "labels": self.labels, "rank": self.rank}
        return found if self.soft_labels is None else found | {"soft_labels": self.soft_labels}

    @property
    def sizes(self) -> int:
        """The largest size, in images per class; every size from 1 up to it is in the set."""
        return self.manifest["sizes"]

    @property
    def size(self) -> int:
        """Another name for ``sizes``."""
        return self.sizes

    @property
    def rows(self) -> list[int]:
        """Number of stored rows of the sizes 1, 2, ... ``sizes``."""
        return list(self.manifest["rows"])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.manifest["class_names"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels."""
        return tuple(self.manifest["class_names"])

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of the training data, of values in [0, 1]."""
        return tuple(self.manifest["mean"])

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, of the training data, of values in [0, 1]."""
        return tuple(self.manifest["std"])

    @property
    def name(self) -> str:
        """Name of the set for people."""
        return self.manifest["name"]

    @property
    def method(self) -> str:
        """The method that condensed the set."""
        return self.manifest["method"]

    @property
    def seed(self) -> int:
        """The seed of the run that condensed the set."""
        return self.manifest["seed"]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "x".join(str(x) for x in self.shape)
        stored = ", ".join(f"{name} {tensor.dtype}" for name, tensor in self.stored.items())
        return (
            f"CondensedSet({self.name!r}, method={self.method!r}, sizes=1..{self.sizes}, "
            f"classes={self.classes}, rows={len(self)}, images={shape}, stored={stored})"
        )

    def _normalisation(
        self, asked: bool | Callable[[Tensor], Tensor]
    ) -> Callable[[Tensor], Tensor] | None:
        if not isinstance(asked, bool):
            return asked
        if not asked:
            return None
        if self.manifest["zca"] is not None:
            raise ConfigError(
                "normalise=True, but this set was condensed for whitened images, and its file does "
                "not hold the whitening. Give normalise=whitened(load_data(DATA).train, "
                f"{self.manifest['zca'].get('kind')!r}).normalise, with whitened of "
                "condensery.data; or normalise=False."
            )
        return PerChannel(self.mean, self.std)

    def _check_size(self, ipc: int) -> None:
        check_size(ipc, sizes=self.sizes)
