"""Methods: each is a row of parts, registered in a file of its own."""

from condensery.methods import dc, dm, dream, dsa, frepo, idc, kip, mdc, mtt, nested
from condensery.methods.base import PRESETS, Method, method, method_of, recipe_for

__all__ = [
    "PRESETS",
    "Method",
    "dc",
    "dm",
    "dream",
    "dsa",
    "frepo",
    "idc",
    "kip",
    "mdc",
    "method",
    "method_of",
    "mtt",
    "nested",
    "recipe_for",
]
