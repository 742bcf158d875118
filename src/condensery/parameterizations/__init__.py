"""Parameterizations: what is stored, and how it becomes examples."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from condensery.errors import ConfigError
from condensery.parameterizations.base import Parameterization, stored_rows
from condensery.parameterizations.multi_formation import (
    MultiFormation,
    decode_crops,
    encode_mix,
    finer_factor,
)
from condensery.parameterizations.pixels import Pixels
from condensery.parameterizations.quantised import Quantised
from condensery.parts import read_part
from condensery.registry import names

__all__ = [
    "MultiFormation",
    "Parameterization",
    "Pixels",
    "Quantised",
    "decode_crops",
    "decoder",
    "encode_mix",
    "finer_factor",
    "stored_rows",
]


def decoder(description: Mapping[str, object]) -> Parameterization:
    """The parameterization that decodes a condensed file.

    No module that a file names is imported: a parameterization without a registered name must have
    been imported before.

    Args:
        description: The ``decode`` entry of the file, such as ``{"kind": "pixels"}`` or
            ``{"kind": "multi-formation", "factor": 2, "order": "image"}``.

    Raises:
        ConfigError: If the description does not describe a known parameterization.
    """
    _check_imported(description)
    found = read_part("parameterization", description, where="decode")
    complete = found.decode_json()
    if lacking := sorted(complete.keys() - description.keys()):
        raise ConfigError(
            f"decode = {dict(description)} lacks {', '.join(lacking)}; a file says all of it, such "
            f"as {complete}."
        )
    return found


def _check_imported(description: object) -> None:
    if not isinstance(description, Mapping):
        return
    kind = description.get("kind")
    module = str(kind).partition(":")[0]
    if (
        isinstance(kind, str)
        and kind not in names("parameterization")
        and module not in sys.modules
    ):
        raise ConfigError(
            f"decode = {dict(description)} is unknown; known are "
            f"{', '.join(names('parameterization'))}. If it is a parameterization of another "
            "package, import that package first: what a file names is never imported."
        )
    for inside in description.values():
        _check_imported(inside)
