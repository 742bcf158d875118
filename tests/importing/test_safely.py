"""Nothing in a file is executed; what a file needs beyond tensors is said."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from condensery.errors import DataError
from condensery.importing.safely import hash_of_folder, open_numpy, open_torch


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


class Evaluate:
    """Unpickled, it runs Python."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


def test_the_malicious_files_would_do_harm(tmp_path):
    made = tmp_path / "made"
    for harm in (Touch, Evaluate):
        pickle.loads(pickle.dumps(harm(made)))
        assert made.exists()
        made.unlink()


@pytest.mark.parametrize("harm", [Touch, Evaluate])
@pytest.mark.parametrize("old", [False, True], ids=["zip", "old layout"])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path, harm, old):
    made, path = tmp_path / "made", tmp_path / "data.pt"
    content = {"data": [[torch.zeros(1), torch.zeros(1)]], "accs_all_exps": harm(made)}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(DataError, match=r"asks for '\S+' to be run.*Nothing of it was executed"):
        open_torch(path)
    assert not made.exists()


def test_a_plain_pickle_runs_nothing(tmp_path):
    made, path = tmp_path / "made", tmp_path / "data.pt"
    path.write_bytes(pickle.dumps(Touch(made)))
    with pytest.raises(DataError, match=r"data\.pt"):
        open_torch(path)
    assert not made.exists()


def test_the_numbers_of_numpy_in_a_file_are_passed_over(tmp_path):
    path = tmp_path / "data.pt"
    accuracies = {"ConvNet": [np.float64(0.3), np.float32(0.2), np.arange(3.0)], "n": np.int64(5)}
    torch.save({"data": [torch.arange(3)], "accs_all_exps": accuracies, "last": 7}, path)
    content = open_torch(path).content
    assert torch.equal(content["data"][0], torch.arange(3))
    assert content["last"] == 7
    assert not any(isinstance(x, (float, np.ndarray)) for x in content["accs_all_exps"]["ConvNet"])


def renamed(path: Path, old: bytes, new: bytes) -> None:
    """Change names in the pickle inside a file of ``torch.save``; they end with a line."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(old, new) if "data.pkl" in name else content)


@pytest.mark.parametrize("core", [b"core", b"_core"])
def test_the_numbers_of_old_and_new_numpy_are_passed_over(tmp_path, core):
    path = tmp_path / "data.pt"
    torch.save([torch.arange(3), np.float64(0.3)], path)
    module = np.float64(0).__reduce__()[0].__module__.encode()
    renamed(path, b"c" + module + b"\n", b"cnumpy." + core + b".multiarray\n")
    content = open_torch(path).content
    assert torch.equal(content[0], torch.arange(3))
    assert not isinstance(content[1], float)


@pytest.mark.parametrize(
    "name", [b"numpy.core.multiarray\nfrombuffer", b"numpy\nfromfile", b"builtins\neval"]
)
def test_no_other_function_is_let_pass(tmp_path, name):
    path = tmp_path / "data.pt"
    torch.save(np.float64(0.3), path)
    module = np.float64(0).__reduce__()[0].__module__.encode()
    renamed(path, b"c" + module + b"\nscalar\n", b"c" + name + b"\n")
    with pytest.raises(DataError, match="to be run"):
        open_torch(path)


def test_numpy_is_not_asked_to_rebuild_what_a_file_claims(tmp_path, monkeypatch):
    path = tmp_path / "data.pt"
    torch.save([np.float64(0.3)], path)
    called: list[object] = []
    rebuild = np.float64(0).__reduce__()[0]
    monkeypatch.setattr(sys.modules[rebuild.__module__], "scalar", lambda *x: called.append(x))
    open_torch(path)
    assert called == []


def test_what_is_let_pass_is_forgotten_afterwards(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    path = tmp_path / "data.pt"
    torch.save([np.float64(0.3)], path)
    open_torch(path)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_the_hash_is_that_of_the_file(tmp_path):
    path = tmp_path / "data.pt"
    torch.save(torch.arange(4), path)
    assert open_torch(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path = tmp_path / "data.npz"
    np.savez(path, images=np.zeros(3))
    assert open_numpy(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "data.pt"
    torch.save([torch.arange(64), torch.arange(3)], path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"data\.pt"):
            open_torch(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"PK\x03\x04", b"\x93NUMPY", bytes(64)])
@pytest.mark.parametrize("reader", [open_torch, open_numpy])
def test_a_foreign_file_is_refused(tmp_path, reader, content):
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(DataError, match="data"):
        reader(path)


def test_an_archive_with_pickled_objects_runs_nothing(tmp_path):
    made, path = tmp_path / "made", tmp_path / "kip.npz"
    np.savez(path, images=np.array([Touch(made)], dtype=object))
    with pytest.raises(DataError, match="can run code"):
        open_numpy(path)
    assert not made.exists()


def test_an_archive_whose_member_is_a_pickle_runs_nothing(tmp_path):
    made, path = tmp_path / "made", tmp_path / "kip.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", pickle.dumps(Touch(made)))
    opened = open_numpy(path)  # a member that is no array is left as bytes
    assert not made.exists()
    assert isinstance(opened.content["images"], bytes)


def test_a_missing_file_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "images_best.pt").touch()
    with pytest.raises(DataError, match=r"no such file\. Did you mean 'images_best\.pt'"):
        open_torch(tmp_path / "image_best.pt")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="Give a file"):
        open_torch(tmp_path)


def test_the_hash_of_a_folder_changes_with_every_name_and_byte(tmp_path):
    def made(files: dict[str, bytes]) -> str:
        folder = tmp_path / str(len(seen))
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return hash_of_folder(folder)

    seen: set[str] = set()
    for files in (
        {"a/1": b"x", "b/1": b"y"},
        {"a/1": b"y", "b/1": b"x"},
        {"a/1": b"x", "b/2": b"y"},
        {"a/1": b"x"},
    ):
        seen.add(made(files))
    assert len(seen) == 4
    line = f"{hashlib.sha256(b'x').hexdigest()}  a/1\n"
    assert hashlib.sha256(line.encode()).hexdigest() in seen


def test_a_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "data.pt"
    torch.save(torch.arange(4), path)
    reads: list[Path] = []
    read = Path.read_bytes

    def counting(self: Path) -> bytes:
        reads.append(self)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", counting)
    assert torch.equal(open_torch(path).content, torch.arange(4))
    assert reads == [path]
