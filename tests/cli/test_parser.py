"""What arguments mean, and what is said of those that mean nothing."""

from __future__ import annotations

import argparse

import pytest

from condensery.cli.options import add_evaluation, evaluation_for
from condensery.cli.parser import (
    Parser,
    amount,
    at_least,
    duration,
    fraction,
    one_of,
    setting,
    several,
    several_or_none,
    whole_numbers,
)
from condensery.runs import EvaluationPlan


def test_a_duration_is_in_seconds(each):
    for text, seconds in each(
        [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("1.5m", 90)]
    ):
        assert duration(text) == seconds


def test_what_is_no_duration_is_refused(each):
    for text in each(["", "m", "10x", "0s", "-5m", "5m5m", "1h 30m", "ten"]):
        with pytest.raises(argparse.ArgumentTypeError, match=r"1s|1h"):
            duration(text)


def test_an_amount_is_in_bytes_of_thousands(each):
    for text, count in each(
        [("500", 500), ("50k", 50_000), ("50K", 50_000), ("50kB", 50_000), ("1.5M", 1_500_000)]
    ):
        assert amount(text) == count


def test_an_i_means_1024(each):
    for text, count in each([("50Ki", 51_200), ("1MiB", 1_048_576)]):
        assert amount(text) == count


def test_what_is_no_amount_is_refused(each):
    for text in each(["", "k", "i", "5i", "-5", "5 apples", "50kk"]):
        with pytest.raises(argparse.ArgumentTypeError, match="bytes"):
            amount(text)


def test_sizes_are_numbers_and_ranges_each_once():
    assert whole_numbers("1,2, 5") == (1, 2, 5)
    assert whole_numbers("1-3,3,10") == (1, 2, 3, 10)


def test_what_are_no_sizes_is_refused(each):
    for text in each(["", "0", "1,,2", "3-1", "a", "1.5", "-1"]):
        with pytest.raises(argparse.ArgumentTypeError, match="size"):
            whole_numbers(text)


def test_words_come_each_once():
    assert several("convnet3, resnet10,convnet3") == ("convnet3", "resnet10")
    with pytest.raises(argparse.ArgumentTypeError, match="nothing"):
        several(" ,")


def test_none_stands_alone_and_means_no_word():
    assert several_or_none("none") == ()
    assert several_or_none("random,k-means") == ("random", "k-means")
    with pytest.raises(argparse.ArgumentTypeError, match="none alone"):
        several_or_none("none,random")
    parser = argparse.ArgumentParser()
    add_evaluation(parser, prefix="")
    plan = evaluation_for(parser.parse_args(["--baselines", "none"]), EvaluationPlan())
    assert plan.baselines == ()


def test_a_number_below_the_least_is_refused():
    assert at_least(1)("1") == 1
    for text in ("0", "-3", "x", "1.0"):
        with pytest.raises(argparse.ArgumentTypeError):
            at_least(1)(text)


def test_an_unknown_word_is_answered_with_the_nearest():
    assert one_of(("mdc", "idc"))("idc") == "idc"
    with pytest.raises(argparse.ArgumentTypeError, match=r"Did you mean 'quick'\?"):
        one_of(("smoke", "quick"))("qick")


def test_a_setting_is_split_at_its_first_equals_sign():
    assert setting("update.lr=0.1") == ("update.lr", "0.1")
    assert setting("network=a.b:c=d") == ("network", "a.b:c=d")
    for text in ("update.lr", "=1"):
        with pytest.raises(argparse.ArgumentTypeError, match="key=value"):
            setting(text)


def test_an_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]):
    parser = Parser(prog="condensery take")
    with pytest.raises(SystemExit) as stop:
        parser.error("this is wrong")
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.err == "condensery: error: this is wrong. See: condensery take --help\n"
    assert said.out == ""


def test_a_fraction_is_not_per_cent():
    assert fraction("0.85") == 0.85
    for text in ("85", "85%", "-0.1", "nan", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=r"write 0\.85 for 85 %"):
            fraction(text)


def test_a_folder_in_a_setting_is_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert setting("schedule.buffer=experts") == ("schedule.buffer", str(tmp_path / "experts"))
    assert setting("mtt:schedule.buffer=experts")[1] == str(tmp_path / "experts")
    assert setting("network=mlp") == ("network", "mlp")
