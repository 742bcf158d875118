"""A condensed-set file whose tensors and metadata disagree is refused, by field and both values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.errors import ArtifactError
from condensery.parameterizations import stored_rows
from condensery.types import Examples


def condensed(*, soft: bool = False) -> CondensedSet:
    """Three classes of 3, 1 and 4 images of 4 x 6 pixels; a row takes 72 + 8 + 4 bytes."""
    rank, class_ = stored_rows(torch.tensor([3, 1, 4]))
    images = torch.linspace(0, 1, 8 * 3 * 4 * 6).reshape(8, 3, 4, 6)
    return CondensedSet.from_stored(
        Examples(
            images=images, labels=torch.eye(3)[class_] if soft else class_, class_=class_, rank=rank
        ),
        name="a set",
        class_names=("a", "b", "c"),
        decode={"kind": "pixels"},
        mean=(0.1, 0.2, 0.3),
        std=(0.2, 0.25, 0.3),
        method="mdc",
        recipe={},
        seed=7,
        data={"name": "digits", "fingerprint": "f00d", "images": 90, "classes": 3},
        created="2024-05-06T07:08:09Z",
    )


def record(size: int) -> dict[str, Any]:
    return {"size": size, "accuracy": 0.5}


def write(path: Path, tensors: dict[str, Tensor], manifest: object) -> None:
    """A file that nobody checked."""
    path.write_bytes(safetensors.torch.save(tensors, {"condensery": json.dumps(manifest)}))


def break_tensor(name: str, change: Callable[[Tensor], Tensor]) -> Callable[..., None]:
    def apply(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
        tensors[name] = change(tensors[name].clone()).contiguous()

    return apply


def put(name: str, value: object, *at: int) -> Callable[..., None]:
    """Put ``value`` at ``manifest[name]``, or at a place in it."""

    def apply(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
        if at:
            manifest[name][at[0]] = value
        else:
            manifest[name] = value

    return apply


def drop(name: str) -> Callable[..., None]:
    def apply(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
        (tensors if name in tensors else manifest).pop(name)

    return apply


def set_at(*index: int, value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor[index] = value
        return tensor

    return change


def swap(one: int, two: int) -> Callable[..., None]:
    def apply(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
        order = torch.arange(8)
        order[one], order[two] = two, one
        tensors.update({name: tensor[order] for name, tensor in tensors.items()})

    return apply


def lose_row_of_a_class(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
    keep = torch.tensor([0, 1, 2, 4, 5, 6, 7])  # class 0 then has ranks 0, 2
    tensors.update({name: tensor[keep] for name, tensor in tensors.items()})


def add_tensor(tensors: dict[str, Tensor], manifest: dict[str, Any]) -> None:
    tensors["weights"] = torch.ones(8)


BROKEN: dict[str, tuple[Callable[..., None], str]] = {
    "newer format": (put("format", 3), r"format: found 3, .* reads up to 2\. Update"),
    "format zero": (put("format", 0), r"format: found 0, expected 2"),
    "format text": (put("format", "1"), r"format: found '1', expected 2"),
    "format true": (put("format", True), r"format: found True, expected 2"),
    "format absent": (drop("format"), r"format: found None, expected 2"),
    "tensor absent": (drop("rank"), r"tensors: found images, labels, expected .*rank "),
    "tensor unknown": (add_tensor, r"tensors: found images, labels, rank, weights, expected"),
    "key absent": (drop("mean"), r"mean: found nothing, expected a list"),
    "key type": (put("seed", "7"), r"seed: found '7', expected a int"),
    "key bool": (put("seed", True), r"seed: found True, expected a int"),
    "learning rate text": (put("learned_lr", "x"), r"learned_lr: found 'x', expected"),
    "rows one": (put("rows", 6, 1), r"rows\[1\]: found 6, expected 5"),
    "rows float": (put("rows", 5.0, 1), r"rows\[1\]: found 5\.0, expected 5"),
    "rows long": (put("rows", [3, 5, 7, 8, 8]), r"rows: entries: found 5, expected 4"),
    "bytes one": (put("bytes", 1, 0), r"bytes\[0\]: found 1, expected 252"),
    "sizes": (put("sizes", 5), r"sizes: found 5, expected 4"),
    "too few names": (
        put("class_names", ["a", "b"]),
        r"class_names: found 2 names, expected 3 \(data\.classes\)",
    ),
    "too many names": (put("class_names", list("abcd")), r"class_names: found 4 names, expected 3"),
    "no class count": (put("data", {}), r"class_names: found 3 names, expected None"),
    "no names": (put("class_names", []), r"class_names: found \[\], expected one"),
    "names no text": (put("class_names", [1, 2, 3]), r"class_names: found \[1, 2, 3\]"),
    "mean short": (put("mean", [0.1, 0.2]), r"mean: channels: found 2, expected 3"),
    "std long": (put("std", [0.1] * 4), r"std: channels: found 4, expected 3"),
    "std zero": (put("std", [0.1, 0, 0.1]), r"std: found \[0\.1, 0, 0\.1\], expected .* above 0"),
    "mean text": (put("mean", ["0", 0, 0]), r"mean: found \['0', 0, 0\], expected finite"),
    "mean nan": (put("mean", [float("nan"), 0, 0]), r"manifest: cannot be written as JSON"),
    "decode": (put("decode", {"kind": "zip"}), r"decode: .*'zip'.*pixels"),
    "decode factor": (
        put("decode", {"kind": "multi-formation", "factor": 0, "order": "image"}),
        r"decode: factor = 0",
    ),
    "observation size": (
        put("observations", [record(1), record(5)]),
        r"observations\[1\]\.size: found 5, expected 1\.\.4",
    ),
    "observation no dict": (put("observations", [3]), r"observations\[0\]\.size: found None"),
    "images dtype": (
        break_tensor("images", Tensor.double),
        r"images\.dtype: found torch.float64, expected torch.uint8, torch.float16, torch.float32",
    ),
    "images range": (
        break_tensor("images", Tensor.float),
        r"images: found values in 0.*expected 0\.\.1",
    ),
    "images flat": (
        break_tensor("images", lambda x: x[:, 0]),
        r"images\.ndim: found 3, expected 4",
    ),
    "images no pixel": (
        break_tensor("images", lambda x: x[:, :, :0]),
        r"images: found shape \[8, 3, 0, 6\]",
    ),
    "images smaller": (
        break_tensor("images", lambda x: x[:, :, :3]),
        r"bytes\[0\]: found 252, expected 198",
    ),
    "labels dtype": (
        break_tensor("labels", Tensor.int),
        r"labels\.dtype: found torch.int32, expected torch.int64",
    ),
    "rank dtype": (
        break_tensor("rank", Tensor.long),
        r"rank\.dtype: found torch.int64, expected torch.int32",
    ),
    "labels short": (break_tensor("labels", lambda x: x[:7]), r"labels: rows: found 7, expected 8"),
    "rank short": (break_tensor("rank", lambda x: x[:7]), r"rank: rows: found 7, expected 8"),
    "images short": (break_tensor("images", lambda x: x[:7]), r"labels: rows: found 8, expected 7"),
    "labels high": (
        break_tensor("labels", set_at(2, value=3)),
        r"labels: found 0\.\.3, expected values in 0\.\.2 \(class_names has 3\)",
    ),
    "labels negative": (
        break_tensor("labels", set_at(0, value=-1)),
        r"labels: found -1\.\.2, expected",
    ),
    "rank negative": (break_tensor("rank", set_at(0, value=-1)), r"rank: found -1\.\.3, expected"),
    "rank high": (break_tensor("rank", set_at(7, value=2**31 - 1)), r"rank: found 0\.\.2147483647"),
    "class order": (swap(0, 1), r"order: row 1 is \(rank 0, class 0\) after \(rank 0, class 1\)"),
    "rank order": (swap(2, 3), r"order: row 3 is \(rank 0, class 2\) after \(rank 1, class 0\)"),
    "row twice": (
        break_tensor("labels", set_at(1, value=0)),
        r"order: row 1 is \(rank 0, class 0\) after \(rank 0, class 0\)",
    ),
    "rank gap": (lose_row_of_a_class, r"rank: class 0 has 2 rows, but its highest rank is 2"),
}


def test_a_file_that_disagrees_with_itself_is_refused_by_field(
    each, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in each(BROKEN):
        tmp_path = tmp_path_factory.mktemp("case")
        change, message = BROKEN[name]
        found = condensed()
        tensors, manifest = dict(found.tensors), json.loads(json.dumps(found.manifest))
        path = tmp_path / "set.safetensors"
        write(path, tensors, manifest)
        CondensedSet.load(path)  # it was whole before
        change(tensors, manifest)
        write(path, tensors, manifest)
        with pytest.raises(ArtifactError, match=message) as caught:
            CondensedSet.load(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_class_names_are_counted_against_the_labels(tmp_path: Path) -> None:
    found = condensed()
    manifest = {**found.manifest, "class_names": ["a", "b"], "data": {"classes": 2}}
    write(tmp_path / "a", found.tensors, manifest)
    with pytest.raises(ArtifactError, match=r"labels: found 0\.\.2.* \(class_names has 2\)"):
        CondensedSet.load(tmp_path / "a")


def test_a_class_without_any_image_ends_before_rank_zero(tmp_path: Path) -> None:
    found = condensed()
    names = ["a", "b", "c", "never seen"]
    manifest = {**found.manifest, "class_names": names, "data": {"classes": 4}}
    write(tmp_path / "a", found.tensors, manifest)
    assert CondensedSet.load(tmp_path / "a").classes == 4


def test_learned_labels_are_checked_as_well(each, tmp_path_factory: pytest.TempPathFactory) -> None:
    for change, message in each(
        [
            (lambda x: x[:, :2], r"soft_labels: classes: found 2, expected 3"),
            (lambda x: x[:5], r"soft_labels: rows: found 5, expected 8"),
            (
                lambda x: x.double(),
                r"soft_labels\.dtype: found torch.float64, expected torch.float32",
            ),
            (lambda x: x * float("inf"), r"soft_labels: found NaN or infinite"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        found = condensed(soft=True)
        assert found.soft_labels is not None
        tensors = found.tensors | {"soft_labels": change(found.soft_labels).contiguous()}
        write(tmp_path / "a", tensors, found.manifest)
        with pytest.raises(ArtifactError, match=message):
            CondensedSet.load(tmp_path / "a")


def test_a_disagreement_is_refused_where_a_set_is_made_as_well() -> None:
    found = condensed()
    with pytest.raises(ArtifactError, match=r"^sizes: found 3, expected 4"):
        replace(found, manifest={**found.manifest, "sizes": 3})
    with pytest.raises(ArtifactError, match=r"^observations\[0\]\.size: found None"):
        found.with_observations([{"accuracy": 0.5}])
    with pytest.raises(ArtifactError, match=r"^manifest: cannot be written as JSON"):
        found.with_observations([record(1) | {"accuracy": float("nan")}])
