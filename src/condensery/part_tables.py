"""Tables of all registered parts for the command line and for the docs.

Uses only the registry, the choices of each part and the first line of its docstring.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Sequence
from typing import Any

from condensery.parts import choices, written
from condensery.registry import SLOTS, parts


def plain(slots: Sequence[str]) -> str:
    """Text for a terminal: the name, the choices with defaults, and one line for each part."""
    lines: list[str] = []
    for slot in slots:
        lines.append(f"{slot}: {SLOTS[slot].what}")
        for name, part in parts(slot).items():
            lines.append(f"  {name:20} {_summary(part)}")
            if listed := _choices_of(part):
                lines.append(f"  {'':20} {', '.join(listed)}")
        lines.append("")
    return "\n".join(lines)


def markdown(slots: Sequence[str]) -> str:
    """The tables of docs/parts.md."""
    lines: list[str] = []
    for slot in slots:
        what = SLOTS[slot].what
        lines += [f"## `{slot}`", "", f"{what[0].upper()}{what[1:]}.", ""]
        lines += ["| name | what it is | choices and their defaults |", "|---|---|---|"]
        for name, part in parts(slot).items():
            listed = ", ".join(f"`{choice}`" for choice in _choices_of(part))
            summary = _summary(part).replace("|", "\\|")
            lines.append(f"| `{name}` | {summary} | {listed} |")
        lines.append("")
    return "\n".join(lines)


def _summary(part: Any) -> str:  # noqa: ANN401 - whatever was registered
    """The first line of a part's docstring, or its own ``summary``."""
    if own := getattr(part, "summary", ""):
        return str(own)
    documented = part if inspect.isclass(part) or inspect.isfunction(part) else None
    text = (inspect.getdoc(documented) or "") if documented is not None else ""
    return re.sub(r"``", "`", text.partition("\n\n")[0].replace("\n", " "))


def _choices_of(part: Any) -> list[str]:  # noqa: ANN401
    """``name=default`` for every choice; only the name if there is no default."""
    if not (inspect.isclass(part) and dataclasses.is_dataclass(part)):
        return []
    found: list[str] = []
    for f in dataclasses.fields(part):
        if f.name not in choices(part):
            continue
        if f.default is not dataclasses.MISSING:
            value: Any = f.default
        elif f.default_factory is not dataclasses.MISSING:
            value = f.default_factory()
        else:
            found.append(f.name)
            continue
        slot = choices(part)[f.name][0]
        found.append(f"{f.name}={_text(slot, value)}")
    return found


def _text(slot: str | None, value: Any) -> str:  # noqa: ANN401
    if slot is not None and value is not None:
        from condensery.registry import name_of

        own = {key: v for key, v in written(value).items() if not isinstance(v, dict)}
        inside = ", ".join(f"{key}={json.dumps(v)}" for key, v in own.items())
        return f"{name_of(slot, type(value))}({inside})"
    return json.dumps(list(value) if isinstance(value, tuple) else value)
