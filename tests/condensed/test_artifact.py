"""Contract of the condensed-set file: what docs/artifact.md promises to other people's readers."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor
from torch.utils.data import DataLoader

from condensery.condensed.artifact import FORMAT, CondensedSet
from condensery.errors import ArtifactError, ConfigError
from condensery.parameterizations import MultiFormation, stored_rows
from condensery.types import Examples

COUNTS = (3, 1, 4)
PIXELS: dict[str, object] = {"kind": "pixels"}


def stored(
    counts: tuple[int, ...] = COUNTS, *, side: tuple[int, int] = (4, 6), soft: bool = False
) -> Examples:
    rank, class_ = stored_rows(torch.tensor(counts))
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(len(rank), 3, *side, generator=rng)
    labels = torch.rand(len(rank), len(counts), generator=rng) if soft else class_
    return Examples(images=images, labels=labels, class_=class_, rank=rank)


def condensed(
    counts: tuple[int, ...] = COUNTS,
    *,
    given: Examples | None = None,
    decode: dict[str, object] = PIXELS,
    dtype: torch.dtype = torch.uint8,
    soft: bool = False,
) -> CondensedSet:
    return CondensedSet.from_stored(
        stored(counts, soft=soft) if given is None else given,
        name="a set",
        class_names=[f"clâss {c}" for c in range(len(counts))],
        decode=decode,
        mean=(0.1, 1 / 3, 0.3),
        std=(0.2, 0.25, 0.3),
        method="mdc",
        recipe={"iterations": 3, "lr": 5e-3, "nested": {"order": ["z", "a"]}},
        seed=7,
        data={"name": "digits", "fingerprint": "f00d", "images": 90, "classes": len(counts)},
        created="2024-05-06T07:08:09Z",
        dtype=dtype,
    )


def record(size: int) -> dict[str, Any]:
    return {"size": size, "accuracy": 0.5, "std": 0.01, "networks": ["convnet3"], "seeds": 2}


def write(
    path: Path, tensors: dict[str, Tensor], manifest: object, key: str = "condensery"
) -> None:
    """A file that nobody checked."""
    path.write_bytes(safetensors.torch.save(tensors, {key: json.dumps(manifest)}))


def same(one: CondensedSet, two: CondensedSet) -> bool:
    return (
        one.manifest == two.manifest
        and one.tensors.keys() == two.tensors.keys()
        and all(torch.equal(one.tensors[name], two.tensors[name]) for name in one.tensors)
    )


# ---------------------------------------------------------------- write, read, write again


def test_writing_what_was_read_gives_the_same_bytes(
    each, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for soft, dtype in each(product([False, True], [torch.uint8, torch.float16, torch.float32])):
        tmp_path = tmp_path_factory.mktemp("case")
        before = condensed(dtype=dtype, soft=soft).with_observations([record(1), record(3)])
        before.save(tmp_path / "one.safetensors")
        after = CondensedSet.load(tmp_path / "one.safetensors")
        after.save(tmp_path / "two.safetensors")
        assert same(before, after)
        one, two = (tmp_path / f"{name}.safetensors" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes() == before.to_bytes()


def test_keys_of_others_and_their_order_survive_a_rewrite(tmp_path: Path) -> None:
    manifest = {"licence": "CC0", **dict(reversed(condensed().manifest.items()))}
    replace(condensed(), manifest=manifest).save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert list(back.manifest) == list(manifest)
    assert back.manifest["licence"] == "CC0"


def test_the_manifest_has_every_documented_key_and_no_clock() -> None:
    manifest = condensed().manifest
    assert list(manifest) == [
        *("format", "library_version", "name", "class_names", "sizes", "rows", "decode"),
        *("tensors", "shape", "examples_each", "mean"),
        *("std", "zca", "learned_lr", "method", "recipe", "seed", "data", "observations"),
        *("bytes", "created"),
    ]
    assert manifest["format"] == FORMAT == 2
    assert manifest["created"] == "2024-05-06T07:08:09Z"
    assert manifest["recipe"]["nested"] == {"order": ["z", "a"]}
    assert (manifest["zca"], manifest["learned_lr"]) == (None, None)


def test_what_is_asked_most_is_a_property() -> None:
    found = condensed()
    assert (found.sizes, found.size, found.rows, len(found)) == (4, 4, [3, 5, 7, 8], 8)
    assert (found.classes, found.class_names) == (3, ("clâss 0", "clâss 1", "clâss 2"))
    assert (found.mean, found.std) == ((0.1, 1 / 3, 0.3), (0.2, 0.25, 0.3))
    assert (found.name, found.method, found.seed) == ("a set", "mdc", 7)
    assert repr(found) == (
        "CondensedSet('a set', method='mdc', sizes=1..4, classes=3, rows=8, "
        "images=3x4x6, stored=images torch.uint8)"
    )


def test_changing_what_was_handed_out_does_not_change_the_set() -> None:
    found = condensed().with_observations([record(1)])
    found.observations[0]["accuracy"] = 1.0
    found.rows.append(9)
    found.decode().images.zero_()
    found.decode().labels.zero_()
    assert same(found, condensed().with_observations([record(1)]))


# ---------------------------------------------------------------- from stored images


def test_images_are_rounded_to_the_nearest_of_256_values_and_clamped() -> None:
    values = torch.tensor([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 100.49 / 255, 1.0, 2.0, 0.25])
    images = values[:, None, None, None].expand(8, 3, 4, 6).contiguous()
    found = condensed(given=stored().with_images(images))
    assert found.images[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 100, 255, 255, 64]
    kept = condensed(given=stored().with_images(images), dtype=torch.float32)
    assert kept.images[:, 0, 0, 0].tolist() == values.clamp(0, 1).tolist()


def test_quantising_what_was_decoded_changes_nothing() -> None:
    every = torch.arange(256, dtype=torch.float32).reshape(1, 1, 16, 16) / 255
    given = stored(side=(16, 16)).with_images(every.expand(8, 3, 16, 16).contiguous())
    once = condensed(given=given)
    assert torch.equal(once.images[0, 0].flatten().long(), torch.arange(256))
    assert same(once, condensed(given=once.decode()))


def test_rows_in_any_order_are_put_in_file_order() -> None:
    shuffled = stored().rows(torch.randperm(8, generator=torch.Generator().manual_seed(1)))
    assert same(condensed(given=shuffled), condensed())
    assert condensed().rank.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]
    assert condensed().labels.tolist() == [0, 1, 2, 0, 2, 0, 2, 2]


def test_labels_with_a_class_axis_are_kept_as_learned_labels() -> None:
    given = stored(soft=True)
    found = condensed(given=given.rows(torch.arange(7, -1, -1)))
    assert found.soft_labels is not None
    assert torch.equal(found.soft_labels, given.labels)
    assert torch.equal(found.labels, given.class_)
    assert torch.equal(found.decode(2).labels, given.labels[:5])


def test_pixels_that_are_not_finite_are_never_quantised() -> None:
    images = stored().images.clone()
    images[2, 1, 0, 3] = float("nan")
    images[3, 1, 0, 3] = float("inf")
    with pytest.raises(ArtifactError, match="images: found 2 values that are NaN or infinite"):
        condensed(given=stored().with_images(images))


def test_a_set_of_nothing_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"images: found shape \[0, 3, 4, 6\]"):
        condensed(given=stored().rows(torch.arange(0)))


def test_an_image_dtype_that_no_reader_expects_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dtype = torch.float64"):
        condensed(dtype=torch.float64)


# ---------------------------------------------------------------- nesting


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32]),
    soft=st.booleans(),
)
def test_every_size_is_a_prefix_of_the_bytes_of_every_tensor(
    tmp_path_factory: pytest.TempPathFactory,
    counts: tuple[int, ...],
    dtype: torch.dtype,
    soft: bool,
) -> None:
    whole = condensed(counts, dtype=dtype, soft=soft)
    path = tmp_path_factory.mktemp("prefix") / "set.safetensors"
    whole.save(path)
    with safe_open(path, framework="pt") as file:
        rows = json.loads(file.metadata()["condensery"])["rows"]
        for k in range(1, max(counts) + 1):
            part = whole.take(k)
            assert rows[k - 1] == sum(min(count, k) for count in counts) == len(part)
            for name, tensor in part.tensors.items():
                assert torch.equal(file.get_slice(name)[: rows[k - 1]], tensor)
            taken = sum(x.numel() * x.element_size() for x in part.tensors.values())
            assert whole.bytes_of(k) == taken == part.bytes_of(k)
            assert torch.equal(part.rank, whole.rank[whole.rank < k])


def test_a_taken_set_is_a_set_of_its_own(tmp_path: Path) -> None:
    whole = condensed().with_observations([record(1), record(4), record(2)])
    part = whole.take(2)
    assert (part.sizes, part.rows, len(part)) == (2, [3, 5], 5)
    assert part.manifest["bytes"] == whole.manifest["bytes"][:2]
    assert part.observations == [record(1), record(2)]
    changed = {"sizes", "rows", "bytes", "observations"}
    assert all(part.manifest[x] == whole.manifest[x] for x in whole.manifest.keys() - changed)
    part.save(tmp_path / "part")
    assert same(CondensedSet.load(tmp_path / "part"), part)
    part.images.zero_()
    assert bool(whole.images[0].any())  # not a view that would keep all of it alive


def test_taking_twice_is_taking_once() -> None:
    assert same(condensed().take(3).take(1), condensed().take(1))
    assert same(condensed().take(4), condensed())


def test_sizes_that_are_not_stored_are_refused(each) -> None:
    for ipc in each([0, -1, 5]):
        found = condensed()
        calls: list[Callable[[int], object]] = [
            *(found.take, found.decode, found.as_dataset, found.bytes_of),
        ]
        for call in calls:
            with pytest.raises(ConfigError, match=rf"ipc = {ipc}.*1\.\.4"):
                call(ipc)


def test_fit_accuracy_gives_the_smallest_size_that_was_seen_to_reach_the_share() -> None:
    seen = [record(k) | {"accuracy": x} for k, x in enumerate((0.5, 0.7, 0.76, 0.8), start=1)]
    whole = condensed().with_observations(seen)
    assert same(whole.fit_accuracy(0.94), whole.take(3))
    assert same(whole.fit_accuracy(0.99), whole)
    with pytest.raises(ConfigError, match="has not been evaluated"):
        condensed().fit_accuracy(0.9)


def test_fit_bytes_gives_the_largest_size_whose_file_fits() -> None:
    whole = condensed((3, 2, 9))
    files = [len(whole.take(k).to_bytes()) for k in range(1, 10)]
    assert files == sorted(set(files))
    for k, size in enumerate(files, start=1):
        assert same(whole.fit_bytes(size), whole.take(k))
        if k > 1:
            assert same(whole.fit_bytes(size - 1), whole.take(k - 1))
    assert same(whole.fit_bytes(10**9), whole)


def test_a_budget_too_small_for_any_size_names_the_bytes_of_the_smallest() -> None:
    needed = len(condensed().take(1).to_bytes())
    with pytest.raises(ConfigError, match=rf"budget = {needed - 1} bytes.*takes {needed} bytes"):
        condensed().fit_bytes(needed - 1)


# ---------------------------------------------------------------- decoding


def test_pixels_decode_to_the_stored_images_in_zero_to_one() -> None:
    found = condensed()
    decoded = found.decode(2)
    assert decoded.images.dtype == torch.float32
    assert torch.equal(decoded.images, found.images[:5].float() / 255)
    assert decoded.labels.tolist() == decoded.class_.tolist() == [0, 1, 2, 0, 2]
    assert decoded.rank.tolist() == [0, 0, 0, 1, 1]


def test_a_size_decodes_alike_from_the_whole_set_and_from_its_prefix(each) -> None:
    for decode, dtype in each(
        product([PIXELS, MultiFormation(factor=2).decode_json()], [torch.uint8, torch.float16])
    ):
        whole = condensed(decode=decode, dtype=dtype)
        for k in range(1, 5):
            one, two = whole.decode(k), whole.take(k).decode()
            assert torch.equal(one.images, two.images)
            assert torch.equal(one.labels, two.labels)
            assert torch.equal(one.rank, two.rank)
            assert 0 <= float(one.images.min()) <= float(one.images.max()) <= 1


def test_a_crop_major_set_decodes_by_the_rank_of_its_crops() -> None:
    decode = MultiFormation(factor=2, order="crop").decode_json()
    whole = condensed((4, 4, 4), decode=decode)
    crops = condensed((4, 4, 4), decode=MultiFormation(factor=2).decode_json()).decode().images
    crops = crops.unflatten(0, (4, 3, 4))  # [image, class_, crop, ...]
    first = whole.decode(1)
    assert first.labels.bincount().tolist() == [4, 4, 4]
    for c in range(3):  # size 1: the top left quarters of all four images
        assert torch.equal(first.images[first.labels == c], crops[:, c, 0])
    assert len(whole.decode()) == 48


def test_a_crop_major_set_is_not_cut(tmp_path: Path) -> None:
    whole = condensed(decode=MultiFormation(factor=2, order="crop").decode_json())
    with pytest.raises(ConfigError, match=r"take\(2\).*no prefix of.*decode\(2\).*order 'image'"):
        whole.take(2)
    assert same(whole.take(4), whole)
    size = len(whole.to_bytes())
    assert same(whole.fit_bytes(size), whole)
    with pytest.raises(ConfigError, match=rf"takes {size} bytes; a set that decodes crop by crop"):
        whole.fit_bytes(size - 1)
    whole.save(tmp_path / "crop")
    assert same(CondensedSet.load(tmp_path / "crop"), whole)


def test_the_documented_rank_of_a_crop_holds_for_classes_of_unequal_size() -> None:
    decoded = condensed(decode=MultiFormation(factor=2, order="crop").decode_json()).decode()
    for c, n in enumerate(COUNTS):
        wanted = sorted((crop * n + r) // 4 for crop in range(4) for r in range(n))
        assert sorted(decoded.rank[decoded.class_ == c].tolist()) == wanted


def test_the_torch_data_set_holds_decoded_images_and_labels() -> None:
    found = condensed(decode=MultiFormation(factor=2).decode_json())
    data = found.as_dataset(2)
    assert len(data) == 5 * 4
    assert torch.equal(data.tensors[0], found.decode(2).images)
    images, labels = next(iter(DataLoader(data, batch_size=20)))
    assert (images.shape, images.dtype) == ((20, 3, 4, 6), torch.float32)
    assert torch.equal(labels, found.decode(2).labels)


def test_the_torch_data_set_is_transformed_before_it_is_normalised() -> None:
    found = condensed()
    plain = found.decode(2).images
    mean, std = (torch.tensor(x)[:, None, None] for x in (found.mean, found.std))
    whole = found.as_dataset(2, normalise=True)
    torch.testing.assert_close(torch.stack([x for x, _ in whole]), (plain - mean) / std)
    flipped = found.as_dataset(2, normalise=True, transform=lambda image: image.flip(2))
    torch.testing.assert_close(torch.stack([x for x, _ in flipped]), (plain.flip(3) - mean) / std)
    own = found.as_dataset(2, normalise=lambda images: images - 1)
    torch.testing.assert_close(torch.stack([x for x, _ in own]), plain - 1)


def test_a_whitened_set_is_not_normalised_without_its_whitening() -> None:
    found = condensed()
    found.manifest["zca"] = {"kind": "zca", "eps": 0.1, "fitted_to": "x"}
    with pytest.raises(ConfigError, match=r"whitened\(load_data\(DATA\)\.train, 'zca'\)"):
        found.as_dataset(2, normalise=True)


def test_the_loader_has_another_order_in_every_epoch_that_its_seed_decides() -> None:
    found = condensed()
    torch_state = torch.random.get_rng_state()
    orders = []
    for seed in (0, 0, 1):
        loader = found.as_dataloader(seed=seed, batch_size=2)
        orders.append([torch.cat([x for x, _ in loader]) for _ in range(2)])
    assert torch.equal(torch.stack(orders[0]), torch.stack(orders[1]))
    assert not torch.equal(orders[0][0], orders[0][1])
    assert not torch.equal(orders[0][0], orders[2][0])
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    straight = torch.cat([x for x, _ in found.as_dataloader(shuffle=False, drop_last=False)])
    assert torch.equal(straight, found.decode().images)


# ---------------------------------------------------------------- refused files


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.safetensors: there is no such file"):
        CondensedSet.load(tmp_path / "absent.safetensors")
    with pytest.raises(ArtifactError, match="cannot be read"):
        CondensedSet.load(tmp_path)


def test_a_file_truncated_anywhere_is_refused_with_both_lengths(tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    whole = condensed().to_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    lengths = {0, 1, 7, 8, 9, 20, header - 1, header, header + 1, len(whole) - 1}
    for length in sorted(lengths | set(range(0, len(whole), 97))):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=f"is truncated: found {length} bytes") as caught:
            CondensedSet.load(path)
        assert str(caught.value).startswith(str(path))
        if length >= header:
            assert f"expected {len(whole)}" in str(caught.value)


FOREIGN: dict[str, bytes] = {
    "pickle": pickle.dumps({"images": [1, 2, 3]}),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "text": b"label,pixel\n" * 20,
    "json": b'{"images": {"a": 1}, "labels": 2}',
    "zeros": bytes(64),
    "brace, no JSON": (20).to_bytes(8, "little") + b"{" + b"x" * 60,
    "JSON, no header": (12).to_bytes(8, "little") + b'{"a":[1, 2]}' + bytes(40),
    "list offsets": (26).to_bytes(8, "little") + b'{"a":{"data_offsets":"no"}}' + bytes(40),
}


def test_a_foreign_file_is_refused_by_name(each, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in each(FOREIGN):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "foreign"
        path.write_bytes(FOREIGN[name])
        with pytest.raises(ArtifactError, match="is not a safetensors file") as caught:
            CondensedSet.load(path)
        assert str(caught.value).startswith(str(path))


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(condensed().to_bytes() + b"more")
    with pytest.raises(ArtifactError, match="is damaged"):
        CondensedSet.load(tmp_path / "a")


def test_a_safetensors_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", condensed().tensors, condensed().manifest, key="format")
    with pytest.raises(
        ArtifactError, match="no condensed set: its metadata holds format, expected"
    ):
        CondensedSet.load(tmp_path / "a")
    safetensors.torch.save_file({"weight": torch.ones(2)}, tmp_path / "b")
    with pytest.raises(ArtifactError, match="no condensed set: its metadata holds nothing"):
        CondensedSet.load(tmp_path / "b")


def test_metadata_that_is_no_json_object_is_refused(
    each, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for text in each(["{", "[1]", "", "null"]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "a"
        path.write_bytes(safetensors.torch.save(condensed().tensors, {"condensery": text}))
        with pytest.raises(ArtifactError, match=r"a: .*Nothing was loaded") as caught:
            CondensedSet.load(path)
        assert "manifest" in str(caught.value)


# ---------------------------------------------------------------- saving


def test_a_failing_write_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.safetensors"
    condensed().take(1).save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(ArtifactError, match="No space left") as caught:
                condensed().save(path)
        assert str(caught.value).startswith(str(path))
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]
    condensed().save(path)
    assert same(CondensedSet.load(path), condensed())


def test_a_folder_that_is_absent_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "set.safetensors"
    with pytest.raises(ArtifactError, match="existing, writable folder") as caught:
        condensed().save(path)
    assert str(path) in str(caught.value)


# ---------------------------------------------------------------- the page for outsiders


def test_the_code_on_the_documentation_page_reads_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "artifact.md"
    reader, ranges, library = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    whole = condensed()
    whole = whole.with_observations([record(1), record(whole.sizes)])
    whole.save(tmp_path / "set.safetensors")
    monkeypatch.chdir(tmp_path)
    found: list[dict[str, Any]] = [{}, {}, {}]
    for names, code in zip(found, (reader, ranges, library), strict=True):
        exec(code, names)
    part = whole.take(2)
    assert torch.equal(torch.from_numpy(found[0]["images"]), part.decode().images)
    assert found[0]["labels"].tolist() == part.labels.tolist()
    assert (found[1]["images"] == part.images.numpy()).all()
    assert found[1]["labels"].tolist() == part.labels.tolist()
    assert same(found[2]["small"], part)
    assert same(found[2]["fitting"], whole)
    assert same(found[2]["good"], whole.take(1))  # both sizes were measured alike
    assert len(found[2]["train"]) == 5


def test_the_documentation_page_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "artifact.md").read_text("utf-8")
    for key in [*condensed().manifest, *condensed(soft=True).tensors]:
        assert f"`{key}`" in page, key
