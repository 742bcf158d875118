"""Which sizes are tested by default, and how new records replace old ones."""

from __future__ import annotations

from condensery.runs.evaluation import chosen_sizes, merged


def test_up_to_ten_every_size_is_tested():
    assert chosen_sizes(1, preset="quick") == (1,)
    assert chosen_sizes(10, preset="paper") == tuple(range(1, 11))


def test_quick_tests_round_sizes():
    assert chosen_sizes(10, preset="quick") == (1, 2, 5, 10)
    assert chosen_sizes(7, preset="quick") == (1, 2, 5, 7)


def test_of_larger_sets_round_sizes_and_the_last_are_tested():
    assert chosen_sizes(50, preset="quick") == (1, 2, 5, 10, 20, 50)
    assert chosen_sizes(30, preset="standard") == (1, 2, 5, 10, 20, 30)


def test_smoke_tests_the_ends():
    assert chosen_sizes(10, preset="smoke") == (1, 2, 10)
    assert chosen_sizes(1, preset="smoke") == (1,)


def record(size: int, accuracy: float, **more: object) -> dict[str, object]:
    return {
        "size": size,
        "accuracy": accuracy,
        "networks": ["convnet3"],
        "protocol": "idc",
        "epochs": None,
        "steps": 100,
        "precision": "fp32",
        **more,
    }


def test_a_new_record_replaces_the_one_of_the_same_measurement():
    old = [record(1, 0.5), record(2, 0.6)]
    assert merged(old, [record(2, 0.7)]) == [record(1, 0.5), record(2, 0.7)]


def test_another_length_network_or_precision_is_another_measurement():
    old = [record(1, 0.5)]
    for more in ({"steps": 200}, {"networks": ["mlp"]}, {"precision": "bf16"}):
        assert len(merged(old, [record(1, 0.9, **more)])) == 2


def test_what_all_images_give_is_kept_and_shared_by_the_records_of_a_setting():
    def whole(steps: int, accuracy: float) -> dict[str, object]:
        return {"accuracy": accuracy, "std": None, "seeds": 1, "images": 99, "steps": steps}

    old = [record(1, 0.5, whole=whole(900, 0.8)), record(1, 0.5, networks=["mlp"])]
    new = [record(1, 0.6), record(2, 0.7, protocol="idc-soft", whole=whole(20, 0.1))]

    found = merged(old, new)

    assert [each.get("whole", {}).get("steps") for each in found] == [900, None, 900]
