"""Training times by a clock that a network moves: a step costs what its batch costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from condensery.condensed.artifact import CondensedSet
from condensery.errors import ConfigError
from condensery.evaluation import TrainingTimer, by_seconds
from condensery.formatting import duration
from condensery.parameterizations import stored_rows
from condensery.types import Examples

PER_IMAGE = 0.01
"""Seconds that one image costs."""


class Clock:
    """Moves while the network below works, and never else."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(nn.Module):
    """A linear network that takes its time."""

    def __init__(self, clock: Clock, pixels: int, classes: int) -> None:
        super().__init__()
        self.clock, self.linear = clock, nn.Linear(pixels, classes)

    def forward(self, images: Tensor) -> Tensor:
        self.clock.now += PER_IMAGE * len(images)
        return self.linear(images.flatten(1))


def condensed(counts: tuple[int, ...] = (10,) * 10) -> CondensedSet:
    rank, class_ = stored_rows(torch.tensor(counts))
    rng = torch.Generator().manual_seed(0)
    return CondensedSet.from_stored(
        Examples(
            images=torch.rand(len(rank), 1, 8, 8, generator=rng),
            labels=class_,
            class_=class_,
            rank=rank,
        ),
        name="a set",
        class_names=[str(c) for c in range(len(counts))],
        decode={"kind": "pixels"},
        mean=(0.5,),
        std=(0.25,),
        method="mdc",
        recipe={},
        seed=0,
        data={"name": "digits", "fingerprint": "f00d", "images": 90, "classes": len(counts)},
        created="",
    )


def timer(**choices) -> TrainingTimer:
    clock = Clock()
    return TrainingTimer(
        condensed(),
        network=lambda *, channels, classes, side: Slow(clock, channels * side[0] ** 2, classes),
        clock=clock,
        **choices,
    )


def test_a_training_costs_its_epochs_times_its_images(each):
    """Size 7 has a full batch of 64 and a remainder of 6 an epoch."""
    for size in each([1, 6, 7, 10]):
        training = timer(epochs=5).of(size)
        assert training.steps == 5 * (1 if size <= 6 else 2)
        assert training.seconds == pytest.approx(5 * 10 * size * PER_IMAGE)


def test_a_fixed_number_of_steps_is_shared_by_full_batches_and_remainders():
    training = timer(steps=8).of(10)
    assert training.steps == 8
    assert training.seconds == pytest.approx(4 * 100 * PER_IMAGE)


def test_a_length_of_a_batch_is_timed_once():
    own = timer(epochs=5)
    own.of(10)
    timed = own.timed
    assert timed > 0
    own.of(10)
    assert own.timed == timed


def test_the_largest_size_within_the_budget_is_chosen(each):
    for budget, size in each([(0.5, 1), (1.2, 2), (3.4, 6), (3.51, 7), (4.99, 9)]):
        choice = by_seconds(timer(epochs=5), budget * 1.0001, largest=10)
        assert choice.size == size
        assert f"size {size} of 10" in choice.why
        assert f"size {size + 1} takes {duration(0.5 * (size + 1))}" in choice.why


def test_a_choice_says_rate_length_and_how_it_was_measured():
    said = by_seconds(timer(epochs=5), 60, largest=10).why
    assert said.startswith(
        "size 10 of 10: trains in about 5.0 s of 1 min, 10 steps of 500 ms (protocol idc)\n"
        "measured: now, "
    )
    assert "steps timed" in said


def test_a_budget_below_size_1_says_what_that_takes():
    with pytest.raises(ConfigError, match=r"seconds = 0\.1, .* size 1 takes 500 ms: 5 steps"):
        by_seconds(timer(epochs=5), 0.1, largest=10)


def test_no_time_is_no_budget(each):
    for budget in each([0, -1, float("nan")]):
        with pytest.raises(ConfigError, match="more than 0"):
            by_seconds(timer(epochs=5), budget, largest=10)


def test_a_protocol_that_trains_nothing_has_no_seconds():
    with pytest.raises(ConfigError, match="trains no network"):
        timer(protocol="kip")


def test_a_real_clock_measures_a_real_network():
    training = TrainingTimer(condensed(), network="mlp", epochs=1).of(1)
    assert 0 < training.seconds < 60
