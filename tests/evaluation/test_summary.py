from __future__ import annotations

import math
import statistics

from condensery.evaluation import Observation, summary, table
from condensery.evaluation.summary import unlearned_text


def seen(set_: str, size: int, accuracy: float, seed: int = 0, **other: object) -> Observation:
    values: dict[str, object] = {
        "network": "convnet3",
        "protocol": "idc",
        "epochs": 1000,
        "steps": None,
        "precision": "fp32",
        "seconds": 1.0,
        "images": 10,
        "fingerprint": "f",
    }
    values |= other
    return Observation(set=set_, size=size, seed=seed, accuracy=accuracy, **values)


def test_means_and_sample_deviations_over_the_seeds_of_every_size():
    ours, random = [0.5, 0.6, 0.1], [0.2, 0.3, 0.45]
    observations = [seen("condensed", 2, a, i) for i, a in enumerate(ours)]
    observations += [seen("random", 2, a, i) for i, a in enumerate(random)]
    observations += [seen("condensed", 1, 0.25), seen("random", 1, 0.125)]

    first, second = summary(observations)

    assert first == {
        "size": 1,
        "accuracy": 0.25,
        "std": None,
        "random": 0.125,
        "random_std": None,
        "networks": ["convnet3"],
        "seeds": 1,
        "protocol": "idc",
        "epochs": 1000,
        "steps": None,
        "precision": "fp32",
    }
    assert (second["size"], second["seeds"]) == (2, 3)
    assert math.isclose(second["accuracy"], statistics.mean(ours))
    assert math.isclose(second["std"], statistics.stdev(ours))
    assert math.isclose(second["random"], statistics.mean(random))
    assert math.isclose(second["random_std"], statistics.stdev(random))


def test_other_lengths_protocols_networks_and_precisions_are_never_averaged_together():
    observations = [
        seen("condensed", 1, 0.1),
        seen("condensed", 1, 0.2, epochs=None, steps=500),
        seen("condensed", 1, 0.3, epochs=500),
        seen("condensed", 1, 0.4, protocol="mine"),
        seen("condensed", 1, 0.5, network="mlp"),
        seen("condensed", 1, 0.6, precision="bf16"),
        seen("random", 1, 0.7, network="mlp"),
    ]

    records = summary(observations)

    assert sorted(record["accuracy"] for record in records) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    (short,) = (record for record in records if record["accuracy"] == 0.2)
    assert (short["epochs"], short["steps"]) == (None, 500)
    assert [r["random"] for r in records if r["networks"] == ["mlp"]] == [0.7]
    assert all(r["random"] is None for r in records if r["networks"] != ["mlp"])


def test_a_table_says_of_which_sizes_the_networks_had_not_learned_their_images():
    observations = [
        seen("condensed", 1, 0.5, training_accuracy=1.0),
        seen("condensed", 2, 0.5, training_accuracy=0.95),
        seen("condensed", 5, 0.4, training_accuracy=0.0),
        seen("condensed", 5, 0.4, seed=1, training_accuracy=0.5),
        seen("random", 5, 0.4, training_accuracy=0.1),
        seen("condensed", 10, 0.4, training_accuracy=0.1),
        seen("condensed", 10, 0.4, seed=1),  # of an older version
    ]

    records = summary(observations)

    assert [record.get("training_accuracy") for record in records] == [1.0, 0.95, 0.25, None]
    assert "training images correctly: 25.0 % (size 5). More steps" in table(records)
    assert "Not learned" not in table(summary(observations[:2]))


def test_what_was_not_learned_is_said_of_every_set_with_the_range_over_its_sizes():
    trained = {"mdc": {1: 0.9, 2: 0.5, 5: 0.95}, "random": {1: 0.95}, "k-means": {1: None, 2: 0.2}}
    assert "correctly: mdc 50.0 to 90.0 % (sizes 1, 2), k-means 20.0 % (size 2). More" in (
        unlearned_text(trained)
    )


