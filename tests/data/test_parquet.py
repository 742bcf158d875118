"""Parquet files are written here with pyarrow in the layout of Hugging Face."""

from __future__ import annotations

import io
import json
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import Data, load_data
from condensery.data.readers.parquet.read import hold_images
from condensery.errors import DataError, DataWarning

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

IMAGES = np.random.default_rng(4).integers(0, 256, (12, 5, 5, 3), dtype=np.uint8)
LABELS = [i % 3 for i in range(12)]
NAMES = ["ant", "bee", "cat"]


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def rows(images: np.ndarray) -> list[dict[str, object]]:
    return [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(images)]


def metadata(**kinds: object) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": kinds}}).encode()}


USUAL = metadata(image={"_type": "Image"}, label={"_type": "ClassLabel", "names": NAMES})


def write(
    path: Path, columns: dict[str, list] | None = None, meta: dict[bytes, bytes] | None = USUAL
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns or {"image": rows(IMAGES), "label": LABELS})
    pq.write_table(table.replace_schema_metadata(meta), path)
    return path


def as_arrays(images: np.ndarray = IMAGES, labels: list[int] = LABELS) -> str:
    return load_data((images, labels), test=(IMAGES, LABELS)).train.fingerprint


def test_one_file_gives_pixels_labels_and_class_names(tmp_path: Path):
    data = load_data(write(tmp_path / "bugs.parquet"))
    assert data.name == "bugs"
    assert data.train.class_names == tuple(NAMES)
    assert data.train.fingerprint == load_data((IMAGES, LABELS)).train.fingerprint
    assert data.test.fingerprint == load_data((IMAGES, LABELS)).test.fingerprint


def test_splits_are_told_by_file_names_and_shards_are_joined(each, tmp_path_factory):
    for test in each(["test", "val", "valid", "validation"]):
        tmp_path = tmp_path_factory.mktemp("case")
        for shard in range(2):
            part = {"image": rows(IMAGES[shard::2]), "label": LABELS[shard::2]}
            write(tmp_path / f"bugs-train-0000{shard}-of-00002.parquet", part)
        write(tmp_path / f"bugs-{test}-00000.parquet")
        order = [*range(0, 12, 2), *range(1, 12, 2)]
        for source in (
            tmp_path,
            str(tmp_path / "bugs-*"),
            sorted(tmp_path.iterdir(), reverse=False),
        ):
            data = load_data(source)
            assert data.train.fingerprint == as_arrays(IMAGES[order], [LABELS[i] for i in order])
            assert data.test.fingerprint == as_arrays()


def test_splits_are_told_by_folders_and_test_goes_before_validation(tmp_path: Path):
    write(tmp_path / "train" / "0000.parquet")
    write(tmp_path / "test" / "0000.parquet")
    write(tmp_path / "validation" / "0.parquet", {"image": rows(IMAGES[:3]), "label": [0, 1, 2]})
    data = load_data(tmp_path)
    assert (len(data.train), len(data.test)) == (12, 12)


def test_a_folder_that_holds_all_files_names_no_split(tmp_path: Path):
    write(tmp_path / "train" / "test.parquet", {"image": rows(IMAGES[:3]), "label": [0, 1, 2]})
    write(tmp_path / "train" / "part.parquet")
    data = load_data(tmp_path / "train")
    assert (len(data.train), len(data.test)) == (12, 3)


def test_a_split_alone_is_the_whole_source(tmp_path: Path):
    test = write(tmp_path / "bugs-test.parquet")
    assert len(load_data(test).train) + len(load_data(test).test) == 12
    data = load_data(write(tmp_path / "other.parquet"), test=test)
    assert (len(data.train), len(data.test)) == (12, 12)


def test_unnamed_and_train_files_together_are_ambiguous(tmp_path: Path):
    write(tmp_path / "train.parquet")
    write(tmp_path / "extra.parquet")
    with pytest.raises(DataError, match=r"'train.parquet' is named .* 'extra.parquet' as none"):
        load_data(tmp_path)


def test_several_data_sets_in_a_folder_are_noticed(tmp_path: Path):
    write(tmp_path / "bugs-train.parquet")
    pets = {"_type": "ClassLabel", "names": ["x", "y", "z"]}
    write(tmp_path / "pets-train.parquet", meta=metadata(label=pets))
    with pytest.raises(DataError, match=r"different label columns or class names.*pattern"):
        load_data(tmp_path)
    assert load_data(tmp_path / "pets-*.parquet").train.class_names == ("x", "y", "z")


