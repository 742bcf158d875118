"""The folder of a condensed set as a data set of the Hugging Face Hub.

``README.md`` is the card. ``condensed.safetensors`` is the file with all sizes.
``data/rank-*.parquet`` has the images of one rank each, and a configuration of the card names the
files of all ranks below its size, so no image is stored twice. Knows nothing about uploads.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import FILE
from condensery.errors import ConfigError
from condensery.report.contact_sheet import contact_sheet
from condensery.sharing.card import Card, rank_file
from condensery.sharing.licence import Licence
from condensery.sharing.parquet import require_pyarrow, write_parquet
from condensery.sharing.pictures import Pictures, check_channels, condensed_pictures

CARD = "README.md"
SHEET = "contact-sheet.png"
_MOST_SHOWN = (30, 20)  # classes and ranks of the contact sheet
_WIDEST = 2000  # pixels of the contact sheet


def check_packages() -> None:
    """Refuse to go on without the packages that write such a folder.

    Raises:
        ConfigError: Says how to install them.
    """
    require_pyarrow("publishing a set")
    try:
        import_module("yaml")
    except ImportError as error:
        raise ConfigError(
            "publishing a set needs the package PyYAML, which is not installed. Install it with: "
            "pip install 'condensery[hub]'"
        ) from error


def write_repository(condensed: CondensedSet, into: Path, *, name: str, licence: Licence) -> None:
    """Write all files of the data set.

    Args:
        condensed: The set.
        into: An empty folder.
        name: ``"USER/NAME"`` on the Hub.
        licence: The licence of the publisher.

    Raises:
        ConfigError: If the images cannot be PNG files.
    """
    pictures = condensed_pictures(condensed)
    check_channels(pictures.images.shape[3], given="a data set of the Hub")
    assert pictures.rank is not None
    (into / "data").mkdir()
    for rank in range(condensed.sizes):
        write_parquet(
            _of_rank(pictures, rank),
            into / rank_file(rank, sizes=condensed.sizes),
            class_names=condensed.class_names,
            learned=pictures.soft_labels is not None,
        )
    condensed.save(into / FILE)
    shown = (min(condensed.classes, _MOST_SHOWN[0]), min(condensed.sizes, _MOST_SHOWN[1]))
    _sheet(condensed).save(into / SHEET)
    card = Card(
        condensed=condensed,
        name=name,
        licence=licence,
        images=np.bincount(pictures.rank, minlength=condensed.sizes).cumsum().tolist(),
        file_bytes=(into / FILE).stat().st_size,
        shown=shown,
    )
    (into / CARD).write_text(card.text(), encoding="utf-8")


def _of_rank(pictures: Pictures, rank: int) -> Pictures:
    assert pictures.rank is not None
    rows = np.flatnonzero(pictures.rank == rank)
    soft = pictures.soft_labels
    return Pictures(
        split=pictures.split,
        images=pictures.images[rows],
        labels=pictures.labels[rows],
        rank=pictures.rank[rows],
        soft_labels=None if soft is None else soft[rows],
    )


def _sheet(condensed: CondensedSet) -> Image.Image:
    """The contact sheet, not wider than a page needs."""
    classes, ranks = _MOST_SHOWN
    sheet = contact_sheet(condensed, classes=classes, ranks=ranks)
    if sheet.width > _WIDEST:
        height = round(sheet.height * _WIDEST / sheet.width)
        sheet = sheet.resize((_WIDEST, height), Image.Resampling.LANCZOS)
    return sheet
