from __future__ import annotations

import numpy as np
import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.errors import ConfigError
from condensery.report import contact_sheet
from condensery.report.contact_sheet import sheet_layout


def tile_at(sheet, layout, *, line, column):
    left, top = layout.columns[column], layout.lines[line]
    width, height = layout.tile
    return np.asarray(sheet)[top : top + height, left : left + width]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_tile_is_its_image_enlarged_by_a_whole_factor(pets, channels):
    file = pets.loaded(pets.arrays(channels=channels))
    sheet, layout = contact_sheet(file), sheet_layout(file)
    assert layout.tile == (48, 48)  # 8 pixels, 6 times
    for row, image in enumerate(file.images):
        tile = tile_at(sheet, layout, line=file.labels[row], column=file.rank[row])
        wanted = np.broadcast_to(image.numpy(), (3, 8, 8)).transpose(1, 2, 0)
        assert np.array_equal(tile[::6, ::6], wanted)
        assert np.array_equal(tile, wanted.repeat(6, axis=0).repeat(6, axis=1))


def test_a_class_that_ends_at_a_lower_rank_leaves_even_tiles(condensed):
    file = CondensedSet.load(condensed)
    sheet, layout = contact_sheet(condensed), sheet_layout(file)
    for column in (2, 3):
        tile = tile_at(sheet, layout, line=2, column=column)
        assert len(np.unique(tile.reshape(-1, 3), axis=0)) == 1


def test_tiles_have_at_least_48_pixels_a_side(each, pets):
    for side, tile in each([(8, 48), (28, 56), (32, 64), (47, 94), (48, 48), (64, 64)]):
        file = pets.loaded(pets.arrays(side=side))
        assert sheet_layout(file).tile == (tile, tile)


def test_a_marked_size_is_set_apart_and_others_are_not(condensed):
    layout = sheet_layout(CondensedSet.load(condensed), sizes_marked=[2, 4])
    gaps = [b - a - 48 for a, b in zip(layout.columns, layout.columns[1:], strict=False)]
    assert gaps[1] > gaps[0] == gaps[2]
    assert layout.marks == (2, 4)


def test_the_bracket_of_a_size_ends_where_its_columns_end(condensed):
    file = CondensedSet.load(condensed)
    pixels = np.asarray(contact_sheet(condensed, sizes_marked=[2]))
    layout = sheet_layout(file, sizes_marked=[2])
    blue = (pixels == (0x00, 0x72, 0xB2)).all(axis=2).any(axis=0).nonzero()[0]
    assert layout.columns[0] - 1 <= blue.min() <= layout.columns[0]
    assert layout.columns[1] + 48 <= blue.max() < layout.columns[2]


def test_small_sets_mark_every_size_and_large_ones_round_sizes(pets):
    def marks(sizes):
        tensors = {
            "images": np.zeros((sizes, 1, 4, 4), np.uint8),
            "labels": np.zeros(sizes, np.int64),
            "rank": np.arange(sizes, dtype=np.int32),
        }
        return sheet_layout(pets.loaded(tensors, class_names=["a"], data={"classes": 1})).marks

    assert marks(10) == tuple(range(1, 11))
    assert marks(30) == (1, 2, 5, 10, 20, 30)
    assert marks(50) == (1, 2, 5, 10, 20, 50)


def test_a_mark_that_is_no_size_of_the_set_is_refused(condensed):
    with pytest.raises(ConfigError, match=r"holds 5 but .* shows 4 .* 1\.\.4"):
        contact_sheet(condensed, sizes_marked=[1, 5])


def test_a_long_name_does_not_widen_the_sheet_without_end(pets):
    def width(name):
        names = [name, *pets.classes[1:]]
        return sheet_layout(pets.loaded(pets.arrays(), class_names=names)).width

    assert width("x" * 60) == width("x" * 600)


def test_the_same_set_gives_the_same_picture(condensed):
    assert contact_sheet(condensed).tobytes() == contact_sheet(condensed).tobytes()


def test_of_many_classes_only_some_have_a_line(condensed):
    condensed = CondensedSet.load(condensed)
    whole, layout_of_whole = contact_sheet(condensed), sheet_layout(condensed)
    few, layout = contact_sheet(condensed, classes=2), sheet_layout(condensed, classes=2)
    assert (layout_of_whole.classes, layout.classes) == ((0, 1, 2), (0, 2))
    assert few.height == layout.height < whole.height
    own = tile_at(few, layout, line=1, column=0)
    assert np.array_equal(own, tile_at(whole, layout_of_whole, line=2, column=0))
