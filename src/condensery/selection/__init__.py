"""Selections of real images as condensed sets: the baselines of condensation at the same size.

A selection is an order of the images of every class. The set of size ``k`` has the first ``k``
images, so sizes are nested by construction. Each rule has a file and is registered in ``select``.
"""

from __future__ import annotations

from condensery.selection.herding import herding
from condensery.selection.k_center import k_center
from condensery.selection.k_means import k_means
from condensery.selection.order import as_condensed
from condensery.selection.select import (
    FEATURE_NETWORK,
    SelectionRule,
    random_selection,
    rule_of,
    select,
    steps_of,
)

__all__ = [
    "FEATURE_NETWORK",
    "SelectionRule",
    "as_condensed",
    "herding",
    "k_center",
    "k_means",
    "random_selection",
    "rule_of",
    "select",
    "steps_of",
]
