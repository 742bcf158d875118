"""What a torch data set says about its classes: their names in the order of its labels.

``classes`` may be a sequence, an array, a dict (index to name, or name to index), an ``Enum``, or
a method that returns one of these; ``class_to_idx`` is a dict; ``features`` are those of Hugging
Face. Where a ``Subset`` or a ``ConcatDataset`` says nothing, the data sets in it are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from torch.utils.data import ConcatDataset, Dataset, Subset

from condensery.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchClasses:
    """The classes of a torch data set."""

    names: tuple[str, ...] = ()  # one name a class; empty where they are not known
    # the label of every class, ascending, where labels are not 0, 1, 2, ...
    numbers: tuple[int, ...] | None = None
    # whether the data set is a part of another one, and may lack its last classes
    cut: bool = False
    notices: tuple[str, ...] = ()  # why names were not taken that seemed to be there

    @property
    def labels(self) -> Sequence[int]:
        """The label of every class."""
        return self.numbers or range(len(self.names))

    def named(self, highest: int) -> tuple[str, ...] | None:
        """The names of the classes up to the highest label; ``None`` where they are not known."""
        return (self.names[: highest + 1] if self.cut else self.names) or None


def declared(dataset: object) -> tuple[str | None, str | None]:
    """The keys of the image and of the class, as the ``features`` of Hugging Face declare them."""
    if isinstance(dataset, Subset):
        return declared(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        return declared(dataset.datasets[0])
    kinds = {name: type(kind).__name__ for name, kind in _features(dataset).items()}
    of_kind = [[n for n, k in kinds.items() if k == kind] for kind in ("Image", "ClassLabel")]
    image, label = (names[0] if len(names) == 1 else None for names in of_kind)
    return (
        "image" if "image" in kinds else image,
        next((name for name in ("label", label, "fine_label") if name in kinds), None),
    )


def _features(dataset: object) -> Mapping[str, Any]:
    try:
        features = getattr(dataset, "features", None)
    except MemoryError:
        raise
    except Exception:  # a property of another kind of data set
        return {}
    return features if isinstance(features, Mapping) else {}


def classes_of(dataset: object, *, title: str) -> TorchClasses:
    """Find the classes of a map-style data set, which errors call ``title``."""
    said: list[TorchClasses] = []
    notices: list[str] = []
    for attribute in ("classes", "class_to_idx"):
        try:
            value: Any = getattr(dataset, attribute, None)
            value = value() if callable(value) and not isinstance(value, type) else value
            found = _understood(value)
        except MemoryError:
            raise
        except Exception as error:
            why = f"raises {type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        else:
            if found is not None:
                said.append(found)
            if found is not None or value is None or isinstance(value, (int, float)):
                continue
            why = f"is a {type(value).__name__} that does not say which class has which name"
        notices.append(
            f"{title}: its {attribute!r} {why}, so it names no class. Name the classes in the "
            "order of the labels with classes=[...]."
        )
    feature = _features(dataset).get(declared(dataset)[1] or "")
    if names := getattr(feature, "names", None):
        said.append(TorchClasses(names=tuple(map(str, names))))
    if said:
        _compare(said, title=title)
        return replace(said[0], cut=isinstance(dataset, Subset))
    inner = _inside(dataset, title=title)
    return replace(inner, notices=(*notices, *inner.notices))


def _inside(dataset: object, *, title: str) -> TorchClasses:
    """The classes of the data sets that a data set of torch itself passes on."""
    if isinstance(dataset, Subset) and type(dataset).__getitem__ is Subset.__getitem__:
        return replace(classes_of(dataset.dataset, title=title), cut=True)
    if not isinstance(dataset, ConcatDataset):
        return TorchClasses()
    if type(dataset).__getitem__ is not ConcatDataset.__getitem__:
        return TorchClasses()
    parts: list[Dataset[Any]] = list(dataset.datasets)
    found = [classes_of(part, title=title) for part in parts]
    cut = any(part.cut for part in found)
    named = [(i, part) for i, part in enumerate(found) if part.names]
    for i, theirs in named[1:]:
        first, ours = named[0]
        alone = ours.cut or theirs.cut  # may lack the last classes
        shared = len(theirs.names) if alone else len(ours.names)
        if (ours.names[:shared], ours.numbers) != (theirs.names, theirs.numbers):
            raise DataError(
                f"{title}: its parts name the classes differently: part {first} has "
                f"{', '.join(ours.names[:10])}, part {i} has {', '.join(theirs.names[:10])}. One "
                "label would stand for two classes: bring the parts to one order first."
            )
    if len(named) < len(found):
        return TorchClasses(notices=tuple(notice for part in found for notice in part.notices))
    return replace(max(found, key=lambda part: len(part.names)), cut=cut)


def _compare(said: Sequence[TorchClasses], *, title: str) -> None:
    """Refuse two statements that give one name to different labels."""
    first = said[0]
    labels = dict(zip(first.names, first.labels, strict=True))
    for other in said[1:]:
        for name, label in zip(other.names, other.labels, strict=True):
            unique = first.names.count(name) == other.names.count(name) == 1
            if unique and labels[name] != label:
                raise DataError(
                    f"{title}: {name!r} is class {labels[name]} by its 'classes' and class "
                    f"{label} by its 'class_to_idx' or 'features'. Correct either of them."
                )


def _understood(value: Any) -> TorchClasses | None:  # noqa: ANN401 - whatever a data set holds
    """Names by label, from what an attribute holds; ``None`` where it does not say them."""
    if isinstance(value, type):
        members = list(value) if issubclass(value, Enum) else []
        value = {member.value: member.name for member in members}
    if isinstance(value, Mapping):
        return _from_pairs(list(value.items()))
    value = _plain(value)
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        return None
    if isinstance(value, Set) and not isinstance(value, KeysView):  # without an order
        return None
    names = [_name(entry) for entry in value]
    known = tuple(name for name in names if name is not None)
    numbers_twice = len(set(known)) < len(known) and all(name.isdigit() for name in known)
    if not known or len(known) < len(names) or numbers_twice:  # such as one label an item
        return None
    return TorchClasses(names=known)


def _from_pairs(pairs: list[tuple[object, object]]) -> TorchClasses | None:
    """From a dict: name to index, or index to name."""
    by_name = all(_index(value) is not None for _, value in pairs) and (
        all(_index(key) is None for key, _ in pairs)
        or all(isinstance(key, str) for key, _ in pairs)  # {"0": 0, "1": 1}
    )
    if not by_name and any(_index(value) is not None for _, value in pairs):
        return None
    by_label: dict[int, str] = {}
    for key, value in pairs:
        label = _index(value) if by_name else _index(key, text=True)
        name = _name(key) if by_name else _name(value)
        if label is None or name is None:
            return None
        by_label.setdefault(label, name)
    numbers = tuple(sorted(by_label))
    if not numbers:
        return None
    usual = numbers == tuple(range(len(numbers)))
    return TorchClasses(
        names=tuple(by_label[n] for n in numbers), numbers=None if usual else numbers
    )


def _plain(entry: Any) -> Any:  # noqa: ANN401
    """Numbers of NumPy and torch as Python has them."""
    return entry.tolist() if hasattr(entry, "tolist") else entry


def _index(entry: object, *, text: bool = False) -> int | None:
    entry = _plain(entry)
    if text and isinstance(entry, str) and entry.isascii() and entry.isdigit():
        return int(entry)
    return entry if isinstance(entry, int) and not isinstance(entry, bool) else None


def _name(entry: object) -> str | None:
    """A name; the first one of several, as in ``("tench", "Tinca tinca")``."""
    entry = _plain(entry)
    if isinstance(entry, (tuple, list)):
        return _name(entry[0]) if entry else None
    if isinstance(entry, bytes):
        return entry.decode(errors="replace")
    if isinstance(entry, Enum):
        return entry.name
    return str(entry) if isinstance(entry, (str, int)) else None
