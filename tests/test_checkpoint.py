"""Contract of checkpoints: what was saved comes back bit for bit, or not at all."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from condensery.checkpoint import CheckpointTimer, load_latest, save_checkpoint, write_atomically
from condensery.errors import ArtifactError, ConfigError


def silent(message: str) -> None:
    raise AssertionError(f"unexpected notice: {message}")


def tensors() -> dict[str, torch.Tensor]:
    return {
        "float": torch.tensor([0.1, float("nan"), -0.0, float("inf"), 1e-45]),
        "double": torch.tensor([[1 / 3, math.pi]], dtype=torch.float64),
        "long": torch.tensor([2**62 + 1, -1]),
        "half": torch.tensor([0.1], dtype=torch.float16),
        "bool": torch.tensor([True, False, True]),
        "byte": torch.arange(256, dtype=torch.uint8),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
    }


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, step=step, tensors={"x": torch.tensor([step])}, facts={})


def test_every_dtype_comes_back_bit_for_bit(tmp_path: Path) -> None:
    facts = {"seed": 3, "text": "ü", "nested": {"list": [1, 2.5, None, True]}}
    save_checkpoint(tmp_path, step=12, tensors=tensors(), facts=facts)
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert (back.step, back.facts) == (12, facts)
    assert back.tensors.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back.tensors[name].dtype == tensor.dtype, name
        assert back.tensors[name].shape == tensor.shape, name
        assert bits(back.tensors[name]) == bits(tensor), name


def test_signalling_nan_payloads_survive(tmp_path: Path) -> None:
    payload = torch.tensor([0x7F800001, 0x7FC12345, -0x3EDCBB], dtype=torch.int32)
    save_checkpoint(tmp_path, step=0, tensors={"x": payload.view(torch.float32)}, facts={})
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert torch.equal(back.tensors["x"].view(torch.int32), payload)


def test_tensors_may_share_memory_and_need_not_be_contiguous(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 2, 2)
    given = {"a": base, "b": base, "view": base[:, 1:], "last": base.permute(3, 1, 0, 2)}
    save_checkpoint(tmp_path, step=0, tensors=given, facts={})
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in given.items())


def test_tensors_that_need_a_gradient_are_saved_by_value(tmp_path: Path) -> None:
    pixels = torch.ones(3, requires_grad=True)
    save_checkpoint(tmp_path, step=0, tensors={"x": pixels}, facts={})
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert not back.tensors["x"].requires_grad


def test_facts_may_be_not_a_number(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, step=0, tensors={}, facts={"loss": float("nan")})
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert math.isnan(back.facts["loss"])


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    one = save_checkpoint(tmp_path / "one", step=5, tensors=tensors(), facts={"a": 1})
    two = save_checkpoint(tmp_path / "two", step=5, tensors=tensors(), facts={"a": 1})
    assert one.read_bytes() == two.read_bytes()
    assert one.name == "checkpoint-5.safetensors"


def test_the_newest_two_are_kept_in_order_of_their_number(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save(tmp_path, step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-10.safetensors", "checkpoint-100.safetensors"]
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert back.step == 100


def test_a_new_checkpoint_is_the_latest_even_where_later_steps_lie(tmp_path: Path) -> None:
    save(tmp_path, 200)
    torn = save(tmp_path, 300)
    torn.write_bytes(torn.read_bytes()[:-1])
    save(tmp_path, 250)
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert back.step == 250
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-200.safetensors", "checkpoint-250.safetensors"]


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("checkpoint-1.pt", "checkpoint-x.safetensors", "notes.txt"):
        (tmp_path / name).write_text("mine")
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert {"checkpoint-1.pt", "checkpoint-x.safetensors", "notes.txt"} <= {
        path.name for path in tmp_path.iterdir()
    }
    back = load_latest(tmp_path, silent)
    assert back is not None
    assert back.step == 3


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    left = tmp_path / ".checkpoint-1.safetensors.999.part"
    left.write_bytes(b"half")
    assert load_latest(tmp_path, silent) is None
    save(tmp_path, 2)
    assert not left.exists()


def test_an_absent_or_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_latest(tmp_path, silent) is None
    assert load_latest(tmp_path / "absent", silent) is None


def test_a_checkpoint_truncated_anywhere_is_skipped_by_name(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        notices: list[str] = []
        back = load_latest(tmp_path, notices.append)
        assert back is not None, length
        assert back.step == 1, length
        assert len(notices) == 1
        assert "checkpoint-2.safetensors" in notices[0]


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = save_checkpoint(
        tmp_path, step=3, tensors={"x": torch.tensor([1.0, 2.0])}, facts={"seed": 1}
    )
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in (0, 5, 7):
            torn = bytearray(whole)
            torn[position] ^= 1 << bit
            path.write_bytes(bytes(torn))
            notices: list[str] = []
            assert load_latest(tmp_path, notices.append) is None, (position, bit)
            assert len(notices) == 1
            assert str(path) in notices[0]


def test_a_renamed_checkpoint_is_not_taken_for_another_step(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    path.rename(tmp_path / "checkpoint-4.safetensors")
    notices: list[str] = []
    assert load_latest(tmp_path, notices.append) is None
    assert "holds step 3, but its name says 4" in notices[0]


def test_a_failing_write_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="No space left") as caught:
        write_atomically(path, b"after")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_kill_between_write_and_rename_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def killed(source: Path, target: Path) -> None:
        assert Path(source).parent == Path(target).parent  # a rename, never a copy
        assert Path(source).read_bytes() == b"after"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"


def test_a_negative_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="step = -1"):
        save(tmp_path, -1)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(ArtifactError, match="run"):
        save(tmp_path / "run", 1)


def test_checkpoints_take_two_percent_of_the_time_however_long_one_takes(each) -> None:
    for took, least in each([(0.0, 20.0), (0.1, 20.0), (10.0, 490.0)]):
        now = [0.0]
        timer = CheckpointTimer(20.0, clock=lambda now=now: now[0])
        assert not timer.due
        now[0] += 20.0
        assert timer.due
        with timer.saving():
            now[0] += took
        now[0] += least - 0.01
        assert not timer.due
        now[0] += 0.02
        assert timer.due


def test_where_no_time_is_given_every_checkpoint_is_due() -> None:
    timer = CheckpointTimer(0.0)
    with timer.saving():
        pass
    assert timer.due


def test_a_checkpoint_is_read_by_the_library_of_the_format(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, step=1, tensors=tensors(), facts={"text": "ü" * 99})
    found = safetensors.torch.load_file(path)
    assert {name: bits(tensor) for name, tensor in found.items()} == {
        name: bits(tensor) for name, tensor in tensors().items()
    }


def test_writing_a_checkpoint_takes_no_copy_of_its_tensors(tmp_path: Path) -> None:
    code = (
        "import resource, sys, torch\n"
        "from condensery.checkpoint import save_checkpoint\n"
        "given = {name: torch.ones(8_000_000) for name in 'abcd'}\n"
        "save_checkpoint(sys.argv[1], step=0, tensors={'small': torch.ones(9)}, facts={})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "save_checkpoint(sys.argv[1], step=1, tensors=given, facts={})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) * 1024 < 0.2 * 4 * 32_000_000
