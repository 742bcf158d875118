"""Scores against values computed by hand."""

from __future__ import annotations

import math

import pytest

from condensery.errors import ConfigError
from condensery.evaluation import (
    augmentation_robust_score,
    label_robust_score,
    score_table,
)

E = math.e


def test_the_label_robust_score_is_its_formula():
    # gain 0.3, loss 0.2: exp((0.3 - 0.2) / 2) = 1.0512711; (1.0512711 - 0.3678794) / 2.3504024
    score = label_robust_score(full=0.8, hard=0.6, own=0.7, random=0.4)

    assert score == pytest.approx(0.2907552, abs=1e-7)


def test_where_gain_and_loss_are_alike_it_is_neutral():
    assert label_robust_score(full=0.8, hard=0.6, own=0.6, random=0.4) == pytest.approx(
        0.2689414, abs=1e-7
    )
    assert label_robust_score(full=1, hard=0, own=0, random=1) == pytest.approx(0)
    assert label_robust_score(full=0, hard=1, own=1, random=0) == pytest.approx(1)


def test_the_weight_is_that_of_the_gain():
    given = {"full": 0.8, "hard": 0.6, "own": 0.7, "random": 0.4}

    gain = (math.exp(0.3) - 1 / E) / (E - 1 / E)
    loss = (math.exp(-0.2) - 1 / E) / (E - 1 / E)
    assert label_robust_score(**given, weight=1) == pytest.approx(gain)
    assert label_robust_score(**given, weight=0) == pytest.approx(loss)


def test_the_augmentation_robust_score_is_its_formula():
    given = {
        "augmented": 0.6,
        "augmented_random": 0.4,
        "plain": 0.5,
        "plain_random": 0.4,
    }

    # exp(0.15) = 1.1618342; (1.1618342 - 0.3678794) / 2.3504024 = 0.3377953
    assert augmentation_robust_score(**given) == pytest.approx(0.3377953, abs=1e-7)
    only = augmentation_robust_score(**given, weight=1)
    assert only == pytest.approx((math.exp(0.2) - 1 / E) / (E - 1 / E))


def test_per_cent_in_place_of_fractions_is_refused(each):
    for wrong in each([45.2, -0.1, math.nan]):
        with pytest.raises(ConfigError, match="hard = "):
            label_robust_score(full=0.8, hard=wrong, own=0.5, random=0.5)
        with pytest.raises(ConfigError, match="plain = "):
            augmentation_robust_score(
                augmented=0.5, augmented_random=0.5, plain=wrong, plain_random=0.5
            )


def test_the_refusal_says_what_to_write():
    with pytest.raises(ConfigError, match=r"Write 0\.452 for 45\.2 %"):
        label_robust_score(full=45.2, hard=0.5, own=0.5, random=0.5)


def record(protocol: str, accuracy: float, random: float | None = 0.4, **more: object):
    values: dict[str, object] = {
        "size": 1,
        "networks": ["convnet3"],
        "epochs": None,
        "steps": 100,
        "precision": "fp32",
    }
    return {"protocol": protocol, "accuracy": accuracy, "random": random, **values, **more}


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_hard_labels_are_their_own_recipe():
    (row,) = rows(score_table([record("idc", 0.6)], full=0.8))

    expected = label_robust_score(full=0.8, hard=0.6, own=0.6, random=0.4)
    assert row == ["idc", "100 steps", "convnet3", "1", f"{expected:.3f}", "–"]


def test_soft_labels_are_held_against_the_same_training_with_hard_ones():
    soft = record("dsa-soft", 0.7)
    others = [record("dsa", 0.5, steps=99), record("dsa", 0.55, size=2), record("idc", 0.3)]

    assert rows(score_table([soft, *others], full=0.8))[0][4] == "–"
    (row, *_) = rows(score_table([soft, *others, record("dsa", 0.6)], full=0.8))
    expected = label_robust_score(full=0.8, hard=0.6, own=0.7, random=0.4)
    assert row[4] == f"{expected:.3f}"


def test_a_protocol_of_soft_labels_is_held_against_itself_with_hard_ones(each):
    for name in each(["teacher", "datm", "frepo"]):
        soft = record(name, 0.7)
        assert rows(score_table([soft, record("dsa", 0.6)], full=0.8))[0][4] == "–"
        (row, *_) = rows(score_table([soft, record(f"{name}-hard", 0.6)], full=0.8))
        assert row[4] == "0.291"  # as in the formula above


def test_augmentation_is_judged_where_dsa_and_dc_were_measured():
    full = {"epochs": 1000, "steps": None}
    records = [
        record("dsa", 0.6, **full),
        record("dc", 0.45, epochs=30, steps=None),
        record("dc", 0.5, epochs=300, steps=None),
        record("dc", 0.9),
    ]

    found = rows(score_table(records, full=0.8))
    assert found[0][5] == "0.338"
    assert [row[5] for row in found[1:]] == ["–", "–", "–"]


def test_without_random_images_there_is_no_score():
    assert rows(score_table([record("idc", 0.6, None)], full=0.8)) == []


def test_the_accuracy_of_all_images_is_that_of_the_measurement_unless_one_is_given():
    tested = record("idc", 0.6, whole={"accuracy": 0.8})

    assert rows(score_table([tested]))[0] == rows(score_table([tested], full=0.8))[0]
    assert rows(score_table([tested]))[0] != rows(score_table([tested], full=0.9))[0]
    assert rows(score_table([record("idc", 0.6)]))[0][-2:] == ["–", "–"]
