"""A memory of condensed images for continual learning, with a fixed number of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from condensery import quantities
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.joining import check_joinable, joined
from condensery.errors import ConfigError


class ReplayMemory:
    """Condensed images of all classes seen so far, in at most ``budget`` bytes.

    When new classes arrive, every class is cut to the same number of images, the largest one that
    fits. Cutting takes a prefix of each class. Therefore it needs neither the original data nor
    time, and with nested sets (``mdc``, ``nested``) what remains is a good set of its size.

    Args:
        budget: Bytes of the stored images, labels and ranks, or text such as ``"300k"``; without
            the header of a file.

    Raises:
        ConfigError: If the budget is not above 0.

    Example:
        >>> memory = ReplayMemory(budget="300k")                          # doctest: +SKIP
        >>> for task in tasks:                                             # doctest: +SKIP
        ...     memory.add(condense(task, method="nested", ipc=50).result())
        ...     train(memory.as_dataloader(normalise=True))
    """

    def __init__(self, budget: int | str) -> None:
        self.budget = quantities.amount(budget) if isinstance(budget, str) else budget
        if self.budget <= 0:
            raise ConfigError(f"budget = {budget!r} leaves no byte. Give a number above 0.")
        self._held: CondensedSet | None = None

    def add(self, condensed: CondensedSet) -> int:
        """Add the classes of a set, and cut every class so that all of them fit.

        Args:
            condensed: Images of classes that the memory does not have yet.

        Returns:
            The number of images per class from now on.

        Raises:
            ConfigError: If a class is already in the memory, images differ in shape or decoding, or
                not even one image per class fits. The memory is then as it was.
        """
        check_joinable(condensed)
        held = self._held
        whole = condensed if held is None else joined([held, condensed], name="replay memory")
        most = condensed.sizes if held is None else min(held.sizes, condensed.sizes)
        fitting = [size for size in range(1, most + 1) if whole.bytes_of(size) <= self.budget]
        if not fitting:
            raise ConfigError(
                f"One image of each of {whole.classes} classes takes {whole.bytes_of(1):,} bytes, "
                f"but the budget is {self.budget:,}. Give a larger budget, or condense to smaller "
                "images or fewer bits."
            )
        self._held = whole.take(fitting[-1])
        return fitting[-1]

    @property
    def condensed(self) -> CondensedSet:
        """All images as one condensed set.

        Raises:
            ConfigError: If nothing was added yet.
        """
        if self._held is None:
            raise ConfigError("The memory is empty: add a condensed set first.")
        return self._held

    @property
    def ipc(self) -> int:
        """Images per class; 0 if the memory is empty."""
        return 0 if self._held is None else self._held.sizes

    @property
    def bytes(self) -> int:
        """Bytes in use."""
        return 0 if self._held is None else self._held.bytes_of(self.ipc)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order in which they came."""
        return () if self._held is None else self._held.class_names

    def as_dataset(self, **choices: Any) -> Dataset[tuple[Tensor, ...]]:  # noqa: ANN401
        """The training images; choices as in ``CondensedSet.as_dataset``."""
        return self.condensed.as_dataset(**choices)

    def as_dataloader(self, **choices: Any) -> DataLoader[tuple[Tensor, ...]]:  # noqa: ANN401
        """The training images in batches; choices as in ``CondensedSet.as_dataloader``."""
        return self.condensed.as_dataloader(**choices)

    def save(self, path: str | Path) -> None:
        """Write the images as a condensed file, atomically."""
        self.condensed.save(path)

    @classmethod
    def load(cls, path: str | Path, budget: int | str) -> ReplayMemory:
        """A memory with the images of a condensed file, cut to the budget."""
        memory = cls(budget)
        memory.add(CondensedSet.load(path))
        return memory

    def __len__(self) -> int:
        return 0 if self._held is None else len(self._held)

    def __repr__(self) -> str:
        return (
            f"ReplayMemory({len(self.class_names)} classes, {self.ipc} images per class, "
            f"{self.bytes:,} of {self.budget:,} bytes)"
        )
