"""Cutting a file by a wish: what is written, what is said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.parameterizations import stored_rows
from condensery.types import Examples

SHARES = (0.60, 0.78, 0.80)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three images per class of digits' shape, measured at every size."""
    rank, class_ = stored_rows(torch.full((10,), 3))
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(len(rank), 1, 8, 8, generator=rng)
    whole = CondensedSet.from_stored(
        Examples(images=images, labels=class_, class_=class_, rank=rank),
        name="a set",
        class_names=[str(c) for c in range(10)],
        decode={"kind": "pixels"},
        mean=(0.3,),
        std=(0.3,),
        method="mdc",
        recipe={},
        seed=0,
        data={"name": "digits", "fingerprint": "f00d", "images": 90, "classes": 10},
        created="",
    )
    path = tmp_path / "set.safetensors"
    how = {"networks": ["convnet3"], "seeds": 3, "protocol": "idc", "epochs": None, "steps": 200}
    random = {"random": None, "random_std": None}
    seen = [
        {"size": k, "accuracy": x, "std": 0.01, **how, **random}
        for k, x in enumerate(SHARES, start=1)
    ]
    whole.with_observations(seen).save(path)
    return path


def take(file: Path, *words: str) -> int:
    return main(["take", str(file), *words, "--out", str(file.with_name("small.safetensors"))])


def taken(file: Path) -> int:
    return CondensedSet.load(file.with_name("small.safetensors")).sizes


def test_by_accuracy(file: Path, capsys: pytest.CaptureFixture[str]):
    assert take(file, "--accuracy", "0.95") == 0
    assert taken(file) == 2
    said = capsys.readouterr().out
    assert "size 2 of 3: 78.0 ± 1.0 % of 80.0 ± 1.0 % at full size (97.5 %" in said
    assert "small.safetensors: 2 images per class, 20 rows" in said


def test_by_accuracy_of_a_training_that_was_not_measured(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    assert take(file, "--accuracy", "0.95", "--network", "mlp") == 2
    assert "Measured are: protocol idc, 200 steps, convnet3" in capsys.readouterr().err
    assert not file.with_name("small.safetensors").exists()


def test_by_seconds_all_of_it_where_there_is_time(file: Path, capsys: pytest.CaptureFixture[str]):
    words = ("--network", "mlp", "--steps", "2", "--threads", str(torch.get_num_threads()))
    assert take(file, "--seconds", "1h", *words) == 0
    assert taken(file) == 3
    said = capsys.readouterr().out
    assert said.startswith("size 3 of 3: trains in about ")
    assert "of 1 h, 2 steps of " in said
    assert "mlp, fp32, " in said


def test_by_seconds_that_no_size_can_keep(file: Path, capsys: pytest.CaptureFixture[str]):
    assert take(file, "--seconds", "0.001s", "--network", "mlp", "--steps", "1000") == 2
    assert "even size 1 takes " in capsys.readouterr().err


def test_by_bytes_says_what_the_next_size_takes(file: Path, capsys: pytest.CaptureFixture[str]):
    whole = CondensedSet.load(file)
    budget, more = (len(whole.take(k).to_bytes()) for k in (1, 2))
    assert take(file, "--bytes", str(budget)) == 0
    said = capsys.readouterr().out
    assert f"size 1 of 3: {budget:,} of {budget:,} bytes; size 2 takes {more:,}" in said


def test_words_that_say_nothing_here_are_refused(
    each, file: Path, capsys: pytest.CaptureFixture[str]
):
    for words, said in each(
        [
            (("--ipc", "2", "--network", "mlp"), "--network says how a network is trained"),
            (("--bytes", "1M", "--steps", "9"), "choose by --seconds or --accuracy"),
            (("--accuracy", "0.9", "--threads", "1"), "choose by --seconds."),
            (("--accuracy", "90"), "write 0.85 for 85 %"),
            (("--accuracy", "0.9", "--ipc", "1"), "not allowed with"),
        ]
    ):
        assert take(file, *words) == 2
        assert said in capsys.readouterr().err


def test_inspect_shows_the_shares_that_a_choice_by_accuracy_would_see(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["inspect", str(file)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "20", "1,520", "97.5", "%"] in rows
    CondensedSet.load(file).with_observations([]).save(file)
    assert main(["inspect", str(file)]) == 0
    assert "of full accuracy" not in capsys.readouterr().out