@pytest.mark.parametrize("label", ["label", "fine_label"])
def test_the_fine_label_is_taken_without_a_label(tmp_path: Path, label: str):
    kind = {"_type": "ClassLabel", "names": NAMES}
    coarse = {"_type": "ClassLabel", "names": ["all"]}
    columns = {"img": rows(IMAGES), "coarse_label": [0] * 12, label: LABELS}
    meta = metadata(img={"_type": "Image"}, coarse_label=coarse, **{label: kind})
    data = load_data(write(tmp_path / "a.parquet", columns, meta))
    assert data.train.class_names == tuple(NAMES)


def test_declared_columns_are_found_under_any_name(tmp_path: Path):
    columns = {"id": LABELS, "photo": rows(IMAGES), "species": LABELS}
    species = {"_type": "ClassLabel", "names": NAMES}
    meta = metadata(photo={"_type": "Image"}, species=species)
    data = load_data(write(tmp_path / "a.parquet", columns, meta))
    assert data.train.class_names == tuple(NAMES)
    assert data.train.fingerprint == load_data((IMAGES, LABELS)).train.fingerprint


def test_files_of_other_writers_have_numbered_classes(each, tmp_path_factory):
    for meta in each([None, {b"huggingface": b"{"}, {b"huggingface": b"[]"}, {}]):
        tmp_path = tmp_path_factory.mktemp("case")
        data = load_data(write(tmp_path / "a.parquet", meta=meta))
        assert data.train.class_names == ("0", "1", "2")


def test_plain_bytes_and_paths_beside_the_file_are_images_too(tmp_path: Path):
    expected = load_data((IMAGES, LABELS)).train.fingerprint
    plain = {"image": [png(image) for image in IMAGES], "label": LABELS}
    assert load_data(write(tmp_path / "a.parquet", plain)).train.fingerprint == expected
    for i, image in enumerate(IMAGES):
        (tmp_path / f"{i}.png").write_bytes(png(image))
    outside = [{"bytes": None, "path": f"{i}.png"} for i in range(12)]
    schema = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"image": pa.array(outside, schema), "label": LABELS}
    assert load_data(write(tmp_path / "b.parquet", columns)).train.fingerprint == expected


def no_notice(source: object) -> Data:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_data(source)


def test_a_table_of_paths_is_read_and_missing_files_are_counted(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(IMAGES):
        (tmp_path / "pictures" / f"{i}.png").write_bytes(png(image))
    columns = {"image": [f"pictures/{i}.png" for i in range(12)], "label": LABELS}
    path = write(tmp_path / "a.parquet", columns, None)
    expected = load_data((IMAGES, LABELS)).train.fingerprint
    assert load_data(path).train.fingerprint == expected
    (tmp_path / "pictures" / "4.png").unlink()
    with pytest.raises(
        DataError,
        match=r"holds paths of image files, not the images, and 1 of 12 files are missing, such as "
        r"'.*pictures/4\.png'.*relative to the folder of the Parquet file",
    ):
        load_data(path)
    data = load_data(path, skip_corrupt=True)
    assert [skipped.name for skipped in data.skipped] == ["a.parquet, row 4 (pictures/4.png)"]
    absent = write(tmp_path / "sub" / "a.parquet", columns, None)
    with pytest.raises(DataError, match="12 of 12 files are missing"):
        load_data(absent, skip_corrupt=True)


def test_a_changed_file_that_a_table_names_is_decoded_again(tmp_path: Path):
    for i, image in enumerate(IMAGES):
        (tmp_path / f"{i}.png").write_bytes(png(image))
    columns = {"image": [f"{i}.png" for i in range(12)], "label": LABELS}
    path = write(tmp_path / "a.parquet", columns, None)
    before = load_data(path, image_memory=0).train.fingerprint
    for i, image in enumerate(IMAGES):
        (tmp_path / f"{i}.png").write_bytes(png(255 - image))
    after = load_data(path, image_memory=0).train.fingerprint
    assert after == load_data((255 - IMAGES, LABELS)).train.fingerprint != before


def test_addresses_are_not_downloaded(tmp_path: Path):
    columns = {"image": ["https://example.org/0.png"] * 12, "label": LABELS}
    with pytest.raises(
        DataError, match=r"holds the address 'https://.*Nothing is downloaded unask"
    ):
        load_data(write(tmp_path / "a.parquet", columns, None))


def tensors(images: np.ndarray) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(images))


