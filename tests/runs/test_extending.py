"""New classes are condensed in a folder and added; the old images keep their bits."""

from __future__ import annotations

import pytest
import torch

import condensery
from condensery.cli.main import main
from condensery.condensing.recipe import from_json
from condensery.errors import ConfigError
from condensery.runs import Event

CHOICES = {"method": "dm", "ipc": 2, "preset": "smoke", "network": "convnet2-w4"}


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> condensery.CondensedSet:
    data = condensery.load_data("digits", classes=["1", "4"])
    condensed = condensery.condense(data, settings={"iterations": 2}, seed=3, **CHOICES).result()
    condensed.save(tmp_path_factory.mktemp("old") / "old.safetensors")
    return condensed


def test_new_classes_are_condensed_by_the_recipe_of_the_file_and_stand_behind_the_old_ones(
    old, tmp_path, capsys
):
    file = tmp_path / "old.safetensors"
    old.save(file)
    words = ["extend", str(file), "--data", "digits", "--classes", "0,7,9"]
    assert main([*words, "--out", str(tmp_path / "more")]) == 0
    assert "5 classes, 2 images per class, 10 rows" in capsys.readouterr().out
    whole = condensery.CondensedSet.load(tmp_path / "more" / "extended.safetensors")
    own = whole.labels < 2
    assert whole.class_names == ("1", "4", "0", "7", "9")
    assert torch.equal(whole.stored["images"][own], old.stored["images"])
    alone = condensery.load_data("digits", classes=["0", "7", "9"])
    new = condensery.condense(alone, settings={"iterations": 2}, seed=3, **CHOICES).result()
    assert torch.equal(whole.stored["images"][~own], new.stored["images"])
    (observation,) = condensery.evaluate(
        whole,
        condensery.load_data("digits", classes=list(whole.class_names)),
        sizes=[2],
        networks=["convnet2-w4"],
        steps=2,
        seeds=1,
        baselines=(),
    ).run()
    assert 0 <= observation.accuracy <= 1


def test_the_same_call_continues_and_another_one_is_refused(old, tmp_path):
    new = condensery.load_data("digits", classes=["0", "7"])
    first = condensery.extend(old, new, tmp_path / "more")
    again = condensery.extend(old, new, tmp_path / "more")
    assert first.to_bytes() == again.to_bytes()
    with pytest.raises(ConfigError, match="holds another run: seed is 3 there and 4 here"):
        condensery.extend(old, new, tmp_path / "more", seed=4)


def test_a_stopped_run_of_new_classes_is_continued_by_the_same_call(old, tmp_path):
    new = condensery.load_data("digits", classes=["0", "7"])

    def stopping(event: Event) -> None:
        if (event.kind, event.task) == ("step", "condense") and event.done > updates:
            raise KeyboardInterrupt

    updates = from_json(old.manifest["recipe"]).schedule.updates  # of an outer iteration
    with pytest.raises(KeyboardInterrupt):
        condensery.extend(old, new, tmp_path / "more", progress=stopping)
    assert not (tmp_path / "more" / "extended.safetensors").exists()
    whole = condensery.extend(old, new, tmp_path / "more")
    at_once = condensery.extend(old, new, tmp_path / "at-once")
    assert torch.equal(whole.stored["images"], at_once.stored["images"])


def test_what_cannot_be_added_is_refused_before_a_folder_is_made(old, tmp_path, each):
    digits = condensery.load_data
    selection = condensery.select(digits("digits", classes=["1", "2"]), by="first", ipc=1)
    for condensed, data, reason in each(
        [
            (old, digits("digits", classes=["4", "5"]), "class 4, which the set has already"),
            (old, digits("digits", classes=["5", "6"], image_size=12), "of shape"),
            (selection, digits("digits", classes=["5", "6"]), "was not condensed by a recipe"),
        ]
    ):
        with pytest.raises(ConfigError, match=reason):
            condensery.extend(condensed, data, tmp_path / "more")
        assert not (tmp_path / "more").exists()
