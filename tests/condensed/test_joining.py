"""Sets of different classes as one set."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.condensed.artifact import CondensedSet
from condensery.errors import ConfigError


def selected(classes: list[str], *, ipc: int = 3, by: str = "random") -> CondensedSet:
    return condensery.select(condensery.load_data("digits", classes=classes), by=by, ipc=ipc)


@pytest.fixture(scope="module")
def pair() -> tuple[CondensedSet, CondensedSet]:
    return selected(["7", "2"]), selected(["0", "5", "1"], ipc=5)


def test_every_image_keeps_its_bits_class_and_rank(pair):
    whole = condensery.joined(pair)
    for each in pair:
        for name in each.class_names:
            own = each.labels == each.class_names.index(name)
            here = whole.labels == whole.class_names.index(name)
            assert torch.equal(whole.stored["images"][here], each.stored["images"][own])
            assert torch.equal(whole.rank[here], each.rank[own])
    assert whole.class_names == pair[0].class_names + pair[1].class_names
    assert whole.rows == [5, 10, 15, 18, 21]  # three images of two classes, five of three


def test_the_joined_set_is_a_file_whose_prefixes_are_sets(pair, tmp_path):
    whole = condensery.joined(pair, name="both")
    whole.save(tmp_path / "both.safetensors")
    small = CondensedSet.load(tmp_path / "both.safetensors").take(2)
    assert (small.name, len(small), small.classes) == ("both", 10, 5)
    assert [record["class_names"] for record in small.manifest["joined"]] == [
        list(each.class_names) for each in pair
    ]


def test_mean_and_deviation_are_those_of_the_images_of_all_sets(pair):
    whole = condensery.joined(pair)
    both = [condensery.load_data("digits", classes=list(each.class_names)).train for each in pair]
    pixels = torch.cat([each.images for each in both]).double() / 255
    assert whole.mean == pytest.approx([float(pixels.mean())], abs=1e-6)
    assert whole.std == pytest.approx([float(pixels.std(correction=0))], abs=1e-4)


def test_joining_twice_gives_the_same_images_and_records_as_joining_once(pair):
    third = selected(["9", "8"])
    twice, once = (
        condensery.joined([condensery.joined(pair), third]),
        condensery.joined([*pair, third]),
    )
    assert all(torch.equal(twice.tensors[key], once.tensors[key]) for key in once.tensors)
    assert twice.manifest["joined"] == once.manifest["joined"]


def test_what_speaks_of_one_set_is_in_its_record_alone(pair):
    first, second = pair
    said = {"experts": {"experts": 2}, "reranked": {"by": "lbpe"}, "relabelled": {"epoch": 3}}
    marked = replace(first, manifest={**first.manifest, **said})
    manifest = condensery.joined([marked, second]).manifest
    assert not said.keys() & manifest.keys()
    assert said.items() <= manifest["joined"][0].items()


def test_learned_labels_are_zero_for_the_classes_of_other_sets(pair):
    first, second = pair
    learned = torch.full((len(first), 2), 0.25)
    manifest = {
        **first.manifest,
        "bytes": [b + 8 * r for b, r in zip(first.manifest["bytes"], first.rows, strict=True)],
    }
    soft = CondensedSet(
        stored=first.stored,
        labels=first.labels,
        rank=first.rank,
        soft_labels=learned,
        manifest=manifest,
    )
    whole = condensery.joined([soft, second])
    own = whole.labels < 2
    assert whole.soft_labels[own].unique(dim=0).tolist() == [[0.25, 0.25, 0, 0, 0]]
    assert torch.equal(whole.soft_labels[~own].argmax(1), whole.labels[~own])


def test_sets_that_do_not_fit_are_refused(pair, each):
    first = pair[0]
    halves = dict(first.manifest)
    floats = {"images": first.stored["images"].float() / 255}
    row = floats["images"][0].nbytes + 12
    halves["bytes"] = [row * count for count in first.rows]
    halves["class_names"] = ["8", "9"]
    other = CondensedSet(stored=floats, labels=first.labels, rank=first.rank, manifest=halves)
    whitened = CondensedSet(
        stored=first.stored,
        labels=first.labels,
        rank=first.rank,
        manifest={**first.manifest, "class_names": ["8", "9"], "zca": {"kind": "zca"}},
    )
    for wrong, reason in each(
        [
            (selected(["0", "3"]), "The class 0 is in more than one"),
            (other, "stores images as torch.float32"),
            (whitened, "its images are whitened"),
        ]
    ):
        with pytest.raises(ConfigError, match=reason):
            condensery.joined([*pair, wrong])