def test_nested_lists_are_pixels(each, tmp_path_factory):
    for column in each(
        [
            IMAGES.tolist(),
            IMAGES.transpose(0, 3, 1, 2).tolist(),
            (IMAGES / 255).tolist(),
            pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8(), 3), 5), 5)),
            tensors(IMAGES),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        write(tmp_path / "train.parquet", {"image": column, "label": LABELS}, None)
        write(tmp_path / "test.parquet", {"image": column[:6], "label": LABELS[:6]}, None)  # type: ignore[index]
        data = no_notice(tmp_path)
        assert data.train.fingerprint == as_arrays()
        assert len(data.test) == 6
        assert load_data(tmp_path, image_size=3).train.side == (3, 3)


def test_nested_lists_of_two_axes_are_grey(tmp_path: Path):
    columns = {"image": IMAGES[..., 0].tolist(), "label": LABELS}
    data = load_data(write(tmp_path / "a.parquet", columns, None))
    assert data.train.fingerprint == load_data((IMAGES[..., 0], LABELS)).train.fingerprint


def test_lists_that_are_no_images_are_refused(each, tmp_path_factory):
    for column, message in each(
        [
            (IMAGES[..., 0].reshape(12, -1).tolist(), "flat list of numbers .* height and width"),
            ([[[1, 2], [3, 4]]] * 11 + [[[1, 2]]], "another size than the first .*encoded images"),
            ([[[1, 2], [3, 4]]] * 11 + [[[1, 2], [3]]], "another size than the first"),
            ([[[1, 2], [3, 4]]] * 11 + [None], "has no image"),
            ([[[1, 2], [3, None]]] * 12, "lacks a pixel"),
            ([[[1, 2], [3, 999]]] * 12, "type int64"),
            ([[[0.5, 2.5], [3.0, 4.0]]] * 12, "float"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(DataError, match=message):
            load_data(write(tmp_path / "a.parquet", {"image": column, "label": LABELS}, None))


def test_lists_of_one_image_are_read_and_longer_ones_are_refused(tmp_path: Path):
    single = {"images": [[row] for row in rows(IMAGES)], "label": LABELS}
    data = load_data(write(tmp_path / "a.parquet", single, None))
    assert data.train.fingerprint == load_data((IMAGES, LABELS)).train.fingerprint
    double = {"images": [[row, row] for row in rows(IMAGES)], "label": LABELS}
    with pytest.raises(DataError, match=r"row 0 holds 2\. One image a row is needed"):
        load_data(write(tmp_path / "b.parquet", double, None))


@pytest.mark.parametrize("encoded", [False, True], ids=["text", "dictionary"])
def test_labels_as_text_are_class_names_in_natural_order(tmp_path: Path, encoded: bool):
    names = ["cat", "ant", "bee"]
    column = pa.array([names[label] for label in LABELS])
    column = column.dictionary_encode() if encoded else column
    write(tmp_path / "train.parquet", {"image": rows(IMAGES), "label": column}, None)
    held = pa.array(["bee", "cat", "ant"])
    held = held.dictionary_encode() if encoded else held
    write(tmp_path / "test.parquet", {"image": rows(IMAGES[:3]), "label": held}, None)
    data = no_notice(tmp_path)
    assert data.train.class_names == ("ant", "bee", "cat")
    assert [data.train.class_names[x] for x in data.train.labels] == [names[x] for x in LABELS]
    assert [data.test.class_names[x] for x in data.test.labels] == ["bee", "cat", "ant"]


def test_numbers_as_text_are_ordered_as_numbers(tmp_path: Path):
    text = [str(number) for number in (10, 2, 1)]
    columns = {"image": rows(IMAGES), "label": [text[label] for label in LABELS]}
    data = load_data(write(tmp_path / "a.parquet", columns, None))
    assert data.train.class_names == ("1", "2", "10")


def test_yes_and_no_are_two_classes(tmp_path: Path):
    columns = {"image": rows(IMAGES), "label": [i % 2 == 0 for i in range(12)]}
    data = load_data(write(tmp_path / "a.parquet", columns, None))
    assert data.train.class_names == ("False", "True")
    assert data.train.counts().tolist() == [5, 5]


def test_a_class_of_the_test_split_that_no_train_image_has_is_named(tmp_path: Path):
    text = [NAMES[label] for label in LABELS]
    write(tmp_path / "train.parquet", {"image": rows(IMAGES), "label": text}, None)
    write(tmp_path / "test.parquet", {"image": rows(IMAGES[:1]), "label": ["dog"]}, None)
    with pytest.raises(DataError, match=r"'test\.parquet' has the class 'dog', which is none of"):
        load_data(tmp_path)
    write(tmp_path / "test.parquet", {"image": rows(IMAGES[:3]), "label": [0, 1, 2]}, None)
    with pytest.raises(
        DataError, match=r"names in 'train\.parquet' and numbers in 'test\.parquet'"
    ):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"left": rows(IMAGES), "right": rows(IMAGES), "label": LABELS}, "'left', 'right' may all"),
        ({"image": rows(IMAGES), "class": LABELS, "target": LABELS}, "'class', 'target' may all"),
    ],
)
def test_of_several_columns_none_is_guessed(tmp_path: Path, columns: dict, message: str):
    with pytest.raises(DataError, match=rf"columns {message} hold .*rename_columns"):
        load_data(write(tmp_path / "a.parquet", columns, None))


