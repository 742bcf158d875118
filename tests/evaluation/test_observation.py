from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from condensery.errors import ArtifactError
from condensery.evaluation import Observation, append_observation, read_observations

ONE = Observation(
    set="condensed",
    size=3,
    network="convnet3",
    seed=0,
    protocol="idc",
    epochs=None,
    steps=500,
    precision="fp32",
    accuracy=0.1 + 0.2,
    seconds=1.5,
    images=120,
    fingerprint="0123456789abcdef",
    device="cpu (AVX2)",
    training_accuracy=0.75,
)
TWO = replace(ONE, set="random", seed=1, epochs=7, steps=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "observations.jsonl"


def test_what_is_appended_is_read_back_in_order(path: Path):
    assert read_observations(path) == []
    append_observation(path, ONE)
    append_observation(path, TWO)

    assert read_observations(path) == [ONE, TWO]
    assert len(path.read_text().splitlines()) == 2


def test_a_line_of_an_older_version_lacks_what_was_not_recorded_then(path: Path):
    append_observation(path, ONE)
    path.write_text(
        path.read_text().replace(', "device": "cpu (AVX2)", "training_accuracy": 0.75', "")
    )

    assert read_observations(path) == [replace(ONE, device=None, training_accuracy=None)]


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_torn_last_line_is_left_out_with_a_notice_and_dropped_by_the_next_append(
    path: Path, kept: int, caplog: pytest.LogCaptureFixture
):
    append_observation(path, ONE)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])

    assert read_observations(path) == [ONE]
    assert "torn" in caplog.text
    append_observation(path, TWO)
    assert read_observations(path) == [ONE, TWO]


def test_a_last_line_that_only_lost_its_line_break_is_kept(
    path: Path, caplog: pytest.LogCaptureFixture
):
    append_observation(path, ONE)
    path.write_bytes(path.read_bytes()[:-1])

    assert read_observations(path) == [ONE]
    assert caplog.text == ""
    append_observation(path, TWO)
    assert read_observations(path) == [ONE, TWO]


def test_any_other_damaged_line_is_an_error_that_names_it(each, path: Path):
    for damage in each([b"{", b"[]", b'{"size": 1}', b""]):
        path.unlink(missing_ok=True)
        append_observation(path, ONE)
        path.write_bytes(path.read_bytes() + damage + b"\n")
        append_observation(path, TWO)

        with pytest.raises(ArtifactError, match=r"observations\.jsonl, line 2"):
            read_observations(path)


def test_the_key_holds_what_decides_the_result_and_nothing_else():
    assert replace(ONE, accuracy=0.9, seconds=3.0, device=None).key == ONE.key
    for change in (
        {"set": "random"},
        {"size": 4},
        {"network": "mlp"},
        {"seed": 1},
        {"protocol": "dsa"},
        {"steps": 501},
        {"epochs": 5},
        {"precision": "bf16"},
        {"fingerprint": "f"},
    ):
        assert replace(ONE, **change).key != ONE.key
