"""Nothing in a file is executed; what a file needs beyond tensors is said."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from condensery.condensed.importing.safely import as_tensor, hash_of_folder, open_numpy, open_torch
from condensery.errors import DataError


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


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(each, tmp_path_factory):
    for old, harm in each(product([False, True], [Touch, Evaluate])):
        tmp_path = tmp_path_factory.mktemp("case")
        made, path = tmp_path / "made", tmp_path / "data.pt"
        content = {"data": [[torch.zeros(1), torch.zeros(1)]], "accs_all_exps": harm(made)}
        torch.save(content, path, _use_new_zipfile_serialization=not old)
        with pytest.raises(
            DataError, match=r"asks for '\S+' to be run.*Nothing of it was executed"
        ):
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


def test_no_other_function_is_let_pass(each, tmp_path_factory):
    for name in each([b"numpy.core.multiarray\nfrombuffer", b"numpy\nfromfile", b"builtins\neval"]):
        tmp_path = tmp_path_factory.mktemp("case")
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


def test_a_foreign_file_is_refused(each, tmp_path_factory):
    for reader, content in each(
        product(
            [open_torch, open_numpy], [b"", b"\x80\x02.", b"PK\x03\x04", b"\x93NUMPY", bytes(64)]
        )
    ):
        tmp_path = tmp_path_factory.mktemp("case")
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


def saved(path: Path, content: object, **choices: object) -> object:
    torch.save(content, path, **choices)
    return open_torch(path).content


def test_arrays_of_numpy_inside_a_file_are_rebuilt_from_their_bytes(each, tmp_path_factory):
    for array, old in each(
        product(
            [
                np.arange(24, dtype=np.float32).reshape(2, 3, 4),
                np.arange(24, dtype=np.float64).reshape(2, 3, 4).T,
                np.arange(24, dtype=">f4").reshape(2, 12),
                np.arange(24, dtype=np.float16),
                np.arange(24, dtype=np.uint8),
                np.arange(24, dtype=np.uint16),
                np.arange(24)[::2],
                np.array([True, False]),
                np.float32(0.25),
                np.int64(7),
            ],
            [False, True],
        )
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        content = saved(tmp_path / "data.pt", [array], _use_new_zipfile_serialization=not old)
        found = as_tensor(content[0], path=tmp_path, what="images")
        assert found.numpy().tolist() == array.tolist()
        assert found.dtype.is_floating_point == (array.dtype.kind == "f")


def test_arrays_of_anything_but_numbers_are_none(each, tmp_path_factory):
    for array in each(
        [np.array(["a"]), np.array([None]), np.array([1j]), np.array(["2026"], "M8[Y]")]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        content = saved(tmp_path / "data.pt", [array])
        assert as_tensor(content[0], path=tmp_path, what="images") is None


def test_an_array_that_claims_more_numbers_than_it_has_is_refused(tmp_path):
    path = tmp_path / "data.pt"
    torch.save([np.zeros(7, np.uint8)], path)
    renamed(path, b"K\x07\x85", b"K\x63\x85")  # its shape (7,) becomes (99,)
    content = open_torch(path).content
    with pytest.raises(DataError, match=r"claim the shape \(99,\) of uint8, but .* 7 bytes"):
        as_tensor(content[0], path=path, what="images")


def test_lists_become_one_tensor(each, tmp_path_factory):
    for value in each(
        [
            [torch.zeros(3, 2), torch.ones(3, 2)],
            (np.zeros((3, 2)), np.ones((3, 2))),
            [[[0.0, 0.0]] * 3, [[1.0, 1.0]] * 3],
            [torch.zeros(3, 2), np.ones((3, 2), np.float32)],
            torch.nn.Parameter(torch.stack([torch.zeros(3, 2), torch.ones(3, 2)])),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        content = saved(tmp_path / "data.pt", value)
        found = as_tensor(content, path=tmp_path, what="images")
        assert found.shape == (2, 3, 2)
        assert found.flatten(1).double().mean(dim=1).tolist() == [0, 1]
        assert not found.requires_grad


def test_images_of_several_sizes_are_refused_with_two_of_them(tmp_path):
    with pytest.raises(
        DataError, match=r"2 arrays of different shapes, such as \[3, 2\] and \[3, 4\]"
    ):
        as_tensor([torch.zeros(3, 2), torch.zeros(3, 4)], path=tmp_path, what="images")


def test_a_file_that_was_saved_on_another_device_is_read(tmp_path):
    path = tmp_path / "data.pt"
    torch.save([torch.arange(4)], path)
    renamed(path, b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:1")
    assert torch.equal(open_torch(path).content[0], torch.arange(4))


def test_objects_are_refused_with_what_they_are(each, tmp_path_factory):
    for content, message in each(
        [
            (torch.nn.Linear(2, 3), "holds a whole network"),
            (torch.nn.DataParallel(torch.nn.Linear(2, 3)), "holds a whole network"),
            (torch.utils.data.TensorDataset(torch.zeros(2)), r"save \[images, labels\]"),
            (Path("x"), r"save \[images, labels\]"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(DataError, match=f"to be run.*{message}"):
            saved(tmp_path / "data.pt", content)


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_newer_pickle_protocol_is_named(tmp_path, protocol):
    with pytest.raises(DataError, match="newer pickle protocol"):
        saved(tmp_path / "data.pt", [torch.zeros(2)], pickle_protocol=protocol)


def test_no_message_of_the_reader_says_how_to_switch_it_off(tmp_path):
    path = tmp_path / "data.pt"
    for old in (False, True):
        torch.save([torch.arange(64), np.arange(3)], path, _use_new_zipfile_serialization=not old)
        whole = path.read_bytes()
        for length in range(0, len(whole), 41):
            path.write_bytes(whole[:length])
            with pytest.raises(
                DataError, match=r"truncated|empty|neither like|plain pickle"
            ) as found:
                open_torch(path)
            assert "weights_only" not in str(found.value)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def of_safetensors(metadata: dict[str, str]) -> bytes:
    return safetensors.torch.save({"images": torch.zeros(2)}, metadata)


FOREIGN = {
    "empty": (b"", "is empty"),
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345678\n",
        "pointer of Git LFS.*12,345,678 bytes, was not fetched. Run 'git lfs pull'",
    ),
    "git-annex": (b"/annex/objects/MD5E-s1--x.pt\n", "git annex get"),
    "web page": (b"\n<!DOCTYPE html><html><title>Sign in", "a web page"),
    "server error": (b"<?xml version='1.0'?><Error><Code>AccessDenied", "a web page"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a single picture .PNG.*--format folder"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(40), "a single picture .JPEG"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "a gzip archive. Unpack it"),
    "tar": (bytes(257) + b"ustar\x0000" + bytes(200), "a tar archive. Unpack it"),
    "zip": (zipped({"cat/0.png": b"x"}), "a zip archive of 1 files, such as 'cat/0.png'. Unpack"),
    "empty zip": (zipped({}), "an empty zip"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "parquet": (b"PAR1" + bytes(40), "a Parquet file"),
    "pickle": (pickle.dumps([1, 2]), "a plain pickle"),
    "text": (b"epoch,loss\n1,2\n", "a text file that begins with 'epoch,loss'"),
    "condensed": (of_safetensors({"condensery": "{}"}), "It needs no import"),
    "safetensors": (of_safetensors({}), "a safetensors file"),
    "noise": (bytes(range(128, 256)), "begins neither like"),
}


def test_what_a_foreign_file_is_and_what_to_do_is_said(each, tmp_path_factory):
    for kind, reader in each(product(FOREIGN, [open_torch, open_numpy])):
        tmp_path = tmp_path_factory.mktemp("case")
        content, message = FOREIGN[kind]
        path = tmp_path / "data.pt"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"data\.pt: .*{message}"):
            reader(path)


def test_a_torchscript_network_is_named(tmp_path):
    path = tmp_path / "data.pt"
    path.write_bytes(zipped({"data/data.pkl": b"", "data/constants.pkl": b""}))
    with pytest.raises(DataError, match="a network saved by TorchScript"):
        open_torch(path)


def test_a_file_of_numpy_and_one_of_torch_are_told_apart(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros(2))
    with pytest.raises(DataError, match="--format kip"):
        open_torch(tmp_path / "x.npz")
    torch.save(torch.zeros(2), tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"a file of torch.save.*--format mtt"):
        open_numpy(tmp_path / "x.pt")


def test_a_folder_in_place_of_a_file_is_answered_with_its_files(tmp_path):
    for name in ("images_best.pt", "labels_best.pt"):
        (tmp_path / name).touch()
    with pytest.raises(
        DataError, match=r"is a folder. Give a file of it: it holds images_best\.pt\."
    ):
        open_torch(tmp_path)