def test_the_usual_names_go_before_other_columns(tmp_path: Path):
    others = {"mask": rows(255 - IMAGES), "embedding": [[0.5, 0.5]] * 12, "caption": ["x"] * 12}
    columns = {**others, "img": rows(IMAGES), "target": LABELS}
    data = no_notice(write(tmp_path / "a.parquet", columns, None))
    assert data.train.fingerprint == load_data((IMAGES, LABELS)).train.fingerprint


MISSING = {"minus one": [-1] * 6, "null": [None] * 6, "no column": None}


def test_an_unlabelled_test_split_is_passed_over_with_a_notice(each, tmp_path_factory):
    for validation, labels in each(product([True, False], MISSING.values())):
        tmp_path = tmp_path_factory.mktemp("case")
        write(tmp_path / "train-0.parquet")
        columns = {"image": rows(IMAGES[:6])} | ({"label": labels} if labels else {})
        write(tmp_path / "test-0.parquet", columns)
        if validation:
            write(
                tmp_path / "validation-0.parquet", {"image": rows(IMAGES[:3]), "label": [0, 1, 2]}
            )
        used = (
            "The validation split is used" if validation else "A fifth of every class of the train"
        )
        with pytest.warns(
            DataWarning, match=rf"no image of the test split has a label.* {used}.*--test"
        ):
            data = load_data(tmp_path)
        assert (len(data.train), len(data.test)) == ((12, 3) if validation else (9, 3))
        assert len(data.notices) == 1


def test_a_test_split_with_some_labels_is_refused(tmp_path: Path):
    write(tmp_path / "train-0.parquet")
    write(tmp_path / "validation-0.parquet")
    write(tmp_path / "test-0.parquet", {"image": rows(IMAGES[:6]), "label": [0, 1, 2, -1, -1, -1]})
    with pytest.raises(
        DataError, match=r"3 of the 6 images of the test split .*as a list or a pattern"
    ):
        load_data(tmp_path)
    data = load_data(tmp_path / "train-0.parquet", test=tmp_path / "validation-0.parquet")
    assert len(data.test) == 12


def test_an_unlabelled_split_that_is_named_as_test_is_refused(tmp_path: Path):
    train = write(tmp_path / "a.parquet")
    test = write(tmp_path / "b.parquet", {"image": rows(IMAGES), "label": [-1] * 12})
    with pytest.raises(DataError, match=r"none of the 12 images of 'b\.parquet' has a label"):
        load_data(train, test=test)


def test_test_and_validation_without_train_are_refused(tmp_path: Path):
    write(tmp_path / "test.parquet")
    write(tmp_path / "validation.parquet")
    with pytest.raises(DataError, match=r"a test split \('test.parquet'\) and a validation split"):
        load_data(tmp_path)


def test_which_tables_hold_images_is_told_from_their_columns(tmp_path: Path):
    images = write(tmp_path / "a.parquet")
    names = {"file_name": ["a/0.png"], "label": [0], "box": [[[1, 2], [3, 4]]]}
    table = write(tmp_path / "b.parquet", names, None)
    damaged = tmp_path / "c.parquet"
    damaged.write_bytes(b"PAR1")
    assert hold_images([images, table])
    assert not hold_images([table])
    assert not hold_images([damaged])


def test_a_corrupt_image_is_named_by_row_or_skipped(tmp_path: Path):
    images = rows(IMAGES)
    images[4]["bytes"] = b"no image"
    images[7]["bytes"] = images[7]["bytes"][:-40]  # type: ignore[index]
    images[9] = None  # type: ignore[call-overload]
    path = write(tmp_path / "a.parquet", {"image": images, "label": LABELS})
    with pytest.raises(DataError, match=r"'a.parquet, row 4 \(4.png\)' and 1 more of 12"):
        load_data(path)
    data = load_data(path, skip_corrupt=True)
    assert tuple(entry.name for entry in data.skipped) == (
        "a.parquet, row 4 (4.png)",
        "a.parquet, row 7 (7.png)",
        "a.parquet, row 9",
    )
    kept = [0, 1, 2, 3, 5, 6, 8, 10, 11]
    expected = load_data((IMAGES[kept], [LABELS[i] for i in kept]))
    assert data.train.fingerprint == expected.train.fingerprint


