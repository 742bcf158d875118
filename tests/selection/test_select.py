"""What holds for every rule, and what ``select`` refuses before it trains anything."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

import pytest
import torch

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, ImageData, load_data
from condensery.engines.fused.blocks import EAGER
from condensery.errors import ConfigError
from condensery.registry import names
from condensery.selection import as_condensed, random_selection, select, steps_of, training

FAST = {"network": "convnet1-w4", "train_steps": 3}
MADE = ("mosaic", "rded")  # of parts of images
WHOLE = [by for by in names("selection") if by not in MADE]
NESTED = [by for by in names("selection") if by not in ("k-means", "mosaic")]


def chosen(data: ImageData, by: str, **changes: object) -> CondensedSet:
    return select(data, by=by, **({"ipc": 4, "seed": 3, **FAST} | changes))


def found_in(images: torch.Tensor, pool: torch.Tensor) -> list[int]:
    """Position in ``pool`` of every image."""
    equal = (images[:, None] == pool[None]).flatten(2).all(dim=2)
    assert (equal.sum(dim=1) == 1).all()
    return equal.int().argmax(dim=1).tolist()


def test_every_rule_gives_different_real_images_of_the_right_class(each, data: ImageData):
    for by in each(WHOLE):
        set_ = chosen(data, by)

        at = found_in(set_.images, data.images)
        assert len(set(at)) == 12
        assert data.labels[at].tolist() == set_.labels.tolist() == [0, 1, 2] * 4
        assert set_.mean == data.mean
        assert (set_.method, set_.name, set_.seed) == (by, f"{by}-toy", 3)
        trained = by not in ("random", "first")
        assert set_.manifest["recipe"] == {"method": by, "ipc": 4, **(FAST if trained else {})}


def test_the_same_arguments_give_the_same_bytes(each, data: ImageData):
    for by in each(names("selection")):
        assert chosen(data, by).to_bytes() == chosen(data, by).to_bytes()


def test_another_seed_chooses_otherwise(each, data: ImageData):
    for by in each(["random", "herding", "k-center", "k-means", "forgetting", *MADE]):
        sets = [chosen(data, by, seed=seed).images for seed in range(4)]

        assert any(not torch.equal(sets[0], other) for other in sets[1:])


def test_a_larger_selection_extends_the_smaller_one(each, data: ImageData):
    for by in each(NESTED):
        small, large = chosen(data, by, ipc=2), chosen(data, by, ipc=7)

        assert torch.equal(large.take(2).images, small.images)


def test_a_class_smaller_than_asked_gives_all_it_has(each, split):
    for by in each(names("selection")):
        set_ = chosen(split((3, 6, 0)), by, ipc=5)

        assert torch.bincount(set_.labels, minlength=3).tolist() == [3, 5, 0]


def test_a_size_that_no_class_can_give_is_refused(each, data: ImageData):
    for ipc, by in each(product([0, 13, -1], names("selection"))):
        with pytest.raises(ConfigError, match=rf"ipc = {ipc}.*12 images"):
            chosen(data, by, ipc=ipc)


def test_what_cannot_work_is_refused_before_anything_is_trained(
    each, data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    for changes, words in each(
        [
            ({"by": "hearding"}, "Did you mean 'herding'"),
            ({"by": "herding", "network": "convnett3"}, "convnett3"),
            ({"by": "k-means", "network": "vgg11"}, "vgg11 needs images of at least 28x28"),
            ({"by": "k-center", "train_steps": -1}, "train_steps = -1"),
            (
                {"by": "forgetting", "train_steps": 1},
                "seen at least twice: 2 steps for the 31 images",
            ),
            ({"by": "herding", "ipc": 13}, "ipc = 13"),
        ]
    ):
        monkeypatch.setattr(training, "Trainer", lambda *_, **__: pytest.fail("training began"))

        with pytest.raises(ConfigError, match=words):
            chosen(data, **({"by": "herding"} | changes))


def test_the_training_part_of_a_data_set_is_selected_from(data: ImageData, split):
    both = Data(name="toy", train=data, test=split((3, 3, 3), 1))

    assert torch.equal(chosen(both, "k-center").images, chosen(data, "k-center").images)


def test_every_step_of_the_training_is_told(each, data: ImageData):
    for seed, by in each(enumerate(names("selection"))):
        told: list[None] = []
        chosen(data, by, seed=seed, on_step=partial(told.append, None))

        assert len(told) == steps_of(by, data, train_steps=3)
        assert (len(told) == 0) == (by in ("random", "first", "mosaic"))


def test_the_training_is_400_steps_or_1000_and_ten_epochs_where_nobody_says(data: ImageData):
    assert {by: steps_of(by, data) for by in names("selection")} == {
        "random": 0,
        "first": 0,
        "herding": 400,
        "k-center": 400,
        "k-means": 400,
        "forgetting": 10,  # 31 images are one batch
        "mosaic": 0,
        "rded": 1000,
    }


def test_features_of_an_untrained_network_can_be_compared(data: ImageData):
    untrained, trained = (chosen(data, "herding", ipc=9, train_steps=n) for n in (0, 30))

    assert untrained.manifest["recipe"]["train_steps"] == 0
    assert not torch.equal(untrained.images, trained.images)


def test_rules_and_sizes_share_the_features_of_one_network(
    data: ImageData, own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[str] = []
    rules = ("herding", "k-center", "k-means")
    sets = {by: chosen(data, by, on_step=lambda by=by: told.append(by)) for by in rules}
    assert told == ["herding"] * 3
    (folder,) = (own_cache / "features").iterdir()
    assert folder.name.startswith("toy-convnet1-w4-")

    with monkeypatch.context() as patch:
        patch.setattr(training, "batched_features", lambda *_: pytest.fail("computed again"))
        chosen(data, "herding", ipc=7)
    for changes in ({"seed": 4}, {"train_steps": 2}, {"network": "convnet1-w5"}):
        chosen(data, "herding", **changes)
    assert len(list((own_cache / "features").iterdir())) == 4

    monkeypatch.setenv("CONDENSERY_CACHE", str(own_cache / "other"))
    for by, set_ in sets.items():
        assert set_.to_bytes() == chosen(data, by).to_bytes()


def test_a_selection_that_is_stopped_among_the_classes_trains_no_second_network(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    calls = iter(range(9))

    def stopping(network, parts, kept=training.batched_features):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return kept(network, parts)

    with monkeypatch.context() as patch:
        patch.setattr(training, "batched_features", stopping)
        with pytest.raises(KeyboardInterrupt):
            chosen(data, "k-means")
    told: list[None] = []
    rest = chosen(data, "k-means", on_step=partial(told.append, None))
    assert told == []
    monkeypatch.setattr(training, "_FORMAT", 0)  # an empty entry
    assert rest.to_bytes() == chosen(data, "k-means").to_bytes()


def test_features_too_large_for_the_cache_are_computed_again(
    data: ImageData, own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = chosen(data, "k-means")
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "1k")
    monkeypatch.setattr(training, "_FORMAT", 0)
    assert chosen(data, "k-means").to_bytes() == kept.to_bytes()
    held = [sorted(f.name for f in e.glob("class*")) for e in (own_cache / "features").iterdir()]
    assert [] in held


def test_compiled_selection_chooses_as_the_eager_one(each, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    digits = load_data("digits").train
    for by in each(["herding", "forgetting"]):
        sets = []
        for pays in (False, True):
            monkeypatch.setattr(training, "pays_to_compile", lambda *_, pays=pays, **__: pays)
            monkeypatch.setattr(training, "_FORMAT", int(pays))
            steps = 46 if by == "forgetting" else 5
            sets.append(select(digits, by=by, ipc=2, network="convnet2-w4", train_steps=steps))
        same = (sets[0].images == sets[1].images).flatten(1).all(dim=1)
        assert same.float().mean() > (0.7 if by == "forgetting" else 0.9)


def test_features_are_computed_in_batches_whatever_their_size(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    whole = chosen(data, "k-center", ipc=9)
    monkeypatch.setattr(training, "_FORMAT", 0)
    seen: list[int] = []

    def watched(network, parts, kept=training.batched_features):
        parts = list(parts)
        seen.extend(len(part) for part in parts)
        return kept(network, parts)

    monkeypatch.setattr(training, "batched_features", watched)
    monkeypatch.setattr(training, "_FORWARD", 5)

    assert torch.equal(chosen(data, "k-center", ipc=9).images, whole.images)
    assert max(seen) == 5
    assert sum(seen) == 31


def test_random_selection_is_the_rule_random(data: ImageData):
    by_name = random_selection(data, ipc=4, seed=3)

    assert by_name.to_bytes() == chosen(data, "random").to_bytes()


def test_first_is_the_order_of_the_data_set(data: ImageData):
    images = chosen(data, "first").images.unflatten(0, (4, 3))

    for class_ in range(3):
        assert torch.equal(images[:, class_], data.images[data.of_class(class_)[:4]])


def test_an_order_of_ones_own_becomes_a_set(data: ImageData):
    orders = [data.of_class(c).flip(0) for c in range(3)]
    set_ = as_condensed(data, orders, ipc=2, method="last", recipe={"by": "hand"}, seed=0)

    expected = torch.stack([orders[c][rank] for rank in range(2) for c in range(3)])
    assert torch.equal(set_.images, data.images[expected])
    assert set_.manifest["recipe"] == {"method": "last", "ipc": 2, "by": "hand"}


def test_the_names_are_told_where_one_is_wrong():
    with pytest.raises(ConfigError, match=", ".join(names("selection"))):
        steps_of("best", None)
