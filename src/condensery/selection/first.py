"""The first images in the order of the data set, which released code often calls random."""

from __future__ import annotations

from condensery.data import ImageData
from condensery.selection.order import Orders, RuleOptions


def first_orders(data: ImageData, options: RuleOptions) -> Orders:
    """The images of every class in the order of the data set; there is no random draw.

    Source:
        The ``random`` selection of the released code of IDC (Kim et al. 2022), which made
        published baselines. Differs: none.
    """
    del options
    return [data.of_class(class_) for class_ in range(data.classes)]
