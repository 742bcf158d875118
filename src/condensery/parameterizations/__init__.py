"""What is stored, and how it becomes examples."""

from __future__ import annotations

from collections.abc import Mapping

from condensery.errors import ConfigError
from condensery.parameterizations.base import Parameterization, stored_rows
from condensery.parameterizations.multi_formation import MultiFormation, decode_crops, encode_mix
from condensery.parameterizations.pixels import Pixels

__all__ = [
    "MultiFormation",
    "Parameterization",
    "Pixels",
    "decode_crops",
    "decoder",
    "encode_mix",
    "stored_rows",
]


def decoder(description: Mapping[str, object]) -> Parameterization:
    """The parameterization that decodes what a condensed file describes.

    Args:
        description: The file's ``decode`` entry, ``{"kind": "pixels"}`` or
            ``{"kind": "multi-formation", "factor": 2, "order": "image"}``.

    Raises:
        ConfigError: If the description is none of these.
    """
    match dict(description):
        case {"kind": "pixels"}:
            return Pixels()
        case {"kind": "multi-formation", "factor": int(factor), "order": "image"}:
            return MultiFormation(factor=factor, order="image")
        case {"kind": "multi-formation", "factor": int(factor), "order": "crop"}:
            return MultiFormation(factor=factor, order="crop")
        case _:
            raise ConfigError(
                f"decode = {description} is unknown; known are {{'kind': 'pixels'}} and "
                "{'kind': 'multi-formation', 'factor': 2, 'order': 'image' or 'crop'}."
            )