def test_mixed_sizes_need_a_size(tmp_path: Path):
    images = [*rows(IMAGES[:-1]), {"bytes": png(IMAGES[0].repeat(2, 1)), "path": "wide.png"}]
    path = write(tmp_path / "a.parquet", {"image": images, "label": LABELS})
    with pytest.raises(DataError, match=r"wide.png.* 5 x 10"):
        load_data(path)
    assert load_data(path, image_size=5).train.side == (5, 5)


def test_tables_that_cannot_be_read_are_refused(each, tmp_path_factory):
    for columns, message in each(
        [
            ({"image": rows(IMAGES)}, "columns are image, and none is known to hold the labels"),
            ({"label": LABELS}, "columns are label, and none is known to hold the images"),
            (
                {"image": rows(IMAGES), "label": [*LABELS[:-1], None]},
                r"1 of 12 image\(s\) have no label .*Leave these rows out",
            ),
            (
                {"image": rows(IMAGES), "label": [*LABELS[:-1], -1]},
                r"1 of 12 image\(s\) have no label",
            ),
            (
                {"image": rows(IMAGES), "label": [-1] * 12},
                "none of the 12 images of .* has a label",
            ),
            (
                {"image": rows(IMAGES), "label": [None] * 12},
                "none of the 12 images of .* has a label",
            ),
            ({"image": rows(IMAGES), "label": [*LABELS[:-1], -2]}, "negative"),
            ({"image": rows(IMAGES), "label": ["a"] * 12}, "the class 'a', which is none of the 3"),
            (
                {"image": rows(IMAGES), "label": [[1, 0]] * 12},
                r"list of labels .* one class an image",
            ),
            ({"image": rows(IMAGES), "label": [0.0] * 12}, "type float64"),
            ({"image": rows(IMAGES), "label": [0, 1] * 6}, r"no train image of class 2 \(cat\)"),
            (
                {"image": rows(IMAGES), "label": [0, 1, 2, 3] * 3},
                "label 3, but there are 3 classes",
            ),
            (
                {"image": LABELS, "label": LABELS},
                "column 'image' is of type int64, which holds no images",
            ),
            ({"image": [None] * 12, "label": LABELS}, "column 'image' is of type null"),
            (
                {"image": pa.array([None] * 12, pa.binary()), "label": LABELS},
                "row 0.* there are no bytes",
            ),
            (
                {"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())},
                "no image at all",
            ),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(DataError, match=message):
            load_data(write(tmp_path / "a.parquet", columns))


def test_truncated_and_foreign_files_are_named(each, tmp_path_factory):
    for keep in each([0, 4, 100, -100]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = write(tmp_path / "a.parquet")
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DataError, match=r"a.parquet: cannot be read as Parquet"):
            load_data(path)


def test_damage_inside_a_file_is_named(tmp_path: Path):
    path = write(tmp_path / "a.parquet")
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet"):
        load_data(path)


def test_without_pyarrow_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pip install 'condensery\[parquet\]'"):
        load_data(path)


def test_cifar_100_is_known_and_its_classes_are_named(shared_folder: Path):
    data = load_data(shared_folder / "data" / "cifar100-lossless-*.parquet")
    assert (data.name, data.train.side, data.train.channels) == ("cifar100", (32, 32), 3)
    assert data.train.counts().tolist() == [40] * 100
    assert data.test.counts().tolist() == [10] * 100
    assert (data.train.class_names[0], data.train.class_names[99]) == ("apple", "worm")
    assert data.train.mean == (0.4914, 0.4822, 0.4465)


@pytest.mark.slow
def test_imagenette_is_known(shared_folder: Path):
    data = load_data(shared_folder / "data" / "imagenette128-*", image_size=64)
    assert (data.name, data.train.side) == ("imagenette", (64, 64))
    assert data.train.counts().tolist() == [200] * 10
    assert data.test.counts().tolist() == [60] * 10
    assert data.train.mean == (0.485, 0.456, 0.406)


@pytest.mark.slow
def test_cifar_10_is_complete_and_exact(shared_folder: Path):
    data = load_data(shared_folder / "data" / "cifar10-lossless-*")
    assert (data.name, len(data.train), len(data.test)) == ("cifar10", 50000, 10000)
    assert data.train.counts().tolist() == [5000] * 10
    # the published mean of the 50,000 train images, to its four digits
    mean = data.train.images.sum((0, 2, 3)) / (50000 * 1024 * 255)
    assert [round(value, 4) for value in mean.tolist()] == [0.4914, 0.4822, 0.4465]
