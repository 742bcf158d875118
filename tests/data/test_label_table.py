"""Images without class folders are read where a table gives their labels for certain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import load_data
from condensery.errors import DataError

CLASSES = ("ant", "bee")
HOLDS = "so nothing says which class an image is of"


def images(folder: Path, count: int = 10, *, ending: str = "png", first: int = 0) -> list[str]:
    """Image ``i`` is of class ``i % 2``, which all its pixels tell."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i}.{ending}" for i in range(first, first + count)]
    for i, name in enumerate(names):
        Image.fromarray(np.full((4, 4), i % 2, np.uint8)).save(folder / name)
    return names


def rows(names: list[str], labels: tuple[str, ...] = CLASSES, *, between: str = ",") -> str:
    return "".join(f"{name}{between}{labels[i % 2]}\n" for i, name in enumerate(names))


def check(root: Path, names: tuple[str, ...] = CLASSES) -> None:
    data = load_data(root)
    assert data.train.class_names == names
    for split in (data.train, data.test):
        assert split.images[:, 0, 0, 0].tolist() == split.labels.tolist()
    assert len(data.train) + len(data.test) == 10


def test_columns_are_known_by_the_names_that_people_give_them(each, tmp_path_factory):
    for head in each(
        [
            *(
                "file_name,label",
                "filename,label",
                "file,label",
                "image,class",
                "image_id,category",
            ),
            *("id,breed", "File Name,Class Name", "img_path,target", "whatever,label"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        names = images(tmp_path / "images")
        (tmp_path / "labels.csv").write_text(f"{head}\n{rows(names)}")
        check(tmp_path)


def test_files_are_named_by_any_path_to_them(each, tmp_path_factory):
    for name in each(["{}", "images/{}", "./images/{}", "set/images/{}", "images\\{}"]):
        tmp_path = tmp_path_factory.mktemp("case")
        names = images(tmp_path / "set" / "images")
        text = rows([name.format(file) for file in names])
        (tmp_path / "set" / "labels.csv").write_text(f"file,label\n{text}")
        check(tmp_path / "set")


def test_files_are_named_without_their_ending(tmp_path: Path):
    names = images(tmp_path)
    text = rows([name.split(".")[0] for name in names])
    (tmp_path / "labels.csv").write_text(f"id,label\n{text}")
    check(tmp_path)


def test_values_are_separated_as_the_first_line_says(each, tmp_path_factory):
    for between in each([",", ";", "\t", "|"]):
        tmp_path = tmp_path_factory.mktemp("case")
        names = images(tmp_path)
        text = f"file{between}label\n{rows(names, between=between)}"
        (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        check(tmp_path)


def test_labels_that_are_numbers_are_in_numeric_order(tmp_path: Path):
    names = images(tmp_path)
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows(names, ('2.0', '10.0'))}")
    check(tmp_path, ("2", "10"))


def test_names_beside_numbers_are_in_the_order_of_the_numbers(tmp_path: Path):
    names = images(tmp_path)
    text = "".join(f"{name},{i % 2},{('zebra', 'ape')[i % 2]}\n" for i, name in enumerate(names))
    (tmp_path / "labels.csv").write_text(f"file,class_id,class_name\n{text}")
    check(tmp_path, ("zebra", "ape"))


def test_a_column_of_splits_divides_the_images(tmp_path: Path):
    names = images(tmp_path / "images")
    kinds = ["train", "train", "train", "train", "valid", "valid", "test", "test", "test", "test"]
    text = "".join(f"images/{name},{CLASSES[i % 2]},{kinds[i]}\n" for i, name in enumerate(names))
    (tmp_path / "labels.csv").write_text(f"filepaths,labels,data set\n{text}")
    data = load_data(tmp_path)
    assert (len(data.train), len(data.test)) == (4, 4)
    assert data.test.images[:, 0, 0, 0].tolist() == data.test.labels.tolist()
    assert ["2 images that the table puts into" in str(entry) for entry in data.skipped] == [True]


def test_each_split_may_have_a_table_that_is_called_like_it(tmp_path: Path):
    for split in ("train", "test"):
        names = images(tmp_path / split)
        (tmp_path / f"{split}.csv").write_text(f"image,label\n{rows(names)}")
    data = load_data(tmp_path)
    assert (len(data.train), len(data.test)) == (10, 10)
    assert data.train.images[:, 0, 0, 0].tolist() == data.train.labels.tolist()


def test_labels_of_the_test_images_match_class_folders_by_name(tmp_path: Path):
    for i, name in enumerate(("7", "12")):
        for n in range(2):
            (tmp_path / "train" / name).mkdir(parents=True, exist_ok=True)
            pixels = np.full((4, 4), i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / name / f"{n}.png")
    names = images(tmp_path / "test")
    (tmp_path / "test" / "labels.csv").write_text(f"file,label\n{rows(names, ('07', '12'))}")
    data = load_data(tmp_path)
    assert data.train.class_names == ("7", "12")
    assert data.test.images[:, 0, 0, 0].tolist() == data.test.labels.tolist()


def test_images_and_rows_without_a_counterpart_are_named(tmp_path: Path):
    names = images(tmp_path)
    text = rows([*names[:8], "gone.png"]) + f"{names[8]},\n"
    (tmp_path / "labels.csv").write_text(f"file,label\n{text}")
    assert [str(entry) for entry in load_data(tmp_path).skipped] == [
        "gone.png: labels.csv has a row for it, but there is no such image",
        "8.png: labels.csv gives no label for it",
        "9.png: labels.csv has no row for it",
    ]


def test_a_sample_of_a_submission_labels_nothing(tmp_path: Path):
    names = images(tmp_path / "images")
    (tmp_path / "sample_submission.csv").write_text(f"id,label\n{rows(names)}")
    with pytest.raises(DataError, match=HOLDS):
        load_data(tmp_path)


def test_a_table_that_is_not_understood_is_refused_with_the_reason(each, tmp_path_factory):
    for text, reason in each(
        [
            ("file,caption\n{rows}", "columns 'file', 'caption', and it is not certain which"),
            ("file,label\n{firsts}", "labels 3 of the 10 images only"),
            ("file,label\nx.png,ant\ny.png,bee\n", "names none of the images"),
            ("{rows}", "no line that names its columns"),
            ("file,label\n{distinct}", "is different for every image"),
            ("file,label\n{floats}", "numbers such as '0.5'"),
            ("file,ant,bee\n{one_hot}", "has one column a class"),
            ("file,label,category\n{two}", "several columns of labels, 'label' and 'category'"),
            ("file,label\n", "has no rows"),
            ("file,label\n0.png\n", "Line 2 .* has 1 values"),
            ("file,file\n{rows}", "two columns of one name"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        names = images(tmp_path)
        content = text.format(
            rows=rows(names),
            firsts=rows(names[:3]),
            distinct="".join(f"{name},a{i}\n" for i, name in enumerate(names)),
            floats="".join(f"{name},{i % 2}.5\n" for i, name in enumerate(names)),
            one_hot="".join(f"{name},{i % 2},{1 - i % 2}\n" for i, name in enumerate(names)),
            two="".join(f"{name},{i % 2},{i % 3}\n" for i, name in enumerate(names)),
        )
        (tmp_path / "labels.csv").write_text(content)
        with pytest.raises(DataError, match=f"{HOLDS}.*{reason}.*Put the images of each class"):
            load_data(tmp_path)


def test_lines_that_are_no_json_are_refused(tmp_path: Path):
    images(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("{'file_name': 1}\n")
    with pytest.raises(DataError, match=r"'metadata.jsonl' cannot be read"):
        load_data(tmp_path)


def test_two_labels_for_one_image_are_refused(tmp_path: Path):
    names = images(tmp_path)
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows(names)}{names[0]},bee\n")
    with pytest.raises(DataError, match=r"two labels for '0.png', 'ant' and 'bee'"):
        load_data(tmp_path)


def test_two_tables_that_disagree_are_refused(tmp_path: Path):
    names = images(tmp_path)
    for i, name in enumerate(("a.csv", "b.csv")):
        (tmp_path / name).write_text(f"file,label\n{rows(names, CLASSES[:: 1 - 2 * i])}")
    with pytest.raises(DataError, match=r"'a.csv' and 'b.csv' give different labels"):
        load_data(tmp_path)


def test_class_folders_go_before_a_table_of_something_else(tmp_path: Path):
    for i, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for n in range(5):
            Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / name / f"{name}{n}.png")
    (tmp_path / "metadata.csv").write_text("file_name,text\nant/ant0.png,an ant\n")
    check(tmp_path)
