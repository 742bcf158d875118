"""Every layout of ``published_layouts.LAYOUTS`` is read, or refused with the stated way out."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

from condensery.data import load_data
from condensery.data.known import KNOWN
from condensery.data.statistics import measure
from condensery.errors import DataError


def _published_layouts():
    path = Path(__file__).with_name("published_layouts.py")
    spec = importlib.util.spec_from_file_location("published_layouts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


published = _published_layouts()


def test_a_published_layout_is_read_or_refused_as_the_documentation_says(each, tmp_path_factory):
    for layout in each(published.LAYOUTS):
        tmp_path = tmp_path_factory.mktemp("case")
        if any(importlib.util.find_spec(package) is None for package in layout.needs):
            continue
        root = tmp_path / "downloaded"
        root.mkdir()
        layout.make(root)
        source = root / layout.given
        options = {
            key: value.format(root=root) if isinstance(value, str) else value
            for key, value in layout.options.items()
        }
        if isinstance(layout.outcome, published.Refused):
            with pytest.raises(DataError) as refusal:
                load_data(source, **options)
            assert layout.outcome.fault in str(refusal.value)
            assert layout.outcome.way_out.replace("`", "") in str(refusal.value)
            continue
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            data = load_data(source, **options)
        expected = layout.outcome
        assert list(data.train.class_names) == list(expected.class_names)
        assert (len(data.train), len(data.test)) == (expected.train, expected.test)
        if expected.name is not None:
            assert data.name == expected.name
        for split in (data.train, data.test):
            shown = [published.class_shown(image.numpy()) for image in split.images]
            assert split.labels.tolist() == shown
        for words, given in zip(expected.notices, warned, strict=True):
            assert words in str(given.message)
        for words, given in zip(expected.skipped, data.skipped, strict=True):
            assert words in str(given)


def test_a_named_set_is_found_in_its_published_layout(each, tmp_path_factory):
    named = [(name, layout) for layout in published.LAYOUTS for name in layout.known]
    assert {name for name, _ in named} == set(KNOWN)
    for name, layout in each(named):
        if any(importlib.util.find_spec(package) is None for package in layout.needs):
            continue
        known, root = KNOWN[name], tmp_path_factory.mktemp("data")
        layout.make(root)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            data = load_data(name, data_dir=root)
        assert not warned
        assert (data.name, data.train.channels) == (name, known.channels)
        drawn, classes = list(layout.outcome.class_names), list(data.train.class_names)
        assert set(classes) == set(known.class_names)
        for split, images in ((data.train, layout.outcome.train), (data.test, layout.outcome.test)):
            assert len(split) * len(drawn) == images * len(classes)
            shown = [drawn[published.class_shown(image.numpy())] for image in split.images]
            for label, name_drawn in zip(split.labels.tolist(), shown, strict=True):
                if classes[label] != name_drawn:  # another name of the same class
                    assert known.table.find(classes[label]) == known.table.find(name_drawn)
                    assert known.table.find(name_drawn) is not None
        expected = known.statistics or measure(data.train.images)
        assert (data.train.mean, data.train.std) == (expected.mean, expected.std)


def test_every_layout_has_a_name_of_its_own():
    names = [layout.name for layout in published.LAYOUTS]
    assert len(set(names)) == len(names)


def test_the_table_of_the_documentation_is_that_of_the_list():
    page = published.PAGE.read_text(encoding="utf-8")
    assert published.BEGIN in page
    assert page == published.page_with_table(page), "run python tests/data/published_layouts.py"
