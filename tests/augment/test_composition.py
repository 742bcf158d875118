"""Which operations a strategy applies, and the ranges of their parameters."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from condensery.augment.composition import UNIFORMS, Parameters, parameters, words
from condensery.errors import ConfigError
from condensery.rng import stream

SIDE = (32, 20)


def drawn(strategy, *, mode="idc", count=4000, uniforms=None):
    if uniforms is None:
        uniforms = torch.rand(count, UNIFORMS, dtype=torch.float64, generator=stream(0))
    return parameters(words(strategy), uniforms, mode=mode, side=SIDE)


def applied(given):
    return {field.name for field in fields(Parameters) if getattr(given, field.name) is not None}


def choosing(fraction):
    """One draw whose first number, which chooses the word, is ``fraction``."""
    uniforms = torch.full((1, UNIFORMS), 0.25, dtype=torch.float64)
    uniforms[0, 0] = fraction
    return uniforms


def test_idc_always_flips_colours_and_cuts_out_and_chooses_one_of_the_others():
    strategy = "color_crop_flip_cutout_scale_rotate"
    always = {"flipped", "color", "cutout"}
    for fraction, chosen in ((0.0, "crop"), (0.34, "scale"), (0.99, "degrees")):
        given = drawn(strategy, uniforms=choosing(fraction))
        assert applied(given) == always | {chosen}


def test_idc_applies_the_only_remaining_word_always():
    for fraction in (0.0, 0.5, 0.999):
        assert applied(drawn("color_crop", uniforms=choosing(fraction))) == {"color", "crop"}


def test_idc_needs_no_word_to_choose_from():
    assert applied(drawn("color")) == {"color"}


def test_dsa_chooses_one_of_all_words():
    strategy = "color_crop_cutout_flip_scale_rotate"
    names = ("color", "crop", "cutout", "flipped", "scale", "degrees")
    for index, name in enumerate(names):
        given = drawn(strategy, mode="dsa", uniforms=choosing((index + 0.5) / 6))
        assert applied(given) == {name}


def test_adding_a_word_does_not_move_the_draws_of_the_others():
    few, many = drawn("color_crop"), drawn("color_crop_flip_cutout")
    assert torch.equal(few.color[2], many.color[2])
    assert torch.equal(few.crop[1], many.crop[1])


def covers(values, lowest, largest):
    """Uniform numbers reach both ends of a range and its middle, and nothing beyond."""
    width = largest - lowest
    assert lowest <= values.min() < lowest + 0.01 * width
    assert largest - 0.01 * width < values.max() <= largest
    assert abs(values.mean() - (lowest + largest) / 2) < 0.03 * width


def test_real_parameters_fill_their_ranges():
    color = drawn("color").color
    covers(color[0], -0.5, 0.5)
    covers(color[1], 0, 2)
    covers(color[2], 0.5, 1.5)
    for factor in drawn("scale").scale:
        covers(factor, 1 / 1.2, 1.2)
    covers(drawn("rotate").degrees, -15, 15)
    covers(drawn("flip").flipped.double(), 0, 1)


def test_shifts_are_all_integers_up_to_an_eighth_of_their_own_side():
    rows, columns = drawn("crop").crop
    assert rows.unique().tolist() == list(range(-4, 5))
    assert columns.unique().tolist() == list(range(-3, 4))


def test_translate_moves_columns_only():
    rows, columns = drawn("translate").crop
    assert rows.unique().tolist() == [0]
    assert columns.unique().tolist() == list(range(-3, 4))


def test_cutout_centres_reach_past_the_border_if_the_box_is_even():
    rows, columns = drawn("cutout").cutout  # boxes of 16 and 10 pixels
    assert rows.unique().tolist() == list(range(33))
    assert columns.unique().tolist() == list(range(21))
    uniforms = torch.rand(4000, UNIFORMS, dtype=torch.float64, generator=stream(0))
    odd = parameters(("cutout",), uniforms, mode="idc", side=(10, 9)).cutout  # boxes of 5
    assert odd[0].unique().tolist() == list(range(10))
    assert odd[1].unique().tolist() == list(range(9))


def test_two_parameters_of_an_operation_are_drawn_independently():
    for pair in (drawn("crop").crop, drawn("scale").scale, drawn("cutout").cutout):
        together = torch.corrcoef(torch.stack(pair).double())
        assert abs(together[0, 1]) < 0.05


def test_an_unknown_word_is_an_error_with_the_nearest_known():
    with pytest.raises(ConfigError, match=r"'colour'.*Did you mean 'color'"):
        words("colour_crop")


@pytest.mark.parametrize("strategy", ["", "color__crop"])
def test_an_empty_word_is_an_error(strategy):
    with pytest.raises(ConfigError, match="not known"):
        words(strategy)


def test_a_word_that_comes_twice_is_an_error():
    with pytest.raises(ConfigError, match="twice"):
        words("crop_color_crop")
