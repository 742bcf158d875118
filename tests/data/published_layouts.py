"""Layouts in which data sets are published, and what ``load_data`` makes of each.

Every entry of ``LAYOUTS`` writes a small data set of the true layout: the names, headers, types and
label conventions of its publisher. ``test_published_layouts.py`` reads each, and checks that the
table in ``docs/data.md`` is the table that this list gives. After a change of the list:

    python tests/data/published_layouts.py

writes the table anew. Add a row by appending a ``Layout`` to one of the groups.

Pictures are drawn so that a test sees which class an image belongs to, whatever its labels say:
see ``picture``.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import string
import struct
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from condensery.data.imagenet import MTT_SUBSETS
from condensery.data.known import KNOWN

__all__ = ["LAYOUTS", "Layout", "Read", "Refused", "class_shown", "picture", "table"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
BEGIN = "<!-- layouts: written by tests/data/published_layouts.py -->"
END = "<!-- layouts: end -->"


@dataclass(frozen=True, kw_only=True)
class Read:
    """The layout is read.

    Attributes:
        class_names: The class names, in the order of the labels. Class ``i`` must be what
            ``picture(i)`` draws.
        train: Number of train images.
        test: Number of test images.
        name: Name of the data set, if the test shall check it.
        notices: Words of each notice, in order; no other notice is given.
        skipped: Words of each entry of ``Data.skipped``, in order.
        remark: What the table says after "read".
    """

    class_names: Sequence[str]
    train: int
    test: int
    name: str | None = None
    notices: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    remark: str = ""

    @property
    def in_words(self) -> str:
        return f"read; {self.remark}" if self.remark else "read"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The layout is refused.

    Attributes:
        fault: Words of the message that name the fault.
        way_out: Words of the message that name the way out; the table repeats them.
    """

    fault: str
    way_out: str

    @property
    def in_words(self) -> str:
        return f"refused: {self.way_out}"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout.

    Attributes:
        name: The data set, or the program that writes the layout.
        files: What lies in the folder, as the table shows it (Markdown).
        make: Writes the files into a folder that exists and is empty.
        outcome: What ``load_data`` makes of it.
        given: What is given to ``load_data``, relative to the folder; the folder itself.
        options: Options of ``load_data``; a text ``"{root}"`` in a value stands for the folder.
        needs: Packages without which the layout cannot be written.
        known: Names by which ``load_data`` finds it below the folder, too.
    """

    name: str
    files: str
    make: Callable[[Path], None]
    outcome: Read | Refused
    given: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def picture(class_: int, *, side: int = 32, colour: bool = True) -> np.ndarray:
    """An image of a class: a white first row, all other pixels of a grey that tells the class.

    From class 127 on, greys begin anew, and the right quarter is white.

    Args:
        class_: From 0 to 220.
        side: Height and width, at least 4. At least 32 where the file is a JPEG.
        colour: Whether the shape is ``[side, side, 3]`` instead of ``[side, side]``.
    """
    image = np.full((side, side), 2 * (class_ % 127), dtype=np.uint8)
    image[0] = 255
    if class_ >= 127:
        image[:, -(side // 4) :] = 255
    return np.repeat(image[:, :, None], 3, axis=2) if colour else image


def class_shown(pixels: np.ndarray) -> int:
    """The class that a picture belongs to, from the pixels in its middle and at its right.

    Args:
        pixels: ``[channel, height, width]``.
    """
    height, width = pixels.shape[1:]
    middle, right = (float(pixels[:, height // 2, at].mean()) for at in (width // 2, width - 2))
    return round(middle / 2) + (127 if right > middle + 20 else 0)


def table(layouts: Sequence[Layout]) -> str:
    """The table of ``docs/data.md``."""
    rows = ["| layout | files | what happens |", "|---|---|---|"]
    rows += [f"| {each.name} | {each.files} | {each.outcome.in_words} |" for each in layouts]
    return "\n".join(rows)


def cycle(classes: int, count: int) -> list[int]:
    """Labels 0, 1, ..., classes - 1, 0, 1, ..."""
    return [i % classes for i in range(count)]


def stack(classes: Sequence[int], *, side: int = 28, colour: bool = False) -> np.ndarray:
    return np.stack([picture(class_, side=side, colour=colour) for class_ in classes])


# --- IDX: MNIST and its relatives --------------------------------------------------------------

DIGITS = tuple(string.digits)
IDX_TYPES = {"u1": 0x08, "i4": 0x0C}


def idx(values: np.ndarray) -> bytes:
    """An IDX file: two zero bytes, type, number of axes, big-endian extents and values."""
    kind = f"{values.dtype.kind}{values.dtype.itemsize}"
    header = struct.pack(f">4B{values.ndim}I", 0, 0, IDX_TYPES[kind], values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def idx_files(
    folder: Path,
    names: str = "{split}-{what}-idx{axes}-ubyte",
    *,
    splits: tuple[str, str] = ("train", "t10k"),
    classes: int = 10,
    first: int = 0,
    zipped: bool = False,
) -> None:
    """The four files of MNIST, under the names of a relative."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in zip(splits, (2 * classes, classes), strict=True):
        shown = cycle(classes, count)
        labels = np.array(shown, dtype=np.uint8) + np.uint8(first)
        for what, values in (("images", stack(shown)), ("labels", labels)):
            path = folder / names.format(split=split, what=what, axes=values.ndim)
            if zipped:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(values), mtime=0))
            else:
                path.write_bytes(idx(values))


def kaggle_mnist(root: Path) -> None:
    """The four files with a dot, and each again in a folder with a hyphen in its name."""
    idx_files(root, "{split}-{what}.idx{axes}-ubyte")
    for path in list(root.iterdir()):
        name = path.name.replace(".", "-")
        (root / name).mkdir()
        (root / name / name).write_bytes(path.read_bytes())


def seven_zip(root: Path) -> None:
    """Each file in a folder that is called like it, as 7-zip unpacks several archives."""
    idx_files(root)
    for path in list(root.iterdir()):
        content = path.read_bytes()
        path.unlink()
        path.mkdir()
        (path / path.name.replace("-idx", ".idx")).write_bytes(content)


def qmnist(root: Path) -> None:
    """Labels of eight integers: class, series, writer, digit, class code, number, and two more."""
    raw = root / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 20), ("test", 10)):
        shown = cycle(10, count)
        labels = np.zeros((count, 8), dtype=np.int32)
        labels[:, 0] = shown
        labels[:, 1:7] = np.arange(count * 6).reshape(count, 6)
        (raw / f"qmnist-{split}-images-idx3-ubyte").write_bytes(idx(stack(shown)))
        (raw / f"qmnist-{split}-labels-idx2-int").write_bytes(idx(labels))


