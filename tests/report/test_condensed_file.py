from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from condensery.errors import ArtifactError
from condensery.report import from_arrays, read_condensed


def test_a_file_gives_its_rows_names_and_bytes(condensed, pets):
    file = read_condensed(condensed)
    assert np.array_equal(file.images, pets.arrays()["images"])
    assert file.class_names == tuple(pets.classes)
    assert file.rows == (3, 6, 8, 10)
    assert file.bytes == (612, 1224, 1632, 2040)
    assert file.file_bytes == condensed.stat().st_size


def test_float_images_are_shown_as_rounded_and_clipped_bytes(tmp_path, pets):
    tensors = pets.arrays(channels=1)
    whole = tensors["images"].astype(np.float32) / 255
    whole[0, 0, 0, :3] = [-0.2, 1.7, 0.5]
    tensors["images"] = whole.astype(np.float16)
    file = read_condensed(pets.write(tmp_path / "half.safetensors", tensors, pets.manifest()))
    assert file.images[0, 0, 0, :3].tolist() == [0, 255, 128]
    assert np.array_equal(file.images[1:], pets.arrays(channels=1)["images"][1:])


def test_bytes_are_counted_where_the_manifest_does_not_say(tmp_path, pets):
    file = read_condensed(
        pets.write(tmp_path / "a.safetensors", pets.arrays(), pets.manifest(bytes=None))
    )
    assert file.bytes == (612, 1224, 1632, 2040)  # a row: 3*8*8 + 8 + 4


def test_arrays_in_any_order_are_sorted_by_rank_then_class(pets):
    tensors = pets.arrays()
    shuffled = np.random.default_rng(1).permutation(len(tensors["rank"]))
    mixed = {key: value[shuffled] for key, value in tensors.items()}
    file = from_arrays(**mixed, class_names=pets.classes)
    assert np.array_equal(file.images, tensors["images"])
    assert file.labels.tolist() == tensors["labels"].tolist()


@pytest.mark.parametrize(
    ("tensors", "facts", "words"),
    [
        ({}, {"format": 3}, "format is 3"),
        ({}, {"rows": [3, 6, 8, 9]}, r"\[3, 6, 8, 9\].*\[3, 6, 8, 10\]"),
        ({}, {"class_names": ["one"]}, "1 names"),
        ({"labels": np.zeros(4, np.int64)}, {}, r"labels has shape \[4\]"),
        ({"rank": np.arange(10, dtype=np.int32)[::-1].copy()}, {}, "rank does not rise"),
        ({"images": np.zeros((10, 8), np.uint8)}, {}, r"images has shape \[10, 8\]"),
    ],
)
def test_parts_that_disagree_are_refused_by_name(tmp_path, tensors, facts, words, pets):
    path = pets.write(tmp_path / "bad.safetensors", pets.arrays() | tensors, pets.manifest(**facts))
    with pytest.raises(ArtifactError, match=words):
        read_condensed(path)


def test_a_missing_tensor_is_named(tmp_path, pets):
    tensors = pets.arrays()
    del tensors["rank"]
    with pytest.raises(ArtifactError, match="no tensor 'rank'"):
        read_condensed(pets.write(tmp_path / "bad.safetensors", tensors, pets.manifest()))


def test_files_that_are_absent_truncated_or_foreign_are_refused(tmp_path, condensed, pets):
    with pytest.raises(ArtifactError, match="no such file"):
        read_condensed(tmp_path / "nothing")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(condensed.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="not a readable safetensors file"):
        read_condensed(cut)
    from safetensors.numpy import save_file

    save_file(pets.arrays(), tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="'condensery'"):
        read_condensed(tmp_path / "foreign.safetensors")


def test_the_report_imports_neither_torch_nor_matplotlib():
    code = "import sys, condensery.report; print({'torch', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
