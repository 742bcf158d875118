"""Condensery: dataset condensation whose every prefix is a good condensed set.

Public names are listed here and nowhere else; torch is imported when one is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condensery.api import Condensation, condense, train_experts
    from condensery.artifact import CondensedSet
    from condensery.data import Data, ImageData, load_data
    from condensery.evaluation import evaluate
    from condensery.importing import import_set
    from condensery.progress import Progress
    from condensery.selection import random_selection, select

    __version__: str

__all__ = [
    "Condensation",
    "CondensedSet",
    "Data",
    "ImageData",
    "Progress",
    "condense",
    "evaluate",
    "import_set",
    "load_data",
    "random_selection",
    "select",
    "train_experts",
]

_ROOMS = {
    "CondensedSet": "artifact",
    "Condensation": "api",
    "Data": "data",
    "ImageData": "data",
    "Progress": "progress",
    "condense": "api",
    "evaluate": "evaluation",
    "import_set": "importing",
    "load_data": "data",
    "random_selection": "selection",
    "select": "selection",
    "train_experts": "api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name == "__version__":
        return _version()
    if name in _ROOMS:
        return getattr(import_module(f"condensery.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'condensery' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("condensery")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, "__version__"])
