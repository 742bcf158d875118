"""Methods: each method is a recipe of parts, in a file of its own."""

from condensery.methods import (
    dance,
    dc,
    dm,
    dream,
    dsa,
    frepo,
    idc,
    kip,
    mdc,
    mtt,
    ncfm,
    nested,
    tgdd,
)
from condensery.methods.base import PRESETS, USUAL_METHOD, Method, method, method_of, recipe_for

__all__ = [
    "PRESETS",
    "USUAL_METHOD",
    "Method",
    "dance",
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
    "ncfm",
    "nested",
    "recipe_for",
    "tgdd",
]
