"""The names that are known without torch are those of the tables behind them."""

from __future__ import annotations

import argparse

from condensery.cli import names
from condensery.cli.condense import add_data
from condensery.cli.evaluation import EVALUATIONS
from condensery.data.known import KNOWN
from condensery.data.store import IMAGE_MEMORY
from condensery.evaluation import LABELS, PROTOCOLS
from condensery.methods import METHODS
from condensery.recipe import PARTS
from condensery.selection import RULES
from condensery.training import PRECISIONS


def test_the_data_sets_are_those_that_are_looked_for_by_name():
    assert ("digits", *KNOWN) == names.DATA_SETS


def test_the_methods_are_those_of_the_library():
    assert tuple(METHODS) == names.METHODS


def test_every_method_has_the_presets_in_this_order():
    for method in METHODS.values():
        assert method.presets == names.PRESETS


def test_the_size_policies_are_those_of_the_recipe():
    assert tuple(PARTS["sizes"]) == names.SIZES


def test_the_protocols_are_those_of_evaluation():
    assert tuple(PROTOCOLS) == names.PROTOCOLS


def test_the_labels_are_those_of_evaluation():
    assert tuple(LABELS) == names.LABELS


def test_the_selections_are_those_of_the_library():
    assert tuple(RULES) == names.SELECTIONS


def test_the_precisions_are_those_of_training():
    assert tuple(PRECISIONS) == names.PRECISIONS


def test_every_preset_says_how_its_result_is_evaluated():
    assert tuple(EVALUATIONS) == names.PRESETS


def test_as_much_memory_is_for_images_as_the_library_says():
    parser = argparse.ArgumentParser()
    add_data(parser)
    assert parser.parse_args([]).image_memory == IMAGE_MEMORY