EMNIST = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
MERGED = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")


def emnist(folder: Path, *splits: str, zipped: bool = False) -> None:
    """Labels of ``letters`` count from 1, all others from 0."""
    for split in splits:
        names = f"emnist-{split}-{{split}}-{{what}}-idx{{axes}}-ubyte"
        first = 1 if split == "letters" else 0
        classes = EMNIST[split]
        idx_files(
            folder, names, splits=("train", "test"), classes=classes, first=first, zipped=zipped
        )
        codes = [
            f"{label} {label + 64 if first else label + 48}" for label in range(first, classes)
        ]
        (folder / f"emnist-{split}-mapping.txt").write_text("\n".join(codes))


FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

IDX = (
    Layout(
        name="MNIST, as LeCun publishes it",
        files="`train-images-idx3-ubyte.gz` and the three others, also unpacked",
        make=lambda root: idx_files(root, zipped=True),
        outcome=Read(class_names=DIGITS, train=20, test=10),
    ),
    Layout(
        name="MNIST of torchvision",
        files="`MNIST/raw/train-images-idx3-ubyte` ...",
        make=lambda root: idx_files(root / "MNIST" / "raw"),
        known=("mnist",),
        outcome=Read(class_names=DIGITS, train=20, test=10, name="mnist"),
    ),
    Layout(
        name="Fashion-MNIST of torchvision",
        files="`FashionMNIST/raw/train-images-idx3-ubyte` ...",
        make=lambda root: idx_files(root / "FashionMNIST" / "raw"),
        known=("fashion-mnist",),
        outcome=Read(class_names=FASHION, train=20, test=10, name="fashion-mnist"),
    ),
    Layout(
        name="KMNIST of torchvision",
        files="`KMNIST/raw/train-images-idx3-ubyte` ...",
        make=lambda root: idx_files(root / "KMNIST" / "raw"),
        known=("kmnist",),
        outcome=Read(class_names=KNOWN["kmnist"].class_names, train=20, test=10, name="kmnist"),
    ),
    Layout(
        name="MNIST of Kaggle",
        files="`train-images.idx3-ubyte` ..., and `train-images-idx3-ubyte/` with the file again",
        make=kaggle_mnist,
        outcome=Read(class_names=DIGITS, train=20, test=10),
    ),
    Layout(
        name="MNIST, each file unpacked into a folder",
        files="`train-images-idx3-ubyte/train-images.idx3-ubyte` ...",
        make=seven_zip,
        outcome=Read(class_names=DIGITS, train=20, test=10),
    ),
    Layout(
        name="QMNIST of torchvision",
        files="`QMNIST/raw/qmnist-train-images-idx3-ubyte`, `qmnist-train-labels-idx2-int` ...",
        make=qmnist,
        known=("qmnist",),
        outcome=Read(
            class_names=DIGITS,
            train=20,
            test=10,
            name="qmnist",
            remark="the class is the first of the eight numbers of each label",
        ),
    ),
    Layout(
        name="EMNIST, one split",
        files="`emnist-letters-train-images-idx3-ubyte.gz` ...",
        make=lambda root: emnist(root, "letters", zipped=True),
        outcome=Read(
            class_names=tuple(string.ascii_lowercase),
            train=52,
            test=26,
            remark="labels count from 1, and the classes are `a` to `z`; images lie transposed, "
            "as in the files",
        ),
    ),
    Layout(
        name="EMNIST of torchvision",
        files="`EMNIST/raw/emnist-balanced-train-images-idx3-ubyte`, `emnist-byclass-...` ...",
        make=lambda root: emnist(root / "EMNIST" / "raw", *EMNIST),
        outcome=Refused(
            fault="holds IDX files of several data sets (emnist-balanced, emnist-byclass, "
            "emnist-bymerge, emnist-digits, emnist-letters, emnist-mnist)",
            way_out="Give the folder and the beginning of the names of one of them as the path",
        ),
    ),
    *(
        Layout(
            name=f"EMNIST of torchvision, {split}",
            files=f"`EMNIST/raw/emnist-{split}`, the beginning of the names of the four files",
            make=lambda root: emnist(root / "EMNIST" / "raw", *EMNIST),
            given=f"EMNIST/raw/emnist-{split}",
            known=(f"emnist-{split}",),
            outcome=Read(
                class_names=names, train=2 * len(names), test=len(names), name=f"emnist-{split}"
            ),
        )
        for split, names in (
            ("byclass", (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase)),
            ("bymerge", MERGED),
            ("balanced", MERGED),
            ("letters", tuple(string.ascii_lowercase)),
            ("digits", DIGITS),
            ("mnist", DIGITS),
        )
    ),
)


# --- CIFAR and SVHN ----------------------------------------------------------------------------

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = KNOWN["cifar100"].class_names
CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def of_python_2(value: object) -> bytes:
    """A pickle as Python 2 and its NumPy wrote it: protocol 2, text as plain bytes."""
    if isinstance(value, dict):
        return (
            b"}(" + b"".join(map(of_python_2, (x for pair in value.items() for x in pair))) + b"u"
        )
    if isinstance(value, list):
        return b"](" + b"".join(map(of_python_2, value)) + b"e"
    if isinstance(value, bytes):
        return b"T" + struct.pack("<I", len(value)) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    assert isinstance(value, np.ndarray)
    shape = b"".join(of_python_2(extent) for extent in value.shape)
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNN" + minus_one * 2 + b"K\x00tb"
    return made + b"(K\x01(" + shape + b"t" + dtype + b"\x89" + of_python_2(value.tobytes()) + b"tb"


def pickled(path: Path, value: object) -> None:
    path.write_bytes(b"\x80\x02" + of_python_2(value) + b".")


def planes(classes: Sequence[int]) -> np.ndarray:
    """Rows of 3,072 bytes: the colour planes of 32 x 32 pixels."""
    return stack(classes, side=32, colour=True).transpose(0, 3, 1, 2).reshape(len(classes), -1)


