from __future__ import annotations

import statistics

from condensery.report.accuracy import AccuracyPoint, compare, recorded


def test_points_are_means_and_sample_deviations_over_networks(pets):
    seen = [pets.observation(seed=i, accuracy=a) for i, a in enumerate([0.5, 0.6, 0.85])]
    (comparison,) = compare(seen)
    (point,) = comparison.ours
    assert point.mean == statistics.fmean([0.5, 0.6, 0.85])
    assert abs(point.std - statistics.stdev([0.5, 0.6, 0.85])) < 1e-12
    assert point.networks == 3


def test_one_network_has_no_deviation(pets):
    (comparison,) = compare([pets.observation()])
    assert comparison.ours == (AccuracyPoint(size=1, mean=0.5, std=None, networks=1),)
    assert comparison.random == ()


def test_sizes_ascend_and_sets_are_kept_apart(observations):
    (comparison,) = compare(reversed(observations))
    assert [point.size for point in comparison.ours] == [1, 4]
    ours, random = comparison.at(4)
    assert round(ours.mean, 6) == 0.7
    assert round(random.mean, 6) == 0.6
    assert comparison.at(2) == (None, None)


def test_networks_protocols_lengths_and_precisions_are_never_averaged(pets):
    changes = [
        {},
        {"network": "resnet10"},
        {"protocol": "dsa"},
        {"steps": 70},
        {"steps": None, "epochs": 1000},
        {"precision": "bf16"},
    ]
    found = compare([pets.observation(**change) for change in changes])
    assert [c.title for c in found] == [
        "convnet3, protocol idc, 700 steps",
        "resnet10, protocol idc, 700 steps",
        "convnet3, protocol dsa, 700 steps",
        "convnet3, protocol idc, 70 steps",
        "convnet3, protocol idc, 1,000 epochs",
        "convnet3, protocol idc, 700 steps, bf16",
    ]


def test_a_network_trained_again_counts_once_with_its_later_result(pets):
    (comparison,) = compare([pets.observation(accuracy=0.1), pets.observation(accuracy=0.9)])
    assert comparison.ours == (AccuracyPoint(size=1, mean=0.9, std=None, networks=1),)


def test_the_averages_in_a_file_are_read_as_they_are():
    record = {
        "size": 2,
        "accuracy": 0.5,
        "std": 0.1,
        "random": None,
        "random_std": None,
        "networks": ["convnet3"],
        "seeds": 3,
        "protocol": "idc",
        "epochs": 10,
    }
    single = record | {"size": 1, "std": 0.0, "random": 0.25, "random_std": 0.0, "seeds": 1}
    (comparison,) = recorded([record, single])
    assert comparison.ours == (
        AccuracyPoint(size=1, mean=0.5, std=None, networks=1),
        AccuracyPoint(size=2, mean=0.5, std=0.1, networks=3),
    )
    assert comparison.random == (AccuracyPoint(size=1, mean=0.25, std=None, networks=1),)
    assert comparison.title == "convnet3, protocol idc, 10 epochs"
