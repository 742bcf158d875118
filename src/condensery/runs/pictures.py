"""Contact sheets over a run: the beginning, ten on the way, and the result."""

from __future__ import annotations

import io

from condensery.api import Condensation
from condensery.checkpoint import write_atomically
from condensery.condensed.artifact import CondensedSet
from condensery.report import contact_sheet
from condensery.runs.folder import RunFolder

_PREVIEWS = 10


def preview(folder: RunFolder, condensation: Condensation) -> None:
    """Draw the images as they are now, where it is time for it."""
    outer, whole = condensation.state.outer, condensation.recipe.iterations
    if outer and (outer * _PREVIEWS) // whole == ((outer - 1) * _PREVIEWS) // whole:
        return
    digits = len(str(whole))
    sheet(folder, condensation.so_far(created=""), name=f"iteration-{outer:0{digits}}.png")


def sheet(folder: RunFolder, condensed: CondensedSet, *, name: str) -> None:
    """Draw a condensed set to ``pictures/<name>``."""
    encoded = io.BytesIO()
    contact_sheet(condensed).save(encoded, format="PNG")
    folder.pictures.mkdir(exist_ok=True)
    write_atomically(folder.pictures / name, encoded.getvalue())
