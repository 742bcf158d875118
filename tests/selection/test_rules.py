"""Every rule against its formula, written out with loops."""

from __future__ import annotations

import pytest
import torch

from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.rng import stream
from condensery.selection import forgetting as forgetting_module
from condensery.selection import herding, k_center, k_means
from condensery.selection.forgetting import forgetting_orders, forgotten
from condensery.selection.order import RuleOptions
from condensery.selection.training import TrainingStep


def points(seed: int, count: int = 20, width: int = 3) -> torch.Tensor:
    return torch.randn(count, width, generator=stream(seed), dtype=torch.float64)


def naive_herding(features: torch.Tensor, count: int) -> list[int]:
    mean = features.mean(0)
    taken: list[int] = []
    for k in range(count):
        best, where = float("inf"), -1
        for i, own in enumerate(features):
            if i in taken:
                continue
            rest = (k + 1) * mean - features[taken].sum(0) - own
            if rest.norm() < best:
                best, where = float(rest.norm()), i
        taken.append(where)
    return taken


def test_herding_is_its_formula(each):
    for seed in each(range(4)):
        assert herding(points(seed), count=20).tolist() == naive_herding(points(seed), 20)


def naive_k_center(features: torch.Tensor, count: int) -> list[int]:
    mean = features.mean(0)
    taken = [min(range(len(features)), key=lambda i: float((features[i] - mean).norm()))]
    while len(taken) < count:
        left = [i for i in range(len(features)) if i not in taken]
        taken.append(
            max(left, key=lambda i: min(float((features[i] - features[j]).norm()) for j in taken))
        )
    return taken


def test_k_center_is_farthest_first_from_the_middle(each):
    for seed in each(range(4)):
        assert k_center(points(seed), count=20).tolist() == naive_k_center(points(seed), 20)


def test_k_center_takes_equal_images_once_each():
    assert sorted(k_center(torch.ones(4, 2), count=4).tolist()) == [0, 1, 2, 3]


def blobs(sizes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tight groups of points far from each other, and the group of every point."""
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=stream(5))]
    centre = 100.0 * torch.eye(len(sizes), dtype=torch.float64)[group]
    noise = torch.randn(len(group), len(sizes), generator=stream(6), dtype=torch.float64)
    return centre + 0.1 * noise, group


def test_k_means_finds_the_member_nearest_the_centre_of_every_group_largest_first():
    features, group = blobs((5, 17, 9, 30))

    order = k_means(features, count=4, rng=stream(0))

    assert group[order].tolist() == [3, 1, 2, 0]
    for position in order.tolist():
        members = (group == group[position]).nonzero()[:, 0]
        distance = (features[members] - features[members].mean(0)).norm(dim=1)
        assert position == int(members[distance.argmin()])


def test_every_prefix_of_k_means_covers_as_greedily_as_possible(each):
    for seed in each(range(3)):
        features = points(seed, 30)
        order = k_means(features, count=6, rng=stream(seed)).tolist()

        def cost(chosen: list[int], features=features) -> float:
            return sum(
                min(float((x - features[j]).square().sum()) for j in chosen) for x in features
            )

        for size in range(6):
            best = min(order[size:], key=lambda j: cost([*order[:size], j]))
            assert best == order[size]


def test_all_images_are_a_permutation_and_none_is_empty(each):
    for rule in each(["herding", "k-center", "k-means"]):
        rules = {
            "herding": herding,
            "k-center": k_center,
            "k-means": lambda seen, count: k_means(seen, count=count, rng=stream(0)),
        }
        choose = rules[rule]

        assert sorted(choose(points(0, 12), count=12).tolist()) == list(range(12))
        assert choose(points(0, 12), count=0).tolist() == []
        for count in (-1, 13):
            with pytest.raises(ConfigError, match=f"count = {count}, but there are 12 "):
                choose(points(0, 12), count=count)


def test_k_means_of_equal_images_fills_up_with_what_is_left():
    features = torch.zeros(6, 2)
    features[4:] = 10.0

    order = k_means(features, count=5, rng=stream(0))

    assert len(set(order.tolist())) == 5
    assert {int(i) >= 4 for i in order[:2]} == {True, False}


def options(network: str, *, steps: int) -> RuleOptions:
    return RuleOptions(
        ipc=1,
        seed=0,
        network=network,
        steps=steps,
        device="cpu",
        on_step=lambda: None,
    )


class Scripted(torch.nn.Module):
    """A network that is right where a script says so."""

    def __init__(self, labels: torch.Tensor, script: list[list[int]]) -> None:
        super().__init__()
        self.labels, self.script = labels, iter(script)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        right = torch.tensor(next(self.script))
        told = torch.where(right == 1, self.labels, (self.labels + 1) % 2)
        return torch.nn.functional.one_hot(told, 2).float()


def test_flips_from_right_to_wrong_are_counted_and_never_learned_is_the_most(
    split, monkeypatch: pytest.MonkeyPatch
):
    data: ImageData = split((3, 2))
    script = [  # by epoch, by image
        [1, 0, 0, 1, 0],
        [0, 0, 1, 1, 0],
        [1, 0, 1, 1, 1],
        [0, 0, 0, 1, 1],
    ]
    told = options("", steps=4)

    def training_steps(network, data, options):
        for _ in range(options.steps):
            yield TrainingStep(torch.arange(5), torch.zeros(5, 1, 8, 8), data.labels)

    def use() -> None:
        network = Scripted(data.labels, script)
        monkeypatch.setattr(forgetting_module, "drawn", lambda *_: network)

    monkeypatch.setattr(forgetting_module, "training_steps", training_steps)
    monkeypatch.setattr(forgetting_module, "logits_of", lambda network, *_: network)
    use()
    assert forgotten(data, told).tolist() == [2, 5, 1, 0, 0]
    use()
    for class_, order in enumerate(forgetting_orders(data, told)):
        own = data.of_class(class_).tolist()
        count = [2, 5, 1, 0, 0]
        assert order.tolist() == sorted(own, key=lambda i: (-count[i], i))


def test_the_network_that_forgets_is_trained_between_the_looks(data: ImageData):
    events = forgotten(data, options("convnet1-w4", steps=8))

    assert events.shape == (31,)
    assert len(set(events.tolist())) > 1
    assert all(0 <= e <= 4 or e == 9 for e in events.tolist())
