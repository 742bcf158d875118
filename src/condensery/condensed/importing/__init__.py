"""Import of sets that other codes released."""

from __future__ import annotations

from condensery.condensed.importing.build import import_set
from condensery.condensed.importing.formats import FORMATS

__all__ = ["FORMATS", "import_set"]
