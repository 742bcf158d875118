"""Passes fit into the memory of a GPU; a run whose memory was short goes on with smaller ones."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch

import condensery
from condensery.api import resolve
from condensery.condensing import machine_choices
from condensery.condensing.machine_choices import halved
from condensery.errors import ConfigError


@pytest.fixture(scope="module")
def data():
    return condensery.load_data("digits").train


def begun(data, **settings):
    asked = {"iterations": 2, **settings}
    return condensery.condense(
        data, method="dc", ipc=1, preset="smoke", network="convnet2-w4", settings=asked
    )


def short_of_memory(monkeypatch, *, at, most):
    """Make runs fail as CUDA does at a step, while they match more than ``most`` classes."""
    real = condensery.api.run
    began = []

    def run(recipe, *given, **named):
        began.append((recipe.classes_per_pass, named["state"].outer))
        for progress in real(recipe, *given, **named):
            if (progress.outer, progress.inner) == at and recipe.classes_per_pass > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore")
            yield progress

    monkeypatch.setattr(condensery.api, "run", run)
    return began


def test_a_run_whose_memory_is_short_goes_on_with_half_as_many_classes(data, monkeypatch, caplog):
    whole = begun(data, classes_per_pass=5)
    expected = [(p.outer, p.inner, p.boundary) for p in whole]
    began = short_of_memory(monkeypatch, at=(1, 1), most=5)
    run = begun(data, classes_per_pass=10)
    with caplog.at_level(logging.WARNING):
        found = [(p.outer, p.inner, p.boundary) for p in run]
    assert found == expected, "an update is reported twice, or not at all"
    assert began == [(10, 0), (5, 1)]
    assert run.ran.classes_per_pass == 5
    assert run.snapshot().manifest["recipe"]["classes_per_pass"] == 5
    (said,) = [r.getMessage() for r in caplog.records]
    assert "Tried to allocate 2 GiB." in said
    assert "after iteration 1 with classes_per_pass = 5 instead of classes_per_pass = 10" in said
    assert torch.allclose(run.state.stored.images, whole.state.stored.images, atol=1e-5)


def test_passes_are_halved_once_and_then_the_error_says_what_to_do(data, monkeypatch):
    began = short_of_memory(monkeypatch, at=(0, 0), most=1)
    with pytest.raises(ConfigError, match=r"classes_per_pass = 5: CUDA out of memory.+Use a small"):
        begun(data, classes_per_pass=10).result()
    assert began == [(10, 0), (5, 0)]


def test_a_pass_of_one_class_and_one_image_cannot_be_halved(data):
    one = begun(data).recipe
    assert one.classes_per_pass == 1
    assert halved(one) is None
    assert halved(replace(one, batch=9)).batch == 4
    assert halved(replace(one, classes_per_pass=7, batch=9)).classes_per_pass == 3
    assert halved(replace(one, batch=1)) is None


def test_a_gpu_matches_as_many_classes_as_its_memory_holds(data, monkeypatch):
    monkeypatch.setattr(machine_choices, "native_bf16", lambda device: False)

    def chosen(free, method="mdc", **settings):
        monkeypatch.setattr(machine_choices, "free_memory", lambda device: free)
        asked = {"method": method, "ipc": 10, "preset": "smoke", "settings": settings}
        return resolve(data, **asked, device="cuda")

    recipes = [chosen(2**bits) for bits in (20, 28, 36)]
    classes = [recipe.classes_per_pass for recipe in recipes]
    assert classes == sorted(classes)
    assert classes[0] == 1
    assert 1 < classes[1] <= classes[2] == data.classes
    assert recipes[0].batch < recipes[2].batch
    nearly = chosen(2**28 - 2**20)
    assert chosen(2**28 - 2**21).classes_per_pass == nearly.classes_per_pass
    assert chosen(2**36, classes_per_pass=3).classes_per_pass == 3
    assert chosen(2**36, batch=5).batch == 5
    assert chosen(2**20, "kip").classes_per_pass == data.classes  # no network, no activations
