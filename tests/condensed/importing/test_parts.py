"""Sets that MTT published in parts: read together where that is certain, else said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensery.condensed.importing import import_set
from condensery.errors import DataError, DataWarning

PIXELS = {"mean": [0], "std": [1], "format": "mtt"}


@pytest.fixture
def whole(cifar10, drawn) -> tuple[Tensor, Tensor]:
    return drawn(cifar10, ipc=2)


def save(folder: Path, number: int, images: Tensor, labels: Tensor | None) -> Path:
    path = folder / f"images_best_{number}.pt"
    torch.save(images, path)
    if labels is not None:
        torch.save(labels, folder / f"labels_best_{number}.pt")
    return path


def cut(whole, ends: list[int]):
    images, labels = whole
    places = zip([0, *ends], [*ends, 20], strict=True)
    return [(images[a:b].clone(), labels[a:b].clone()) for a, b in places]


def check(condensed, whole) -> None:
    images, labels = whole
    assert condensed.sizes == 2
    for row, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        found = condensed.images[(condensed.labels == label) & (condensed.rank == row % 2)][0]
        assert torch.equal(found, (image * 255).round().byte())


def test_parts_with_labels_of_their_own_are_read_together(each, tmp_path_factory, cifar10, whole):
    for given in each([0, 2, 10]):
        tmp_path = tmp_path_factory.mktemp("case")
        numbers = [0, 2, 10]  # as text, 10 comes before 2
        for number, (images, labels) in zip(numbers, cut(whole, [6, 8]), strict=True):
            save(tmp_path, number, images, labels)
        path = tmp_path / f"images_best_{given}.pt"
        with pytest.warns(
            DataWarning, match=r"one of 3 parts.*_0\.pt, images_best_2\.pt, .*_10\.pt"
        ):
            condensed = import_set(path, data=cifar10, **PIXELS)
        check(condensed, whole)
        record = condensed.manifest["recipe"]["imported"]
        assert [part["rows"] for part in record["parts"]] == [6, 2, 12]
        assert [part["labels_file"] for part in record["parts"]][2] == "labels_best_10.pt"
        assert record["rows"] == 20
        assert record["file"] == path.name


def test_parts_may_share_one_file_of_labels(tmp_path, cifar10, whole):
    for number, (images, _) in enumerate(cut(whole, [5, 11])):  # in the midst of a class
        save(tmp_path, number, images, None)
    torch.save(whole[1], tmp_path / "labels_best.pt")
    with pytest.warns(DataWarning, match="one of 3 parts"):
        condensed = import_set(tmp_path / "images_best_1.pt", data=cifar10, **PIXELS)
    check(condensed, whole)
    (tmp_path / "images_best_2.pt").unlink()
    with pytest.raises(DataError, match="hold 11 together, but there are 20 labels"):
        import_set(tmp_path / "images_best_1.pt", data=cifar10, **PIXELS)


def test_a_part_alone_is_refused_with_the_names_of_the_others(tmp_path, cifar10, whole):
    path = save(tmp_path, 0, *cut(whole, [10])[0])
    with pytest.raises(
        DataError,
        match=r"5 of the 10 classes.*none of 'dog', .*such as images_best_1\.pt and labels_best_1",
    ):
        import_set(path, data=cifar10, **PIXELS)


def test_a_part_that_is_missing_is_told_by_its_classes(tmp_path, cifar10, whole):
    parts = cut(whole, [6, 8])
    save(tmp_path, 0, *parts[0])
    save(tmp_path, 2, *parts[2])
    with pytest.raises(DataError, match="9 of the 10 classes of cifar10, and none of 'cat'"):
        import_set(tmp_path / "images_best_0.pt", data=cifar10, **PIXELS)


def test_sets_of_several_runs_are_no_parts(tmp_path, cifar10, whole, recwarn):
    images, labels = whole
    path = save(tmp_path, 0, images, labels)
    save(tmp_path, 1, 1 - images, labels)
    check(import_set(path, data=cifar10, **PIXELS), whole)
    assert not [warning for warning in recwarn if warning.category is DataWarning]