def test_sizes_ascend_as_numbers():
    observations = [seen("condensed", size, 0.1) for size in (10, 2, 1)]

    assert [record["size"] for record in summary(observations)] == [1, 2, 10]


def test_random_images_alone_make_no_record():
    assert summary([seen("random", 1, 0.5)]) == []


def test_the_table_shows_percent_by_size_and_the_average_over_sizes():
    observations = [
        seen("condensed", 1, 0.50),
        seen("condensed", 1, 0.52, 1),
        seen("random", 1, 0.40),
        seen("random", 1, 0.40, 1),
        seen("condensed", 10, 0.70),
        seen("condensed", 10, 0.70, 1),
        seen("random", 10, 0.75),
        seen("random", 10, 0.75, 1),
    ]

    text = table(summary(observations))

    assert text == (
        "protocol idc, 1000 epochs, convnet3, 2 seeds\n"
        "\n"
        "| images per class |  condensed |     random |  gain |\n"
        "| ---------------: | ---------: | ---------: | ----: |\n"
        "|                1 | 51.0 ± 1.4 | 40.0 ± 0.0 | +11.0 |\n"
        "|               10 | 70.0 ± 0.0 | 75.0 ± 0.0 |  −5.0 |\n"
        "|          average |       60.5 |       57.5 |  +3.0 |"
    )


def test_the_table_has_a_part_for_every_protocol():
    observations = [
        seen("condensed", 1, 0.5),
        seen("condensed", 1, 0.5, epochs=None, steps=9, precision="bf16"),
    ]

    one, two = table(summary(observations)).split("\n\nprotocol")

    assert "1000 epochs" in one + two
    assert "9 steps, convnet3, 1 seed, bf16" in one + two


def test_what_was_not_measured_is_a_dash_where_another_size_has_it_and_else_no_column():
    observations = [seen("condensed", 1, 0.5), seen("condensed", 2, 0.6)]

    alone = table(summary(observations))
    with_random = table(summary([*observations, seen("random", 2, 0.5)]))

    assert "|          average |      55.0 |" in alone
    assert "random" not in alone
    assert "gain" not in alone
    assert "|                1 |      50.0 |      – |     – |" in with_random
    assert "|                2 |      60.0 |   50.0 | +10.0 |" in with_random
    assert "|          average |      55.0 |      – |     – |" in with_random


def test_other_baselines_are_averaged_and_shown_behind_the_gain():
    observations = [
        seen("condensed", 1, 0.50),
        seen("random", 1, 0.40),
        seen("k-means", 1, 0.43),
        seen("k-means", 1, 0.47, 1),
        seen("condensed", 2, 0.60),
        seen("random", 2, 0.50),
        seen("k-means", 2, 0.55),
        seen("herding", 2, 0.35),
    ]

    records = summary(observations)

    one, two = (record["baselines"] for record in records)
    assert one.keys() == {"k-means"}
    assert math.isclose(one["k-means"]["accuracy"], 0.45)
    assert math.isclose(one["k-means"]["std"], statistics.stdev([0.43, 0.47]))
    assert two == {
        "k-means": {"accuracy": 0.55, "std": None},
        "herding": {"accuracy": 0.35, "std": None},
    }
    assert table(records).splitlines()[2:] == [
        "| images per class | condensed | random |  gain |    k-means | herding |",
        "| ---------------: | --------: | -----: | ----: | ---------: | ------: |",
        "|                1 |      50.0 |   40.0 | +10.0 | 45.0 ± 2.8 |       – |",
        "|                2 |      60.0 |   50.0 | +10.0 |       55.0 |    35.0 |",
        "|          average |      55.0 |   45.0 | +10.0 |       50.0 |       – |",
    ]


def test_records_without_other_sets_say_nothing_of_them():
    (record,) = summary([seen("condensed", 1, 0.5), seen("random", 1, 0.4)])

    assert "baselines" not in record
