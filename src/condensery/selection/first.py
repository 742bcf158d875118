"""The first images in data set order: what released code often calls random."""

from __future__ import annotations

from condensery.data import ImageData
from condensery.selection.order import Orders, RuleOptions

__all__ = ["first_orders"]


def first_orders(data: ImageData, options: RuleOptions) -> Orders:
    """The images of every class as the data set has them; nothing is drawn.

    Source:
        The ``random`` selection of IDC's released code (Kim et al. 2022), by which published
        baselines were made. Differs: nothing.
    """
    del options
    return [data.of_class(class_) for class_ in range(data.classes)]
