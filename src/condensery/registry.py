"""The registry of all parts by slot and name.

A part registers itself once, where it is written::

    @register("objective", "gradient")
    @dataclass(frozen=True, slots=True, kw_only=True)
    class GradientMatching: ...

Recipes, the command line, the hints in errors, the tables of the docs and the laws of the tests
read this registry. A part without a registered name is given as ``"package.module:Class"`` in
place of a name. Another package registers its parts by an entry point of the group ``condensery``;
the module of the entry point is imported before names are looked up.

Knows nothing about what parts do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from condensery.errors import ConfigError, nearest

GROUP = "condensery"
"""The group of entry points whose modules register parts of other packages."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One kind of part.

    Attributes:
        home: The module that registers the built-in parts when it is imported.
        what: What a part of this kind decides, in one line.
        protocol: Name, in ``home``, of the protocol of its objects; empty if the parts are
            functions or records without choices.
        needed: Whether a recipe must have a part in this slot.
    """

    home: str
    what: str
    protocol: str = ""
    needed: bool = True


SLOTS: Mapping[str, Slot] = {
    "parameterization": Slot(
        home="condensery.parameterizations",
        protocol="Parameterization",
        what="what is stored, and how it becomes training images",
    ),
    "augment": Slot(
        home="condensery.augment",
        protocol="Augment",
        what="what images go through before a network sees them",
    ),
    "sampler": Slot(
        home="condensery.condensing.samplers",
        protocol="Sampler",
        what="which real images an image update sees",
    ),
    "schedule": Slot(
        home="condensery.condensing.schedules",
        protocol="Schedule",
        what="which networks are matched, and when images are updated",
    ),
    "objective": Slot(
        home="condensery.condensing.objectives",
        protocol="Objective",
        what='what "the synthetic images look like the real ones" means',
    ),
    "size_policy": Slot(
        home="condensery.condensing.sizes",
        protocol="SizePolicy",
        what="which sizes of the set are matched, and with which weights",
    ),
    "update": Slot(
        home="condensery.condensing.updates",
        protocol="ImageUpdate",
        what="how a gradient changes what is stored",
    ),
    "init": Slot(
        home="condensery.condensing.init",
        protocol="Init",
        what="what the stored images are before the first update",
    ),
    "labels": Slot(
        home="condensery.condensing.updates",
        protocol="Learned",
        what="how labels are learned; none keeps the class of each image",
        needed=False,
    ),
    "learned_lr": Slot(
        home="condensery.condensing.updates",
        protocol="Learned",
        what="how a learning rate for training on the set is learned; none learns none",
        needed=False,
    ),
    "training": Slot(
        home="condensery.training",
        protocol="Training",
        what="how a network is trained: optimiser, batch, augmentation",
    ),
    "kernel": Slot(
        home="condensery.kernels",
        protocol="Kernel",
        what="how alike two images are, in closed form",
    ),
    "method": Slot(
        home="condensery.methods",
        what="a whole row of parts for a data set, a size and a preset",
    ),
    "protocol": Slot(
        home="condensery.evaluation",
        what="how networks are trained to test a set",
    ),
    "layout": Slot(
        home="condensery.data.readers.layouts",
        what="how a data set lies in a folder, and what reads it",
    ),
    "selection": Slot(
        home="condensery.selection",
        what="which real images are chosen as a set",
    ),
}
"""All slots."""

_parts: dict[str, dict[str, Any]] = {slot: {} for slot in SLOTS}

_Part = TypeVar("_Part")


def register(slot: str, name: str) -> Callable[[_Part], _Part]:
    """A decorator, written above ``@dataclass``, that gives a part its name.

    Args:
        slot: A key of ``SLOTS``.
        name: The name in recipes and on the command line: words joined by hyphens.

    Returns:
        A function that returns the part unchanged.

    Raises:
        ConfigError: If the slot does not exist, another part has the name, or the part must be a
            frozen dataclass and is not.

    Example:
        ``@register("objective", "moments")`` above a frozen dataclass with ``bind``.
    """
    _check_slot(slot)

    def entered(part: _Part) -> _Part:
        if SLOTS[slot].protocol:
            _check_dataclass(slot, part)
        taken = _parts[slot].get(name)
        if taken is not None and _place(taken) != _place(part):  # a module may be loaded again
            raise ConfigError(
                f"{slot} {name!r} is {_place(taken)} already, so {_place(part)} cannot have this "
                "name. Register it with another one."
            )
        _parts[slot][name] = part
        return part

    return entered


def parts(slot: str) -> Mapping[str, Any]:
    """All registered parts of a slot by name, in alphabetical order.

    Raises:
        ConfigError: If the slot does not exist.
    """
    _check_slot(slot)
    import_module(SLOTS[slot].home)
    _load_others()
    return dict(sorted(_parts[slot].items()))


def names(slot: str) -> tuple[str, ...]:
    """Names of the registered parts of a slot, in alphabetical order."""
    return tuple(parts(slot))


def find(slot: str, name: object, *, where: str = "") -> Any:  # noqa: ANN401 - classes, functions
    """The part with a name.

    Args:
        slot: A key of ``SLOTS``.
        name: A registered name, or ``"package.module:Class"``.
        where: The key for which the name was given, for errors; by default the slot.

    Raises:
        ConfigError: If there is no such part; names the nearest known name.
    """
    known = parts(slot)
    if isinstance(name, str) and name in known:
        return known[name]
    if isinstance(name, str) and ":" in name:
        return _imported(slot, name, where or slot)
    raise ConfigError(
        f"{where or slot} = {name!r} is unknown; known are {', '.join(known)}, and "
        f"package.module:Class names a part of your own.{nearest(str(name), known)}"
    )


def name_of(slot: str, part: object) -> str:
    """The name by which ``find`` finds a part: registered, or ``"package.module:Class"``.

    Args:
        slot: A key of ``SLOTS``.
        part: The class of a part, or another registered object.
    """
    for name, known in parts(slot).items():
        if known is part:
            return name
    return _place(part)


def check_part(slot: str, part: object) -> None:
    """Refuse an object that cannot be a part of this kind.

    Raises:
        ConfigError: If it is not a frozen dataclass, or does not implement the protocol.
    """
    if isinstance(part, type):
        raise ConfigError(
            f"{slot} = {part.__name__} is a class; a recipe holds objects. Write "
            f"{part.__name__}(...)."
        )
    _check_dataclass(slot, type(part))
    home = import_module(SLOTS[slot].home)
    missing = [
        member
        for member in _members(getattr(home, SLOTS[slot].protocol))
        if not hasattr(part, member)
    ]
    if missing:
        raise ConfigError(
            f"{slot} = {part!r} lacks {', '.join(missing)}. Write them, or let the class inherit "
            f"from {SLOTS[slot].home}.{SLOTS[slot].protocol}, which says what they are and has the "
            "usual answers."
        )


def holds(slot: str, kind: type) -> bool:
    """Whether a field of this type contains a part of the slot: the protocol, or a class of it."""
    if not SLOTS[slot].protocol:
        return False
    home = import_module(SLOTS[slot].home)
    return getattr(home, SLOTS[slot].protocol) in kind.__mro__ or kind in parts(slot).values()


def _members(protocol: type) -> list[str]:
    """The members that a protocol requires."""
    own = [*vars(protocol), *vars(protocol).get("__annotations__", {})]
    return sorted({name for name in own if not name.startswith("_")})


def _check_slot(slot: str) -> None:
    if slot not in SLOTS:
        raise ConfigError(
            f"slot = {slot!r} is unknown; known are {', '.join(SLOTS)}.{nearest(slot, SLOTS)}"
        )


def _check_dataclass(slot: str, part: object) -> None:
    settings = getattr(part, "__dataclass_params__", None)
    if settings is None or not settings.frozen:
        raise ConfigError(
            f"{slot} {_place(part)} is no frozen dataclass, so its choices cannot be written into "
            "a recipe. Put @dataclass(frozen=True, slots=True, kw_only=True) above the class."
        )


def _imported(slot: str, name: str, where: str) -> Any:  # noqa: ANN401
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{where} = {name!r} cannot be imported: {error}. It must be written in a module that "
            "this process can import (PYTHONPATH), at its top level."
        ) from error
    if SLOTS[slot].protocol:
        _check_dataclass(slot, found)
    return found


def _place(part: object) -> str:
    """The place of a part in the code, ``module:qualified name``."""
    kind = part if hasattr(part, "__qualname__") else type(part)
    name = getattr(kind, "__qualname__", repr(kind))
    return f"{getattr(kind, '__module__', '?')}:{name}"


@cache
def _load_others() -> None:
    """Import, once, the modules of the entry points of other packages."""
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:  # noqa: PERF203 - whatever a foreign module does
            package = point.dist.name if point.dist else "?"
            raise ConfigError(
                f"Package {package!r} registers parts by the entry point {point.name} = "
                f"{point.value}, which cannot be imported: {error}. Mend or uninstall the package."
            ) from error
