"""Parts as JSON values: they are written as JSON, and read as the types of their fields.

A part is a frozen dataclass. Its fields contain plain values or other parts; the type of a field
says which. Knows nothing about recipes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

import msgspec

from condensery.errors import ConfigError, nearest
from condensery.registry import SLOTS, check_part, find, holds, name_of, names

_Whole = TypeVar("_Whole")


def written(part: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """The choices of a dataclass as JSON values; parts in them have their ``kind``."""
    return {
        name: _value(slot, getattr(part, name)) for name, (slot, _) in choices(type(part)).items()
    }


def part_to_json(slot: str, part: Any) -> dict[str, Any]:  # noqa: ANN401
    """A part with its ``kind``: the name by which ``registry.find`` finds its class."""
    return {"kind": name_of(slot, type(part)), **written(part)}


def non_defaults(part: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """The choices of a dataclass that differ from their defaults, as JSON values.

    For fingerprints: the result does not change if the class gets a new choice with a default.
    """
    found: dict[str, Any] = {}
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        if value != default:
            found[f.name] = _plainly(value)
    return found


def _plainly(value: Any) -> Any:  # noqa: ANN401
    if dataclasses.is_dataclass(value):
        return {"class": type(value).__qualname__, **non_defaults(value)}
    if isinstance(value, (list, tuple)):
        return [_plainly(each) for each in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def _value(slot: str | None, value: Any) -> Any:  # noqa: ANN401
    if slot is not None and value is not None:
        return part_to_json(slot, value)
    return list(value) if isinstance(value, tuple) else value


def read_part(slot: str, value: Any, *, where: str = "") -> Any:  # noqa: ANN401
    """Read one part of a recipe from the JSON that ``to_json`` wrote.

    Args:
        slot: A key of ``registry.SLOTS``.
        value: ``{"kind": name, **choices}``, or None where the slot may be empty.
        where: Path of the part in the recipe, for errors; by default the slot.

    Raises:
        ConfigError: As ``from_json``.
    """
    where = where or slot
    if value is None and not SLOTS[slot].needed:
        return None
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{where} = {value!r} is no part; a part is an object with its kind, such as "
            f"{{'kind': {names(slot)[0]!r}}}."
        )
    rest = dict(value)
    kind = rest.pop("kind", None)
    return build(f"{where} {kind!r}", where, find(slot, kind, where=where), rest)


_SHOWN = 3
"""Differences that are named; more are counted."""


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], *, besides: Collection[str] = ()
) -> str:
    """The keys by which two JSON objects differ, in words; empty if they are equal.

    Args:
        there: Of a file.
        here: What was asked for.
        besides: Keys that may differ, such as ``"data.name"``.
    """
    stored, wanted = dict(_flat(there)), dict(_flat(here))
    keys = [key for key in {**wanted, **stored} if key not in besides]
    different = [key for key in keys if stored.get(key) != wanted.get(key)]
    said = "; ".join(
        f"{key} is {stored.get(key)!r} there and {wanted.get(key)!r} here"
        for key in different[:_SHOWN]
    )
    more = len(different) - _SHOWN
    return f"{said} (and {more} more)" if more > 0 else said


def _flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inside in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _flat(inside, f"{name}.{key}" if name else str(key))  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield name, value


def build(title: str, path: str, part: type, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """An object of the class ``part`` from JSON values; ``path`` is its path in the recipe."""
    known = choices(part)
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{title} has no key {name!r}; it has {', '.join(known) or 'none'}."
                f"{nearest(name, known)}"
            )
    built: dict[str, Any] = {}
    for name, value in values.items():
        slot, hint = known[name]
        where = f"{path}.{name}" if path else name
        built[name] = (
            converted(where, value, hint) if slot is None else read_part(slot, value, where=where)
        )
    lacking = [name for name in required(part) if name not in built]
    if lacking:
        raise ConfigError(
            f"{title} cannot be built from {dict(values)}: it needs {', '.join(lacking)}."
        )
    return part(**built)


def changed(whole: _Whole, key: str, value: object) -> _Whole:
    """A copy of a dataclass of parts, such as a recipe, with one key set (``--set key=value``).

    Args:
        whole: The dataclass, which is not changed.
        key: Dotted path such as ``update.lr`` or ``schedule.training.batch``; ``size_policy``
            replaces a whole part.
        value: A value of the type of the key; text is read as that type. For a part: an object, a
            name, ``package.module:Class``, or ``none`` if the slot may be empty. A part given by
            name takes each choice without a default (a learning rate) from the part before it.

    Raises:
        ConfigError: If the key is unknown, or the value has the wrong type.
    """
    return _set(whole, key, key.split("."), value, whole)


def _set(part: Any, key: str, path: Sequence[str], value: object, whole: object) -> Any:  # noqa: ANN401
    """``part`` with the value set at ``path``; ``key`` is the full path in ``whole``."""
    name, *rest = path
    place = ".".join(key.split(".")[: -len(path)])
    known = choices(type(part))
    if rest:
        inside = getattr(part, name) if name in known else None
        if not dataclasses.is_dataclass(inside):
            here = f"{place}.{name}" if place else name
            raise ConfigError(
                f"The recipe has no part {here!r} to set {key!r} in.{nearest(name, known)}"
            )
        return dataclasses.replace(part, **{name: _set(inside, key, rest, value, whole)})
    if name not in known:
        raise ConfigError(
            f"The recipe has no key {key!r}; {place or 'it'} has {', '.join(known) or 'none'}."
            f"{nearest(name, known)}"
        )
    slot, hint = known[name]
    current = getattr(part, name)
    if slot is None:
        new = converted(key, value, hint, current=current, text=True)
    else:
        new = _exchanged(slot, key, value, current, whole)
    return dataclasses.replace(part, **{name: new})


def _exchanged(slot: str, key: str, value: object, current: object, whole: object) -> Any:  # noqa: ANN401
    """The new part of a slot that is set to a name, a JSON description or an object."""
    if not SLOTS[slot].needed and value in (None, "none"):
        return None
    if isinstance(value, Mapping):
        return read_part(slot, cast("Mapping[str, Any]", value), where=key)
    if not isinstance(value, str):
        check_part(slot, value)
        return value
    kind = find(slot, value, where=key)
    given = {name: getattr(current, name) for name in required(kind) if hasattr(current, name)}
    fitting = getattr(kind, "fitting", None)  # what it takes from a run in place of its defaults
    given |= {} if fitting is None else fitting(whole)
    lacking = [name for name in required(kind) if name not in given]
    if lacking:
        raise ConfigError(
            f"{key} = {value!r} cannot be built from a name alone: it needs {', '.join(lacking)}. "
            "Give the part as an object in Python, or with all its keys in a recipe file."
        )
    return kind(**given)


@cache
def choices(part: type) -> dict[str, tuple[str | None, Any]]:
    """``{name: (slot, type)}`` of the choices of a class; the slot is None if it is no part."""
    try:
        hints = get_type_hints(part)
    except NameError:  # a class inside a function: its types cannot be looked up
        hints = {}
    return {
        f.name: (_slot(f.name, hints.get(f.name, Any)), hints.get(f.name, Any))
        for f in dataclasses.fields(part)
        if f.init
    }


def _slot(name: str, hint: object) -> str | None:
    """The slot of the part that a field of this type contains."""
    kinds = [kind for kind in get_args(hint) or (hint,) if isinstance(kind, type)]
    found = [slot for slot in SLOTS if any(holds(slot, kind) for kind in kinds)]
    return name if name in found else found[0] if found else None


def required(part: type) -> list[str]:
    """Choices of a part that have no default."""
    missing = dataclasses.MISSING
    return [
        f.name
        for f in dataclasses.fields(part)
        if f.init and f.default is missing and f.default_factory is missing
    ]


def converted(
    key: str,
    value: object,
    hint: Any,  # noqa: ANN401
    *,
    current: object = None,
    text: bool = False,
) -> object:
    """A JSON value as the type of its field; with ``text``, text is read as that type."""
    try:
        return msgspec.convert(value, hint, strict=not (text and isinstance(value, str)))
    except msgspec.ValidationError as error:
        known = [kind for kind in _alternatives(hint) if isinstance(kind, str)]
        if known:
            raise ConfigError(
                f"{key} = {value!r} is unknown; known are {', '.join(known)}."
                f"{nearest(str(value), known)}"
            ) from None
        now = "" if current is None else f"; it is {current!r} now"
        raise ConfigError(f"{key} = {value!r} is no {_words(hint)}{now}.") from error


def _alternatives(hint: object) -> Iterator[object]:
    """The words of a ``Literal``, also with true and false."""
    for kind in get_args(hint):
        yield from get_args(kind) or ((kind, "true", "false") if kind is bool else (kind,))


def _words(hint: object) -> str:
    """A type in words."""
    words = {int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    kinds: tuple[Any, ...] = get_args(hint) or (hint,)
    return " or ".join(words.get(kind, getattr(kind, "__name__", str(kind))) for kind in kinds)
