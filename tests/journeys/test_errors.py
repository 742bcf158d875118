"""Every mistake ends with exit code 2 and one message, and leaves nothing behind."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
LABELS = np.array([0, 1] * 4)


def picture(path: Path, *, side: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), 100).save(path)


def two_classes(folder: Path) -> Path:
    for name in ("cat", "dog"):
        for image in ("1.png", "2.png"):
            picture(folder / name / image)
    return folder


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def one_class(folder: Path) -> Path:
    picture(folder / "cat" / "1.png")
    picture(folder / "cat" / "2.png")
    return folder


def corrupt(folder: Path) -> Path:
    two_classes(folder)
    (folder / "dog" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    return folder


def mixed_sizes(folder: Path) -> Path:
    two_classes(folder)
    picture(folder / "dog" / "large.png", side=12)
    return folder


def arrays(path: Path, **content: np.ndarray) -> Path:
    file = path.with_suffix(".npz")
    np.savez(file, **content)
    return file


def disagreeing(path: Path) -> Path:
    return arrays(path, images=PIXELS, labels=LABELS[:-1])


def with_nan(path: Path) -> Path:
    images = PIXELS / np.float32(255)
    images[3, 2, 2] = np.nan
    return arrays(path, images=images, labels=LABELS)


DATA: list[tuple[Callable[[Path], Path], list[str]]] = [
    (lambda path: path.parent / "nowhere", ["nowhere", "no such file or folder"]),
    (empty, ["is empty"]),
    (one_class, ["one class"]),
    (corrupt, ["dog/bad.png", "skip"]),
    (mixed_sizes, ["8 x 8", "12 x 12", "size"]),
    (disagreeing, ["8", "7"]),
    (with_nan, ["NaN"]),
]


def assert_one_message(said, words: list[str]) -> None:
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("condensery: error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def test_data_that_cannot_be_condensed_is_refused(each, condensery, tmp_path_factory):
    for make, words in each(DATA):
        tmp_path = tmp_path_factory.mktemp("case")
        source = make(tmp_path / "data")
        before = sorted(tmp_path.rglob("*"))
        run = tmp_path / "run"
        said = condensery("condense", source, "--preset", "smoke", "--ipc", 1, "--out", run)
        assert_one_message(said, words)
        assert sorted(tmp_path.rglob("*")) == before


MISTAKES: list[tuple[str, list[str]]] = [
    ("--ipc 0", ["--ipc", "0", "1 or more"]),
    ("--ipc many", ["--ipc", "'many'"]),
    ("--ipc 500", ["500", "largest class", "--ipc"]),
    ("--method mdd", ["'mdd'", "mdc, mtt", "Did you mean"]),
    ("--preset qick", ["'qick'", "Did you mean 'quick'"]),
    ("--size-policy al", ["'al'", "Did you mean 'all'"]),
    ("--set update.rl=1", ["update.rl", "Did you mean 'lr'"]),
    ("--set updaet.lr=1", ["updaet", "Did you mean 'update'"]),
    ("--set update.lr=fast", ["update.lr", "'fast'", "number"]),
    ("--set update.lr=-1", ["update.lr", "above 0"]),
    ("--set update", ["key=value"]),
    ("--network convnet33", ["'convnet33'", "Did you mean 'convnet3'"]),
    ("--network nowhere.at:all", ["nowhere.at", "cannot be imported"]),
    ("--set engine=twopass", ["'twopass'", "one-pass"]),
    ("--evaluate-sizes 1,2,3", ["[1, 2, 3]", "1..2"]),
    ("--evaluate-networks convnet0", ["'convnet0'"]),
    ("--evaluate-epochs 1 --evaluate-steps 1", ["not allowed with"]),
    ("--evaluate-protocol icd", ["'icd'", "Did you mean 'idc'"]),
    ("--time-budget soon", ["'soon'", "10m"]),
    ("--device tpu9", ["--device tpu9", "cpu"]),
    ("--ipcc 3", ["'--ipcc'", "Did you mean '--ipc'"]),
    ("--image-size 0", ["--image-size", "1 or more"]),
]


def test_arguments_that_cannot_work_are_refused(each, condensery, tmp_path_factory):
    for mistake, words in each(MISTAKES):
        tmp_path = tmp_path_factory.mktemp("case")
        given = mistake.split()
        ipc = [] if "--ipc" in given else ["--ipc", 2]
        said = condensery(
            "condense", "digits", "--preset", "smoke", *ipc, *given, "--out", tmp_path / "run"
        )
        assert_one_message(said, words)
        assert list(tmp_path.iterdir()) == []


def test_a_network_that_mixes_examples_is_refused_by_the_one_pass_engine(
    condensery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    code = tmp_path / "code"
    code.mkdir()
    (code / "mixing_network.py").write_text(
        "from torch import nn\n"
        "def make(*, channels, classes, side):\n"
        "    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),\n"
        "                         nn.Linear(144, classes))\n"
    )
    monkeypatch.syspath_prepend(code)
    run = tmp_path / "run"
    words = ("condense", "digits", "--method", "mdc", "--preset", "smoke", "--ipc", 1)
    words = (*words, "--no-evaluate", "--out", run)
    network = ("--network", "mixing_network:make")
    said = condensery(*words, *network, "--set", "engine=one-pass")
    assert_one_message(said, ["one-pass", "BatchNorm2d", "autograd"])
    assert not run.exists()
    assert condensery(*words, *network).code == 0  # the reference engine takes its place


def test_an_output_folder_that_cannot_be_written_is_found_before_any_work(
    condensery, tmp_path: Path
):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    said = condensery("condense", "no such data", "--out", out)
    assert_one_message(said, [str(out)])


def test_an_existing_run_is_not_overwritten(condensery, finished: Path):
    before = (finished / "recipe.json").read_bytes()
    said = condensery("condense", "digits", "--preset", "smoke", "--ipc", 1, "--out", finished)
    assert_one_message(said, ["--overwrite", "condensery resume"])
    assert (finished / "recipe.json").read_bytes() == before


def truncated(path: Path, whole: Path) -> None:
    path.write_bytes(whole.read_bytes()[:-1])


def foreign(path: Path, whole: Path) -> None:
    save_file({"weights": np.zeros(3)}, path)


def no_safetensors(path: Path, whole: Path) -> None:
    path.write_text("hello, this is text and not a condensed set")


def newer(path: Path, whole: Path) -> None:
    from condensery.condensed.artifact import CondensedSet

    manifest = {**CondensedSet.load(whole).manifest, "format": 7}
    save_file(load_file(whole), path, metadata={"condensery": json.dumps(manifest)})


def test_a_file_that_is_no_condensed_set_is_refused(
    each, condensery, finished: Path, tmp_path_factory
):
    for (damage, words), command in each(
        product(
            [
                (truncated, ["truncated"]),
                (foreign, ["condensery"]),
                (no_safetensors, ["safetensors"]),
                (newer, ["7", "up to 2"]),
                (lambda path, whole: None, ["no such file"]),
            ],
            ["inspect", "take", "export", "evaluate"],
        )
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        file = tmp_path / "set.safetensors"
        damage(file, finished / "condensed.safetensors")
        before = sorted(tmp_path.rglob("*"))
        more = {
            "inspect": [],
            "take": ["--ipc", 1, "--out", tmp_path / "out"],
            "export": ["--to", "npz", "--out", tmp_path / "out"],
            "evaluate": ["--data", "digits"],
        }
        said = condensery(command, file, *more[command])
        assert_one_message(said, [file.name, *words])
        assert sorted(tmp_path.rglob("*")) == before


def test_commands_on_a_set_refuse_what_it_does_not_hold(
    each, condensery, finished: Path, tmp_path_factory
):
    for words, expected in each(
        [
            (("take", "{file}", "--ipc", "3", "--out", "{out}"), ["ipc = 3", "1..2"]),
            (("take", "{file}", "--bytes", "10", "--out", "{out}"), ["10 bytes"]),
            (("take", "{file}", "--bytes", "ten", "--out", "{out}"), ["'ten'", "50k"]),
            (("take", "{file}", "--out", "{out}"), ["--ipc", "--bytes"]),
            (("take", "{file}", "--ipc", "1", "--out", "{out}/a/b"), ["no folder"]),
            (("export", "{file}", "--ipc", "3", "--out", "{out}"), ["ipc = 3", "1..2"]),
            (("export", "{file}", "--to", "hdf5", "--out", "{out}"), ["'hdf5'", "npz"]),
            (("evaluate", "{file}", "--data", "digits", "--sizes", "3"), ["[3]", "1..2"]),
            (("evaluate", "{file}", "--data", "digits", "--sizes", "0"), ["sizes begin at 1"]),
            (("evaluate", "{file}", "--data", "digits", "--image-size", "9"), ["9 x 9", "8 x 8"]),
            (("resume", "{out}"), ["no such folder"]),
            (("resume", "{folder}"), ["no run folder"]),
            (("condnse", "digits"), ["'condnse'", "Did you mean 'condense'"]),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        places = {
            "file": finished / "condensed.safetensors",
            "out": tmp_path / "out",
            "folder": tmp_path,
        }
        said = condensery(*(word.format(**places) for word in words))
        assert_one_message(said, expected)
        assert list(tmp_path.iterdir()) == []


def test_version_help_and_an_unknown_command_answer_without_torch(each):
    for words, code in each([(["--help"], 0), (["--version"], 0), (["condens", "x"], 2)]):
        script = (
            "import sys; from condensery.cli.main import main; code = main(sys.argv[1:])\n"
            "heavy = {'torch', 'numpy', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else code)"
        )
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
        )
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
        assert done.returncode == code, done.stderr
        assert seconds < 1


def test_an_error_that_nobody_foresaw_keeps_its_traceback(condensery, monkeypatch):
    from condensery.cli import methods

    def broken(arguments: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(methods, "run", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        condensery("methods")
