"""The contact sheet: one picture of a whole condensed set.

A row is a class and a column is a rank, so size ``k`` is the first ``k`` columns, which brackets at
the top show. Knows nothing about accuracies or runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from condensery.condensed.artifact import CondensedSet
from condensery.errors import ConfigError
from condensery.report.tiles import MOST_CLASSES, rgb, shown_classes

_SMALLEST_TILE = 48
_PAPER, _INK, _QUIET, _RULE, _BLANK = "#ffffff", "#1b1f24", "#59636e", "#b6bec8", "#f3f5f7"
_BRACKET = "#0072b2"
_MARGIN, _LEVEL, _GAP, _WIDE_GAP = 20, 20, 2, 12
_LONGEST_NAME = 190


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLayout:
    """The positions of all parts of a contact sheet, in pixels."""

    tile: tuple[int, int]  # width and height of a tile
    columns: tuple[int, ...]  # left edge of each rank's tiles
    lines: tuple[int, ...]  # top edge of each class's tiles
    width: int  # of the sheet
    height: int  # of the sheet
    classes: tuple[int, ...]  # the label of each line
    marks: tuple[int, ...]  # the sizes with a bracket, ascending


def contact_sheet(
    condensed: CondensedSet | str | Path,
    *,
    sizes_marked: Sequence[int] | Literal["auto"] = "auto",
    classes: int = MOST_CLASSES,
    ranks: int | None = None,
) -> Image.Image:
    """Draw the images of a condensed set, with a row for each class and a column for each rank.

    Images are enlarged by an integer factor without smoothing until a tile has a side of at least
    48 pixels. A class with fewer images has blank tiles.

    Args:
        condensed: A condensed set, or the path of its file.
        sizes_marked: Sizes with a bracket at the top; ``"auto"`` marks every size up to 10, and
            about 1, 2, 5, 10, 20, 50 ... in larger sets.
        classes: The largest number of classes, at least 2. If the set has more, classes are shown
            that are evenly spaced, and the sheet says so.
        ranks: The largest number of columns; ``None`` shows all.

    Returns:
        An RGB picture.

    Raises:
        ArtifactError: If the path is not a condensed file.
        ConfigError: If a marked size is not in the set.
    """
    if not isinstance(condensed, CondensedSet):
        condensed = CondensedSet.load(condensed)
    layout = sheet_layout(condensed, sizes_marked=sizes_marked, classes=classes, ranks=ranks)
    images = condensed.images
    sheet = Image.new("RGB", (layout.width, layout.height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_marks(draw, layout)
    font = ImageFont.load_default(15)
    shown = len(layout.classes)
    if shown < condensed.classes:
        text = f"{shown} of {condensed.classes:,} classes, evenly spaced"
        at = (layout.columns[0], layout.height - 4)
        draw.text(at, text, fill=_QUIET, font=font, anchor="ls")
    for label, top in zip(layout.classes, layout.lines, strict=True):
        middle = top + layout.tile[1] / 2
        text = _shortened(condensed.class_names[label], font)
        draw.text((layout.columns[0] - 14, middle), text, fill=_INK, font=font, anchor="rm")
        for left in layout.columns:
            corner = (left + layout.tile[0] - 1, top + layout.tile[1] - 1)
            draw.rectangle(((left, top), corner), fill=_BLANK)
        own = (condensed.labels == label) & (condensed.rank < len(layout.columns))
        for row in own.nonzero().flatten().tolist():
            tile = Image.fromarray(rgb(images[row]))
            tile = tile.resize(layout.tile, Image.Resampling.NEAREST)
            sheet.paste(tile, (layout.columns[int(condensed.rank[row])], top))
    return sheet


def sheet_layout(
    condensed: CondensedSet,
    *,
    sizes_marked: Sequence[int] | Literal["auto"] = "auto",
    classes: int = MOST_CLASSES,
    ranks: int | None = None,
) -> SheetLayout:
    """The positions of the tiles of ``contact_sheet``, which explains the arguments.

    Raises:
        ConfigError: If a marked size is not in the set.
    """
    sizes = condensed.sizes if ranks is None else min(ranks, condensed.sizes)
    chosen = _auto_marks(sizes) if sizes_marked == "auto" else tuple(sizes_marked)
    for size in chosen:
        if not 1 <= size <= sizes:
            raise ConfigError(
                f"sizes_marked holds {size} but the sheet of {condensed.name} shows {sizes} images "
                f"per class. Every mark must be in 1..{sizes}."
            )
    marks = tuple(sorted(set(chosen)))
    height, width = condensed.shape[1:]
    factor = max(1, -(-_SMALLEST_TILE // min(height, width)))
    tile = (width * factor, height * factor)
    font = ImageFont.load_default(15)
    labels = shown_classes(condensed, most=classes)
    names = max(font.getlength(_shortened(condensed.class_names[c], font)) for c in labels)
    # The caption "images per class" stands left of the brackets, so it needs room, too.
    left = _MARGIN + max(int(names), int(font.getlength("images per class"))) + 14
    columns = [left]
    for rank in range(1, sizes):
        columns.append(columns[-1] + tile[0] + (_WIDE_GAP if rank in marks else _GAP))
    top = _MARGIN + _LEVEL * len(marks) + 8
    lines = tuple(top + index * (tile[1] + 4) for index in range(len(labels)))
    return SheetLayout(
        tile=tile,
        columns=tuple(columns),
        lines=lines,
        width=columns[-1] + tile[0] + _WIDE_GAP + _MARGIN,
        height=lines[-1] + tile[1] + _MARGIN,
        classes=labels,
        marks=marks,
    )


def _auto_marks(sizes: int) -> tuple[int, ...]:
    if sizes <= 10:
        return tuple(range(1, sizes + 1))
    rounded = (step * 10**power for power in range(len(str(sizes))) for step in (1, 2, 5))
    return (*(size for size in rounded if size < sizes), sizes)


def _draw_marks(draw: ImageDraw.ImageDraw, layout: SheetLayout) -> None:
    """Draw brackets from the first to the last column of each marked size, the largest on top."""
    bottom = layout.lines[-1] + layout.tile[1]
    start, tops = layout.columns[0], layout.lines[0] - 8
    font = ImageFont.load_default(14)
    if layout.marks:
        caption = (start - 14, tops - _LEVEL * len(layout.marks) / 2)
        draw.text(caption, "images per class", fill=_QUIET, font=font, anchor="rm")
    for level, size in enumerate(layout.marks):
        end = layout.columns[size - 1] + layout.tile[0] + _WIDE_GAP // 2 - 1
        line = tops - _LEVEL * level - _LEVEL // 2
        label = str(size)
        text_start = end - 5 - font.getlength(label)
        draw.line(((end, line), (end, bottom)), fill=_RULE, width=1)
        draw.line(((start, line), (text_start - 5, line)), fill=_BRACKET, width=2)
        draw.line(((end, line - 6), (end, line + _LEVEL // 2 - 3)), fill=_BRACKET, width=2)
        draw.line(((start, line), (start, line + 5)), fill=_BRACKET, width=2)
        draw.text((text_start, line), label, fill=_INK, font=font, anchor="lm")


def _shortened(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    name = " ".join(name.split())
    if font.getlength(name) <= _LONGEST_NAME:
        return name
    while name and font.getlength(name + "...") > _LONGEST_NAME:
        name = name[:-1]
    return name.rstrip() + "..."
