"""Tables of papers that can be reproduced: their data, rows and sizes.

The figures that papers print are in ``published``. Imports no torch, and knows nothing about how a
table is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from condensery.errors import ConfigError, nearest
from condensery.report.published import MDC


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """A table of a paper.

    Attributes:
        name: Name on the command line.
        summary: A summary in one line.
        paper: The paper, as in ``PublishedFigures.source``.
        data: Names of its data sets, in its order.
        ipc: Images per class N of every set.
        rows: Words of ``--methods``, in its order.
        sizes: Images per class, ascending.
        network: Network of matching and testing in every budget; ``None``: as the budget says.
        side: Height and width of its images, in pixels.
        note: Another note about how it was made.
        base: The method of the baselines a, b and c.
    """

    name: str
    summary: str
    paper: str
    data: tuple[str, ...]
    ipc: int
    rows: tuple[str, ...]
    sizes: tuple[int, ...]
    network: str | None = None
    side: int = 32
    note: str = ""
    base: str = "idc"


_TEN = tuple(range(1, 11))
_FIFTY = (*_TEN, 20, 30, 40, 50)

_1A = PaperTable(
    name="mdc-1a",
    summary="MDC against a run for every size (a), runs of one image (b) and a cut run (c)",
    paper=MDC,
    data=("svhn", "cifar10", "cifar100"),
    ipc=10,
    rows=("a", "b", "c", "mdc"),
    sizes=_TEN,
)
_1B = replace(
    _1A,
    name="mdc-1b",
    summary="the same with 50 images per class",
    ipc=50,
    sizes=_FIFTY,
    note="What the paper prints of b here is in no source that we could read.",
)
_1C = replace(
    _1A,
    name="mdc-1c",
    summary="the same with 20 images per class, ResNetAP-10",
    data=("imagenet-10",),
    ipc=20,
    sizes=(*_TEN, 15, 20),
    network="resnetap10",
    side=224,
    note="What the paper prints of b, and of c but for the average, is in no source that we could "
    "read.",
)
_2A = replace(
    _1A,
    name="mdc-2a",
    summary="MDC against prefixes of DC, DSA, MTT, IDC and DREAM",
    data=("cifar10",),
    rows=("dc", "dsa", "mtt", "idc", "dream", "mdc"),
    note="Here every row is tested by the same recipe. The released code tests sets of DC without "
    "augmentation and sets of DSA without CutMix, so their published figures are of other recipes.",
)
_2B = replace(_2A, name="mdc-2b", summary=_1B.summary, ipc=50, sizes=_FIFTY)

TABLES: Mapping[str, PaperTable] = {table.name: table for table in (_1A, _1B, _1C, _2A, _2B)}


def paper_table(name: str) -> PaperTable:
    """The table with a name.

    Raises:
        ConfigError: If there is no such table; names the nearest one.
    """
    if name not in TABLES:
        raise ConfigError(
            f"table {name!r} is unknown; known are {', '.join(TABLES)}.{nearest(name, TABLES)}"
        )
    return TABLES[name]
