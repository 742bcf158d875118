"""The file of metrics agrees with the checkpoint, whatever an interruption left of it."""

from __future__ import annotations

from pathlib import Path

from condensery.runs.lines import LineFile


def test_lines_after_the_checkpoint_and_a_torn_one_are_dropped(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": 3}\n{"a"')
    with LineFile(path, keep=2) as metrics:
        assert metrics.lines == 2
        metrics.add({"a": 9})
        assert metrics.lines == 3
        assert path.read_text() == '{"a": 1}\n{"a": 2}\n{"a": 9}\n'


def test_a_torn_line_is_no_line_even_if_the_checkpoint_counts_it(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a"')
    with LineFile(path, keep=2) as metrics:
        assert metrics.lines == 1
    assert path.read_text() == '{"a": 1}\n'


def test_a_new_file_begins_empty(tmp_path: Path):
    with LineFile(tmp_path / "metrics.jsonl", keep=0) as metrics:
        assert metrics.lines == 0
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""