def cifar10_python(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    labels = list(range(10))
    for name in CIFAR_BATCHES:
        files = [f"{i}.png".encode() for i in labels]
        batch = {b"batch_label": name.encode(), b"labels": labels, b"data": planes(labels)}
        pickled(folder / name, {**batch, b"filenames": files})
    names = [name.encode() for name in CIFAR10]
    pickled(folder / "batches.meta", {b"num_cases_per_batch": 10000, b"label_names": names})
    (folder / "readme.html").write_text("<html></html>")


def cifar10_binary(root: Path) -> None:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    labels = np.arange(10, dtype=np.uint8)
    for name in CIFAR_BATCHES:
        records = np.concatenate([labels[:, None], planes(list(range(10)))], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    (folder / "readme.html").write_text("<html></html>")


def cifar100_python(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, count in (("train", 200), ("test", 100)):
        fine = cycle(100, count)
        coarse = [label // 5 for label in fine]
        held = {b"filenames": [b"x.png"] * count, b"fine_labels": fine, b"coarse_labels": coarse}
        pickled(folder / name, {**held, b"data": planes(fine)})
    names = [name.encode() for name in CIFAR100]
    pickled(folder / "meta", {b"fine_label_names": names, b"coarse_label_names": [b"x"] * 20})
    (folder / "file.txt~").write_text("")


def cifar100_binary(root: Path) -> None:
    folder = root / "cifar-100-binary"
    folder.mkdir()
    for name, count in (("train", 200), ("test", 100)):
        fine = np.array(cycle(100, count), dtype=np.uint8)[:, None]
        records = np.concatenate([fine // 5, fine, planes(cycle(100, count))], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(CIFAR100) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(["x"] * 20) + "\n")


def svhn(root: Path) -> None:
    """``X`` is [height, width, channel, image]; ``y`` is [image, 1], and 10 is the digit 0."""
    from scipy.io import savemat

    for split, count in (("train", 20), ("test", 10), ("extra", 10)):
        digits = cycle(10, count)
        images = stack(digits, side=32, colour=True).transpose(1, 2, 3, 0)
        labels = np.array([digit or 10 for digit in digits], dtype=np.uint8)[:, None]
        savemat(root / f"{split}_32x32.mat", {"X": images, "y": labels}, do_compression=True)


BINARY = (
    Layout(
        name="CIFAR-10, Python version",
        files="`cifar-10-batches-py/data_batch_1` ..., `batches.meta`",
        make=cifar10_python,
        known=("cifar10",),
        outcome=Read(class_names=CIFAR10, train=50, test=10, name="cifar10"),
    ),
    Layout(
        name="CIFAR-10, binary version",
        files="`cifar-10-batches-bin/data_batch_1.bin` ..., `batches.meta.txt`",
        make=cifar10_binary,
        known=("cifar10",),
        outcome=Read(class_names=CIFAR10, train=50, test=10, name="cifar10"),
    ),
    Layout(
        name="CIFAR-100, Python version",
        files="`cifar-100-python/train`, `test`, `meta`",
        make=cifar100_python,
        known=("cifar100",),
        outcome=Read(
            class_names=CIFAR100, train=200, test=100, name="cifar100", remark="fine labels"
        ),
    ),
    Layout(
        name="CIFAR-100, binary version",
        files="`cifar-100-binary/train.bin`, `test.bin`, `fine_label_names.txt`",
        make=cifar100_binary,
        known=("cifar100",),
        outcome=Read(
            class_names=CIFAR100, train=200, test=100, name="cifar100", remark="fine labels"
        ),
    ),
    Layout(
        name="SVHN, cropped digits",
        files="`train_32x32.mat`, `test_32x32.mat`",
        make=svhn,
        known=("svhn",),
        outcome=Read(
            class_names=DIGITS,
            train=20,
            test=10,
            remark="the label 10 is the digit 0; `extra_32x32.mat` is left alone",
        ),
        needs=("scipy",),
    ),
)


# --- Parquet of the Hugging Face hub -----------------------------------------------------------

ANIMALS = ("ant", "bee", "cat")


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def features(**kinds: object) -> dict[bytes, bytes]:
    """The metadata of a schema that the package ``datasets`` writes."""
    return {b"huggingface": json.dumps({"info": {"features": kinds}}).encode()}


USUAL = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ANIMALS}}


def parquet(path: Path, columns: Mapping[str, object], **kinds: object) -> None:
    """A Parquet file; ``kinds`` are the features that the package ``datasets`` declares."""
    import pyarrow
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pyarrow.table(columns).replace_schema_metadata(features(**kinds)), path)


def image_rows(classes: Sequence[int]) -> list[dict[str, object]]:
    return [{"bytes": png(picture(class_)), "path": f"{i}.png"} for i, class_ in enumerate(classes)]


def hub(root: Path, **splits: Sequence[int]) -> None:
    """A data set of the hub: ``data/<split>-00000-of-00001.parquet``, here three classes."""
    for split, labels in splits.items():
        columns = {"image": image_rows([max(x, 0) for x in labels]), "label": list(labels)}
        parquet(root / "data" / f"{split}-00000-of-00001.parquet", columns, **USUAL)


def table_of_paths(root: Path, *, with_images: bool = True) -> None:
    """A table of pandas: paths of image files and class names as text."""
    labels = cycle(3, 15)
    paths = [f"images/{i:03}.png" for i in range(len(labels))]
    parquet(root / "train.parquet", {"image": paths, "label": [ANIMALS[x] for x in labels]})
    for path, label in zip(paths, labels, strict=True):
        if with_images:
            (root / "images").mkdir(exist_ok=True)
            Image.fromarray(picture(label)).save(root / path)


def nested_lists(root: Path, *, flat: bool = False) -> None:
    """Pixels as lists of numbers, which Python's integers make lists of int64."""
    for split, count in (("train", 20), ("test", 10)):
        images = stack(cycle(10, count))
        lists = images.reshape(count, -1).tolist() if flat else images.tolist()
        parquet(root / f"{split}.parquet", {"image": lists, "label": cycle(10, count)})


def without_labels(root: Path) -> None:
    """A leaderboard whose test split has no column of labels."""
    parquet(root / "train.parquet", {"image": image_rows(cycle(3, 15)), "label": cycle(3, 15)})
    parquet(root / "test.parquet", {"image": image_rows(cycle(3, 6))})


def two_kinds_of_images(root: Path) -> None:
    columns = {"left": image_rows(cycle(3, 12)), "right": image_rows(cycle(3, 12))}
    kinds = {"left": {"_type": "Image"}, "right": {"_type": "Image"}, "label": USUAL["label"]}
    parquet(root / "train.parquet", {**columns, "label": cycle(3, 12)}, **kinds)


def lists_of_images(root: Path) -> None:
    images = [[row, row] for row in image_rows(cycle(3, 12))]
    parquet(root / "train.parquet", {"images": images, "label": cycle(3, 12)})


def several_labels(root: Path) -> None:
    labels = [[label, 2] for label in cycle(3, 12)]
    parquet(root / "train.parquet", {"image": image_rows(cycle(3, 12)), "labels": labels})


def folders_and_table(root: Path, *, images: bool = False) -> None:
    class_folders(root, *ANIMALS, count=5)
    if images:
        columns = {"image": image_rows(cycle(3, 12)), "label": cycle(3, 12)}
        parquet(root / "animals.parquet", columns, **USUAL)
    else:
        notes = {"file_name": ["ant/0.png"], "camera": ["x"]}
        parquet(root / "metadata-2024.parquet", notes)


PARQUET = (
    Layout(
        name="Hugging Face hub, train and test",
        files="`data/train-00000-of-00001.parquet`, `data/test-...parquet`",
        make=lambda root: hub(root, train=cycle(3, 12), test=cycle(3, 6)),
        outcome=Read(class_names=ANIMALS, train=12, test=6),
        needs=("pyarrow",),
    ),
    Layout(
        name="Hugging Face hub, train and validation",
        files="`data/train-...parquet`, `data/validation-...parquet`",
        make=lambda root: hub(root, train=cycle(3, 12), validation=cycle(3, 6)),
        outcome=Read(class_names=ANIMALS, train=12, test=6, remark="validation is the test split"),
        needs=("pyarrow",),
    ),
    Layout(
        name="Hugging Face hub, test split without labels (ImageNet-1k)",
        files="`data/train-...parquet`, `data/validation-...parquet`, `data/test-...parquet` whose "
        "labels are all -1",
        make=lambda root: hub(root, train=cycle(3, 12), validation=cycle(3, 6), test=[-1] * 6),
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=6,
            notices=("The validation split is used as the test split",),
            remark="validation is the test split, and a notice says so",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet of a leaderboard",
        files="`train.parquet`, and `test.parquet` without a column of labels",
        make=without_labels,
        outcome=Read(
            class_names=DIGITS[:3],
            train=12,
            test=3,
            notices=("A fifth of every class of the train split is held out",),
            remark="a fifth of every class is the test split, and a notice says so",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Hugging Face hub, test split with labels in part",
        files="`data/test-...parquet`, of which some labels are -1",
        make=lambda root: hub(root, train=cycle(3, 12), test=[0, 1, 2, -1, -1, -1]),
        outcome=Refused(
            fault="3 of the 6 images of the test split have no label",
            way_out="Leave these rows out, or give the train files and other test files as a list",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet of pandas, paths and class names",
        files="`train.parquet` with `image` = `images/000.png` and `label` = `ant`; `images/`",
        make=table_of_paths,
        given="train.parquet",
        outcome=Read(
            class_names=ANIMALS, train=12, test=3, remark="paths are relative to the Parquet file"
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet of pandas, paths without the files",
        files="`train.parquet` with `image` = `images/000.png`",
        make=lambda root: table_of_paths(root, with_images=False),
        outcome=Refused(
            fault="holds paths of image files, not the images, and 15 of 15 files are missing",
            way_out="Put the files there, or save the images into the table",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet, images as nested lists",
        files="`train.parquet`, `test.parquet` with `image` = `[[0, 255, ...], ...]`",
        make=nested_lists,
        outcome=Read(
            class_names=DIGITS,
            train=20,
            test=10,
            remark="rows of grey pixels, or of colours first or last",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet, images as flat lists",
        files="`train.parquet` with `image` = `[0, 255, ...]`",
        make=lambda root: nested_lists(root, flat=True),
        outcome=Refused(
            fault="holds a flat list of numbers for each image",
            way_out="Save lists of rows, [height, width], or encoded images",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="class folders and a table about them",
        files="`ant/0.png` ..., `metadata-2024.parquet` without images",
        make=folders_and_table,
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=3,
            skipped=("metadata-2024.parquet",),
            remark="the class folders are read, and the table is left out",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="class folders and a table of images",
        files="`ant/0.png` ..., `animals.parquet` with images",
        make=lambda root: folders_and_table(root, images=True),
        outcome=Refused(
            fault="holds Parquet files, such as 'animals.parquet', and folders of images",
            way_out="Give the Parquet files by a pattern",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet, several images a row",
        files="`train.parquet` with `images` = `[image, image]`",
        make=lists_of_images,
        outcome=Refused(
            fault="holds a list of images in each row, and row 0 holds 2",
            way_out="keep one of each list, or give every image a row of its own",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet, several columns of images",
        files="`train.parquet` with `left`, `right`, `label`",
        make=two_kinds_of_images,
        outcome=Refused(
            fault="the columns 'left', 'right' may all hold the images",
            way_out="Write a file in which only one does, called 'image'",
        ),
        needs=("pyarrow",),
    ),
    Layout(
        name="Parquet, several labels an image",
        files="`train.parquet` with `labels` = `[0, 2]`",
        make=several_labels,
        outcome=Refused(
            fault="each image has a list of labels",
            way_out="Keep the images with one label, or turn one-hot lists into indices",
        ),
        needs=("pyarrow",),
    ),
)


# --- NumPy -------------------------------------------------------------------------------------

MEDMNIST = (
    *("pathmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist", "breastmnist"),
    *("bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist"),
)


def medmnist(root: Path, name: str) -> None:
    """``[image, 28, 28]`` or ``[image, 28, 28, 3]``, labels ``[image, 1]``; a validation split."""
    known, arrays = KNOWN[name], dict[str, np.ndarray]()
    classes = len(known.class_names)
    for split, times in (("train", 2), ("val", 1), ("test", 1)):
        labels = cycle(classes, times * classes)
        arrays[f"{split}_images"] = stack(labels, colour=known.channels == 3)
        arrays[f"{split}_labels"] = np.array(labels, dtype=np.uint8)[:, None]
    np.savez(root / f"{name}.npz", **arrays)


def chestmnist(root: Path) -> None:
    """The part of MedMNIST whose images may have several classes: labels ``[image, 14]``."""
    labels = (np.arange(15 * 14).reshape(15, 14) % 5 == 0).astype(np.uint8)
    images = stack(cycle(3, 15))
    arrays = {f"{split}_images": images for split in ("train", "val", "test")}
    np.savez(root / "chestmnist.npz", **arrays, train_labels=labels, test_labels=labels)


def keras(root: Path) -> None:
    """``mnist.npz`` of Keras."""
    arrays = {"x_train": stack(cycle(10, 20)), "y_train": np.array(cycle(10, 20), np.uint8)}
    arrays |= {"x_test": stack(cycle(10, 10)), "y_test": np.array(cycle(10, 10), np.uint8)}
    np.savez_compressed(root / "mnist.npz", **arrays)


def numbered(root: Path, labels: Callable[[np.ndarray], np.ndarray]) -> None:
    """An archive whose labels are a function of the class index."""
    classes = np.array(cycle(3, 15))
    images = stack(classes.tolist(), colour=True)
    np.savez(root / "mine.npz", images=images, labels=labels(classes))


NUMPY = (
    *(
        Layout(
            name=f"MedMNIST, {name}",
            files=f"`{name}.npz`: `train_images`, `train_labels`, `val_...`, `test_...`",
            make=lambda root, name=name: medmnist(root, name),
            given=f"{name}.npz",
            known=(name,),
            outcome=Read(
                class_names=KNOWN[name].class_names,
                train=2 * len(KNOWN[name].class_names),
                test=len(KNOWN[name].class_names),
                name=name,
                remark="the validation split is left alone",
            ),
        )
        for name in MEDMNIST
    ),
    Layout(
        name="MedMNIST, several classes an image",
        files="`chestmnist.npz`: `train_labels` of shape `[image, 14]`",
        make=chestmnist,
        given="chestmnist.npz",
        outcome=Refused(
            fault="rows have several classes or none, which is not supported",
            way_out="Keep the images of one class, and turn their rows into indices with "
            "labels.argmax(1)",
        ),
    ),
    Layout(
        name="Keras",
        files="`mnist.npz`: `x_train`, `y_train`, `x_test`, `y_test`",
        make=keras,
        given="mnist.npz",
        outcome=Read(class_names=DIGITS, train=20, test=10, name="mnist"),
    ),
    Layout(
        name="labels that count from 1",
        files="`mine.npz`: `images`, `labels` = 1, 2, 3; also arrays, Parquet, torch data sets",
        make=lambda root: numbered(root, lambda classes: classes + 1),
        given="mine.npz",
        outcome=Read(
            class_names=("1", "2", "3"),
            train=12,
            test=3,
            notices=("the labels run from 1 to 3, and no image has the label 0",),
            remark="the class names are the numbers, and a notice says so; `--classes` names them",
        ),
    ),
    Layout(
        name="labels with gaps",
        files="`mine.npz`: `images`, `labels` = 0, 10, 20",
        make=lambda root: numbered(root, lambda classes: classes * 10),
        given="mine.npz",
        outcome=Refused(
            fault="no train image of class 1, 2, 3, 4, 5 and 13 more",
            way_out="add some, or renumber the labels: classes, labels = numpy.unique(labels, "
            "return_inverse=True)",
        ),
    ),
    Layout(
        name="labels that are ids or hashes",
        files="`mine.npz`: `images`, `labels` = 7, 2305843009213693958, ...",
        make=lambda root: numbered(root, lambda classes: classes * 2**61 + 7),
        given="mine.npz",
        outcome=Refused(
            fault="the 15 labels are 3 different numbers from 7 to 4611686018427387911",
            way_out="If each is a class, renumber them",
        ),
    ),
)


# --- Folders of images -------------------------------------------------------------------------


def class_folders(root: Path, *names: str, count: int = 4, ending: str = "png") -> None:
    """``<name>/<i>.png``; class ``i`` is the i-th name."""
    for class_, name in enumerate(names):
        for i in range(count):
            path = root / name / f"{i}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(class_)).save(path)


def class_folder_splits(root: Path, *splits: str) -> None:
    for split in splits:
        class_folders(root / split, *ANIMALS)


def save(path: Path, class_: int) -> None:
    """An image file of a class, in the format of its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else None
    Image.fromarray(picture(class_)).save(path, kind)


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def flat(folder: Path, labels: Sequence[int], *, ending: str = "png", first: int = 0) -> list[str]:
    """``<i>.png``, image ``i`` of the class of label ``i``; returns the names."""
    names = [f"{i}.{ending}" for i in range(first, first + len(labels))]
    for name, label in zip(names, labels, strict=True):
        save(folder / name, label)
    return names


def unlabelled_test(root: Path, *splits: str) -> None:
    class_folder_splits(root, *splits)
    flat(root / "test", cycle(3, 6))


def doubled(root: Path) -> None:
    """Intel Image Classification on Kaggle."""
    class_folder_splits(root, "seg_train/seg_train", "seg_test/seg_test")
    flat(root / "seg_pred" / "seg_pred", cycle(3, 6))


def split_in_class(root: Path) -> None:
    for class_, name in enumerate(ANIMALS):
        for split, count in (("train", 4), ("test", 2)):
            flat(root / name / split, [class_] * count)


def hugging_face_folder(root: Path) -> None:
    for split in ("train", "test"):
        names = flat(root / split, cycle(3, 6))
        rows = [f"{name},{ANIMALS[label]}" for name, label in zip(names, cycle(3, 6), strict=True)]
        write(root / split / "metadata.csv", "file_name,label", *rows)


def hugging_face_lines(root: Path) -> None:
    names = flat(root / "train", cycle(3, 15))
    rows = [
        json.dumps({"file_name": f"train/{name}", "label": label})
        for name, label in zip(names, cycle(3, 15), strict=True)
    ]
    write(root / "metadata.jsonl", *rows)


def kaggle_competition(root: Path) -> None:
    """CIFAR-10 on Kaggle: labels of the train images only, and a sample of a submission."""
    names = flat(root / "train", cycle(3, 15), first=1)
    flat(root / "test", cycle(3, 6), first=1)
    ids = [Path(name).stem for name in names]
    rows = [f"{name},{ANIMALS[label]}" for name, label in zip(ids, cycle(3, 15), strict=True)]
    write(root / "trainLabels.csv", "id,label", *rows)
    write(root / "sampleSubmission.csv", "id,label", *(f"{i},ant" for i in range(1, 7)))


def bare_labels(root: Path) -> None:
    names = flat(root / "train", cycle(3, 6))
    flat(root / "test", cycle(3, 6))
    rows = [f"{name},{ANIMALS[label]}" for name, label in zip(names, cycle(3, 6), strict=True)]
    write(root / "labels.csv", "file,label", *rows)


def unknown_columns(root: Path) -> None:
    names = flat(root / "images", cycle(3, 6))
    write(
        root / "facts.csv",
        "file,colour,weight",
        *(f"{name},red,{i}" for i, name in enumerate(names)),
    )


def tiny_imagenet(root: Path) -> None:
    home, names = root / "tiny-imagenet-200", KNOWN["tiny-imagenet"].class_names
    for class_, name in enumerate(names):
        save(home / "train" / name / "images" / f"{name}_0.JPEG", class_)
    for name in names[:3]:
        write(home / "train" / name / f"{name}_boxes.txt", f"{name}_0.JPEG\t0\t0\t31\t31")
    labels = list(reversed(range(len(names))))
    for i, label in enumerate(labels):
        save(home / "val" / "images" / f"val_{i}.JPEG", label)
    rows = (f"val_{i}.JPEG\t{names[label]}\t0\t0\t31\t31" for i, label in enumerate(labels))
    write(home / "val" / "val_annotations.txt", *rows)
    for i in range(3):
        save(home / "test" / "images" / f"test_{i}.JPEG", 0)
    write(home / "wnids.txt", *reversed(names))
    write(home / "words.txt", *(f"{name}\tsomething" for name in names))


def gtsrb(root: Path) -> None:
    home = root / "GTSRB"
    for class_ in range(43):
        folder = home / "Final_Training" / "Images" / f"{class_:05d}"
        for i in range(2):
            save(folder / f"00000_{i:05d}.ppm", class_)
        write(
            folder / f"GT-{class_:05d}.csv",
            "Filename;Width;ClassId",
            f"00000_00000.ppm;29;{class_}",
        )
    labels = list(reversed(range(43)))
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    rows = []
    for i, label in enumerate(labels):
        save(home / "Final_Test" / "Images" / f"{i:05d}.ppm", label)
        rows.append(f"{i:05d}.ppm;53;54;6;5;48;49;{label}")
    write(root / "GT-final_test.csv", head, *rows)
    write(home / "Readme.txt", "German Traffic Sign Recognition Benchmark")


def gtsrb_of_kaggle(root: Path) -> None:
    head = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"
    rows: dict[str, list[str]] = {"Train": [], "Test": []}
    for class_ in range(11):
        for i in range(2):
            name = f"Train/{class_}/{class_:05d}_{i}.png"
            save(root / name, class_)
            rows["Train"].append(f"27,26,5,5,22,20,{class_},{name}")
        save(root / "Meta" / f"{class_}.png", class_)
        save(root / "Test" / f"{class_:05d}.png", 10 - class_)
        rows["Test"].append(f"53,54,6,5,48,49,{10 - class_},Test/{class_:05d}.png")
    for split, lines in rows.items():
        write(root / f"{split}.csv", head, *lines)
    write(root / "Meta.csv", "Path,ClassId", *(f"Meta/{i}.png,{i}" for i in range(11)))


def food101(root: Path) -> None:
    home = root / "food-101"
    dishes = KNOWN["food101"].class_names
    class_folders(home / "images", *dishes, count=3, ending="jpg")
    for split, part in (("train", range(2)), ("test", range(2, 3))):
        write(home / "meta" / f"{split}.txt", *(f"{name}/{i}" for name in dishes for i in part))
    write(home / "meta" / "classes.txt", *dishes)


PETS = KNOWN["oxford-pets"].class_names


def pets(root: Path) -> None:
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for class_, name in enumerate(PETS):
        for i in range(1, 4):
            save(root / "images" / f"{name}_{i}.jpg", class_)
            split = "test" if i == 3 else "trainval"
            lists[split].append(f"{name}_{i} {class_ + 1} 1 {class_ + 1}")
            save(root / "annotations" / "trimaps" / f"{name}_{i}.png", 1)
    for split, lines in lists.items():
        write(root / "annotations" / f"{split}.txt", *lines)
    write(root / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID")


def flowers(root: Path) -> None:
    from scipy.io import savemat

    labels = cycle(3, 12)
    for i, label in enumerate(labels):
        save(root / "flowers-102" / "jpg" / f"image_{i + 1:05d}.jpg", label)
    numbers = np.array(labels, dtype=np.uint8)[None] + np.uint8(1)
    savemat(root / "flowers-102" / "imagelabels.mat", {"labels": numbers})
    ids = {"trnid": [[1, 2, 3]], "valid": [[4, 5, 6]], "tstid": [[7, 8, 9, 10, 11, 12]]}
    arrays = {name: np.array(value, dtype=np.uint16) for name, value in ids.items()}
    savemat(root / "flowers-102" / "setid.mat", arrays)


def cub(root: Path) -> None:
    home = root / "CUB_200_2011"
    names = [f"{i + 1:03d}.{name}" for i, name in enumerate(ANIMALS)]
    files = [
        (class_, f"{name}/{name}_{i}.jpg") for class_, name in enumerate(names) for i in range(3)
    ]
    for class_, file in files:
        save(home / "images" / file, class_)
    write(home / "classes.txt", *(f"{i + 1} {name}" for i, name in enumerate(names)))
    write(home / "images.txt", *(f"{i + 1} {file}" for i, (_, file) in enumerate(files)))
    rows = (f"{i + 1} {class_ + 1}" for i, (class_, _) in enumerate(files))
    write(home / "image_class_labels.txt", *rows)
    write(home / "train_test_split.txt", *(f"{i + 1} {int(i % 3 > 0)}" for i in range(len(files))))
    write(root / "attributes.txt", "1 has_bill_shape::curved")


def aircraft(root: Path) -> None:
    home = root / "fgvc-aircraft-2013b" / "data"
    names = ("707-320", "Boeing 717", "DHC-1")
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for i, class_ in enumerate(cycle(3, 12)):
        save(home / "images" / f"{1000000 + i}.jpg", class_)
        lists["test" if i > 8 else "trainval"].append(f"{1000000 + i} {names[class_]}")
    for split, lines in lists.items():
        write(home / f"images_variant_{split}.txt", *lines)
        write(home / f"images_family_{split}.txt", *(line.split()[0] + " Boeing" for line in lines))


def stl10(root: Path) -> None:
    home = root / "stl10_binary"
    home.mkdir()
    for split, count in (("train", 20), ("test", 10)):
        images = stack(cycle(10, count), side=96, colour=True)
        planes = images.transpose(0, 3, 2, 1)  # column by column, one colour after the other
        (home / f"{split}_X.bin").write_bytes(np.ascontiguousarray(planes).tobytes())
        labels = np.array(cycle(10, count), dtype=np.uint8) + np.uint8(1)
        (home / f"{split}_y.bin").write_bytes(labels.tobytes())
    (home / "unlabeled_X.bin").write_bytes(bytes(3 * 96 * 96))
    write(home / "class_names.txt", *STL10)
    write(home / "fold_indices.txt", "0 1 2")


def cinic10(root: Path) -> None:
    """Class folders; a third of the images is a validation split."""
    for split in ("train", "valid", "test"):
        class_folders(root / "CINIC-10" / split, *CIFAR10, count=2)


WHOLE = ("imagenet-10", "imagenet-100", "imagemeow", "imagesquawk", "imagefruit", "imageyellow")
IMAGENET = tuple(sorted({number for name in WHOLE for number in KNOWN[name].class_names}))
"""Enough classes for each of these parts of ImageNet."""


def imagenet(home: Path, classes: Sequence[str]) -> None:
    for class_, name in enumerate(classes):
        for i in range(2):
            save(home / "train" / name / f"{name}_{i}.JPEG", class_)
        save(home / "val" / name / "ILSVRC2012_val_00000001.JPEG", class_)


def saved_to_disk(root: Path) -> None:
    write(root / "dataset_dict.json", '{"splits": ["train", "test"]}')
    for split in ("train", "test"):
        write(root / split / "data-00000-of-00001.arrow", "")
        write(root / split / "state.json", "{}")
        write(root / split / "dataset_info.json", "{}")


def packed(root: Path) -> None:
    """One archive of the folder of class folders."""
    with tempfile.TemporaryDirectory() as place:
        class_folder_splits(Path(place), "flowers/train", "flowers/test")
        with tarfile.open(root / "flowers.tgz", "w:gz") as archive:
            archive.add(Path(place) / "flowers", "flowers")


def packed_splits(root: Path) -> None:
    """An archive for each split, with its class folders."""
    with tempfile.TemporaryDirectory() as place:
        class_folder_splits(Path(place), "train", "test")
        for split in ("train", "test"):
            shutil.make_archive(str(root / split), "zip", Path(place) / split)


STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

FOLDERS = (
    Layout(
        name="class folders",
        files="`ant/0.png` ..., `bee/0.png` ...",
        make=lambda root: class_folders(root, *ANIMALS, count=5),
        outcome=Read(
            class_names=ANIMALS, train=12, test=3, remark="a fifth of every class is the test split"
        ),
    ),
    Layout(
        name="class folders with numbers",
        files="`0/0.png` ..., `10/0.png` ..., `2/0.png` ...",
        make=lambda root: class_folders(root, *map(str, range(12))),
        outcome=Read(
            class_names=[str(i) for i in range(12)], train=36, test=12, remark="in numeric order"
        ),
    ),
    Layout(
        name="class folders, train and test",
        files="`train/ant/0.png` ..., `test/ant/0.png` ...",
        make=lambda root: class_folder_splits(root, "train", "test"),
        outcome=Read(class_names=ANIMALS, train=12, test=12),
    ),
    Layout(
        name="class folders, training and testing",
        files="`training/ant/0.png` ..., `testing/ant/0.png` ...",
        make=lambda root: class_folder_splits(root, "training", "testing"),
        outcome=Read(class_names=ANIMALS, train=12, test=12),
    ),
    Layout(
        name="class folders, train, val and test",
        files="`train/ant/0.png` ..., `val/ant/0.png` ..., `test/ant/0.png` ...",
        make=lambda root: class_folder_splits(root, "train", "val", "test"),
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=12,
            skipped=("val: 12 images of a validation split",),
            remark="the validation split is left out",
        ),
    ),
    Layout(
        name="class folders, test without labels",
        files="`train/ant/0.png` ..., `test/0.png` ...",
        make=lambda root: unlabelled_test(root, "train"),
        outcome=Read(
            class_names=ANIMALS,
            train=9,
            test=3,
            skipped=("test: 6 images without",),
            notices=("A fifth of the train images is held out",),
            remark="a fifth of every class is the test split; a notice says so",
        ),
    ),
    Layout(
        name="class folders with val, test without labels",
        files="`train/ant/0.png` ..., `val/ant/0.png` ..., `test/0.png` ...",
        make=lambda root: unlabelled_test(root, "train", "val"),
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=12,
            skipped=("test: 6 images without",),
            notices=("'val' is the test split",),
            remark="the validation split is the test split; a notice says so",
        ),
    ),
    Layout(
        name="class folders, val and test only",
        files="`val/ant/0.png` ..., `test/ant/0.png` ...",
        make=lambda root: class_folder_splits(root, "val", "test"),
        outcome=Refused(fault="no train split", way_out="Rename one of them to 'train'"),
    ),
    Layout(
        name="doubled folders",
        files="`seg_train/seg_train/ant/0.png` ..., `seg_test/seg_test/ant/0.png` ...",
        make=doubled,
        outcome=Read(
            class_names=ANIMALS, train=12, test=12, skipped=("seg_pred: 6 images in a folder",)
        ),
    ),
    Layout(
        name="splits inside class folders",
        files="`ant/train/0.png` ..., `ant/test/0.png` ...",
        make=split_in_class,
        outcome=Read(class_names=ANIMALS, train=12, test=6),
    ),
    Layout(
        name="Hugging Face imagefolder",
        files="`train/0.png` ..., `train/metadata.csv` with `file_name`, `label`, and `test/`",
        make=hugging_face_folder,
        outcome=Read(class_names=ANIMALS, train=6, test=6),
    ),
    Layout(
        name="Hugging Face imagefolder, JSON lines",
        files="`metadata.jsonl` with `file_name` and `label`, `train/0.png` ...",
        make=hugging_face_lines,
        outcome=Read(class_names=DIGITS[:3], train=12, test=3),
    ),
    Layout(
        name="Kaggle competition",
        files="`train/1.png` ..., `trainLabels.csv` with `id`, `label`, `test/1.png` ...",
        make=kaggle_competition,
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=3,
            skipped=("test: 6 images without",),
            notices=("A fifth of the train images is held out",),
            remark="a fifth of every class is the test split; a notice says so",
        ),
    ),
    Layout(
        name="images with a table that may mean two splits",
        files="`train/0.png` ..., `test/0.png` ..., `labels.csv` with `0.png`",
        make=bare_labels,
        outcome=Refused(
            fault="which may be 'train/0.png' or 'test/0.png'",
            way_out="Write the folder before the name, such as 'train/0.png'",
        ),
    ),
    Layout(
        name="images with a table of other columns",
        files="`images/0.png` ..., `facts.csv` with `file`, `colour`, `weight`",
        make=unknown_columns,
        outcome=Refused(
            fault="the columns 'file', 'colour', 'weight'",
            way_out="Call that column 'label', and the column of the files 'file_name'",
        ),
    ),
    Layout(
        name="images without class folders",
        files="`train/0.png` ..., `test/0.png` ...",
        make=lambda root: [flat(root / split, cycle(3, 6)) for split in ("train", "test")],
        outcome=Refused(
            fault="nothing says which class an image is of",
            way_out="Put the images of each class into a folder of its own",
        ),
    ),
    Layout(
        name="TinyImageNet",
        files="`tiny-imagenet-200/train/n01443537/images/*.JPEG`, `val/val_annotations.txt`",
        make=tiny_imagenet,
        known=("tiny-imagenet",),
        outcome=Read(
            class_names=KNOWN["tiny-imagenet"].class_names,
            train=200,
            test=200,
            skipped=(*("boxes.txt: not an image",) * 3, "test: 3 images, whose labels"),
            remark="`val` is the test split",
        ),
    ),
    Layout(
        name="GTSRB",
        files="`GTSRB/Final_Training/Images/00000/*.ppm`, `Final_Test/Images`, `GT-final_test.csv`",
        make=gtsrb,
        known=("gtsrb",),
        outcome=Read(
            class_names=[f"{i:05d}" for i in range(43)],
            train=86,
            test=43,
            skipped=("not an image",) * 43,
        ),
    ),
    Layout(
        name="GTSRB of Kaggle",
        files="`Train/0/*.png` ..., `Test/*.png`, `Test.csv`",
        make=gtsrb_of_kaggle,
        outcome=Read(
            class_names=[str(i) for i in range(11)],
            train=22,
            test=11,
            skipped=("Meta: 11 images in a folder",),
        ),
    ),
    Layout(
        name="Food-101",
        files="`food-101/images/apple_pie/0.jpg` ..., `meta/train.txt`, `meta/test.txt`",
        make=food101,
        known=("food101",),
        outcome=Read(class_names=KNOWN["food101"].class_names, train=202, test=101),
    ),
    Layout(
        name="Oxford-IIIT Pet",
        files="`images/Abyssinian_1.jpg` ..., `annotations/trainval.txt`, `test.txt`",
        make=pets,
        known=("oxford-pets",),
        outcome=Read(class_names=PETS, train=74, test=37),
    ),
    Layout(
        name="Oxford Flowers 102",
        files="`flowers-102/jpg/image_00001.jpg` ..., `imagelabels.mat`, `setid.mat`",
        make=flowers,
        needs=("scipy",),
        outcome=Read(
            class_names=("1", "2", "3"), train=3, test=6, skipped=("of a validation split",)
        ),
    ),
    Layout(
        name="CUB-200-2011",
        files="`CUB_200_2011/images.txt`, `image_class_labels.txt`, `train_test_split.txt`",
        make=cub,
        outcome=Read(class_names=("001.ant", "002.bee", "003.cat"), train=6, test=3),
    ),
    Layout(
        name="FGVC-Aircraft",
        files="`fgvc-aircraft-2013b/data/images/*.jpg`, `images_variant_trainval.txt`",
        make=aircraft,
        outcome=Read(class_names=("707-320", "Boeing 717", "DHC-1"), train=9, test=3),
    ),
    Layout(
        name="STL-10",
        files="`stl10_binary/train_X.bin`, `train_y.bin`, `test_X.bin`, `test_y.bin`",
        make=stl10,
        known=("stl10",),
        outcome=Read(
            class_names=STL10, train=20, test=10, skipped=("unlabeled_X.bin: its images",)
        ),
    ),
    Layout(
        name="CINIC-10",
        files="`CINIC-10/train/airplane/*.png` ..., `valid/`, `test/`",
        make=cinic10,
        given="CINIC-10",
        known=("cinic10",),
        outcome=Read(
            class_names=CIFAR10,
            train=20,
            test=20,
            name="cinic10",
            skipped=("valid: 20 images of a validation split",),
            remark="the validation split is left out",
        ),
    ),
    Layout(
        name="ImageNet",
        files="`ILSVRC/Data/CLS-LOC/train/n01440764/*.JPEG`, `val/n01440764/*.JPEG` ...",
        make=lambda root: imagenet(root / "ILSVRC/Data/CLS-LOC", IMAGENET),
        given="ILSVRC/Data/CLS-LOC",
        known=WHOLE,
        outcome=Read(class_names=IMAGENET, train=2 * len(IMAGENET), test=len(IMAGENET)),
    ),
    *(
        Layout(
            name=f"{name.capitalize()} of fast.ai",
            files=f"`{name}2-160/train/{MTT_SUBSETS[name][0]}/*.JPEG`, `val/` ...",
            make=lambda root, name=name: imagenet(root / f"{name}2-160", sorted(MTT_SUBSETS[name])),
            given=f"{name}2-160",
            known=(name,),
            outcome=Read(
                class_names=sorted(MTT_SUBSETS[name]),
                train=20,
                test=10,
                name=name,
            ),
        )
        for name in ("imagenette", "imagewoof")
    ),
    Layout(
        name="an archive",
        files="`flowers.tgz` with class folders, a layout of this table, or its splits",
        make=packed,
        given="flowers.tgz",
        outcome=Read(
            class_names=ANIMALS,
            train=12,
            test=12,
            name="flowers",
            remark="unpacked once into [the cache](runs.md#the-cache)",
        ),
    ),
    Layout(
        name="a folder with an archive",
        files="`flowers.tgz`",
        make=packed,
        outcome=Read(class_names=ANIMALS, train=12, test=12),
    ),
    Layout(
        name="a folder with an archive for each split",
        files="`train.zip`, `test.zip` with class folders",
        make=packed_splits,
        outcome=Read(class_names=ANIMALS, train=12, test=12),
    ),
    Layout(
        name="`save_to_disk` of datasets",
        files="`dataset_dict.json`, `train/data-00000-of-00001.arrow`, `train/state.json`",
        make=saved_to_disk,
        outcome=Refused(fault="save_to_disk", way_out="Write Parquet files instead"),
    ),
)


LAYOUTS: tuple[Layout, ...] = (*FOLDERS, *IDX, *BINARY, *PARQUET, *NUMPY)


def page_with_table(text: str) -> str:
    """A page, with the table between the two marks replaced by that of ``LAYOUTS``."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    inside = f"{BEGIN}\n{table(LAYOUTS)}\n{END}"
    return re.sub(pattern, lambda _: inside, text, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
