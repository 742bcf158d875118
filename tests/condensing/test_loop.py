"""The loop by itself: where it starts, what it reports, computes and refuses."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch

import condensery
from condensery import networks
from condensery.augment import Identity, Siamese
from condensery.condensing.loop import initial_state, run
from condensery.condensing.objectives import DistributionMatching, GradientMatching
from condensery.condensing.progress import State
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize
from condensery.condensing.updates import SGD, Adam
from condensery.data import ImageData
from condensery.engines import Autograd
from condensery.engines.fused.blocks import EAGER
from condensery.errors import ConfigError, DataError, NonFiniteLoss, UnsupportedNetwork
from condensery.parallel import overlap
from condensery.parameterizations import MultiFormation, Pixels
from condensery.rng import stream
from condensery.training import SGDTraining
from condensery.types import StepContext, nested


def recipe(**changes):
    return replace(
        Recipe(
            method="test",
            preset="test",
            ipc=2,
            iterations=2,
            network="convnet2-w4",
            parameterization=Pixels(),
            augment=Siamese(),
            sampler=RandomPerClass(batch=4),
            schedule=Redraw(inner=2, steps=1, training=SGDTraining(batch=8)),
            objective=GradientMatching(),
            size_policy=AllSizes(),
            update=SGD(lr=0.1, momentum=0.5),
            classes_per_pass=10,
        ),
        **changes,
    )


@pytest.fixture(scope="module")
def digits():
    """Three digits, 30 images."""
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c)[:10] for c in range(3)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1", "2")
    )


def unequal(digits, counts):
    index = torch.cat([digits.of_class(c)[:count] for c, count in enumerate(counts)])
    return replace(digits, images=digits.images[index], labels=digits.labels[index])


def test_progress_comes_after_every_update_and_at_every_boundary(digits):
    progress = list(run(recipe(), digits, seed=0))
    assert [(p.outer, p.inner, p.boundary) for p in progress] == [
        (0, 0, False),
        (0, 1, False),
        (0, 1, True),
        (1, 0, False),
        (1, 1, False),
        (1, 1, True),
    ]
    assert {(p.iterations, p.inner_steps) for p in progress} == {(2, 2)}
    assert [p.state.outer for p in progress] == [0, 0, 1, 1, 1, 2]
    assert all(list(p.losses) == ["2", "1"] for p in progress)
    assert all(p.loss == sum(p.losses.values()) > 0 for p in progress)


def test_one_update_is_what_the_parts_say_written_out(digits):
    """One step without the loop: network, real batch, draw, losses, gradient, image step."""
    choice = recipe(
        schedule=Redraw(inner=1, steps=0),
        parameterization=MultiFormation(factor=2),
        iterations=1,
        update=SGD(lr=0.1),
    )
    (update, _) = run(choice, digits, seed=5)
    state = initial_state(choice, digits, seed=5)
    network = networks.build(
        "convnet2-w4", channels=1, classes=3, side=(8, 8), seed=5, path=("network", 0)
    )
    real = RandomPerClass(batch=4).draw(digits, rng=stream(5, "real", 0, 0))
    draw = Siamese().draw(rng=stream(5, "augment", 0, 0))
    match = GradientMatching().bind(
        StepContext(at=(0, 0), network=network),
        real,
        lambda given: draw((given.images - digits.mean[0]) / digits.std[0]),
        engine=Autograd(),
        classes_per_pass=1,
    )
    images = state.stored.images.clone().requires_grad_()
    examples = MultiFormation(factor=2).decode(state.stored.with_images(images))
    groups = nested(examples, torch.tensor([[2, 2, 2], [1, 1, 1]]), all_classes=False)
    losses = match(examples, groups)
    (gradient,) = torch.autograd.grad(losses.sum(), images)
    assert update.losses["2"] == pytest.approx(losses[:3].sum().item(), rel=1e-4)
    assert update.losses["1"] == pytest.approx(losses[3:].sum().item(), rel=1e-4)
    expected = images.detach() - 0.1 * gradient
    moved = (expected - state.stored.images).abs().max()
    assert (update.state.stored.images - expected).abs().max() < 1e-4 * moved


def test_training_in_the_background_changes_no_bit(digits, threads, monkeypatch):
    """A fused run on two threads: training in the background against training between updates."""
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    threads(2)
    choice = recipe(
        engine="fused", compiled=True, schedule=Redraw(inner=3, steps=3, training=SGDTraining())
    )
    overlapped = [p.state.stored.images for p in run(choice, digits, seed=0)]

    @contextmanager
    def afterwards(do):
        with overlap(lambda: None):  # computes with one thread alike
            yield
        if do is not None:
            with overlap(do):  # while nothing else runs
                pass

    monkeypatch.setattr("condensery.condensing.loop.overlap", afterwards)
    one_by_one = [p.state.stored.images for p in run(choice, digits, seed=0)]
    assert all(torch.equal(a, b) for a, b in zip(overlapped, one_by_one, strict=True))


@pytest.mark.parametrize(("engine", "expected"), [("fused", True), ("one-pass", False)])
def test_only_engines_that_cut_their_work_leave_a_thread_to_others(
    engine, expected, digits, monkeypatch
):
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    found = []

    @contextmanager
    def seen(do):
        found.append(do is not None)
        yield

    monkeypatch.setattr("condensery.condensing.loop.overlap", seen)
    list(run(recipe(engine=engine, compiled=True, iterations=1), digits, seed=0))
    assert found == [expected, False]


def test_matching_lowers_the_loss(digits):
    choice = recipe(
        iterations=1,
        augment=Identity(),
        sampler=RandomPerClass(batch=10),
        schedule=Redraw(inner=30, steps=0),
        objective=DistributionMatching(),
        update=SGD(lr=0.2),
    )
    losses = [p.loss for p in run(choice, digits, seed=0)]
    assert losses[-1] < 0.5 * losses[0]


def test_images_are_brought_back_into_range_when_the_next_outer_iteration_starts(digits):
    choice = recipe(iterations=1, update=SGD(lr=30.0))
    state = list(run(choice, digits, seed=0))[-1].state
    assert state.stored.images.min() < 0
    assert state.stored.images.max() > 1
    still = replace(choice, iterations=2, update=SGD(lr=1e-30), schedule=Redraw(inner=1, steps=0))
    after = next(run(still, digits, seed=0, state=state)).state
    assert (after.stored.images - state.stored.images.clamp(0, 1)).abs().max() < 1e-20


def test_the_sizes_are_measured_where_the_policy_says(digits):
    choice = recipe(size_policy=MostLearnable(period=2), iterations=4, ipc=3)
    states = [p.state for p in run(choice, digits, seed=0) if p.boundary]
    assert states[0].sizes["chosen"].tolist() == [1, 1, 1]
    assert not torch.equal(states[0].sizes["last"], states[1].sizes["last"])
    assert torch.equal(states[1].sizes["last"], states[2].sizes["last"])
    assert not torch.equal(states[2].sizes["last"], states[3].sizes["last"])


def test_a_measure_is_the_probes_loss_of_every_size(digits):
    choice = recipe(
        size_policy=MostLearnable(period=1),
        ipc=3,
        iterations=1,
        schedule=Redraw(inner=1, steps=0),
        augment=Identity(),
    )
    state = next(run(choice, digits, seed=0)).state
    network = networks.build(
        "convnet2-w4", channels=1, classes=3, side=(8, 8), seed=0, path=("network", 0)
    )
    real = RandomPerClass(batch=4).draw(digits, rng=stream(0, "real", 0, 0))
    stored = initial_state(choice, digits, seed=0).stored
    with torch.no_grad():
        theirs, ours = (
            network.features(digits.normalise(x.images)).flatten(1) for x in (real, stored)
        )
    for c in range(3):
        for size in (1, 2):
            mean = ours[(stored.class_ == c) & (stored.rank < size)].mean(dim=0)
            distance = (theirs[real.class_ == c].mean(dim=0) - mean).square().sum()
            assert state.sizes["sum"][c, size - 1].item() == pytest.approx(
                distance.item(), rel=1e-4
            )


def test_classes_smaller_than_the_set_give_all_they_have(each, digits):
    for part, sizes in each(
        product(
            [Pixels(), MultiFormation(order="crop")],
            [OneSize(), AllSizes(), MostLearnable(period=1, classwise=True)],
        )
    ):
        data = unequal(digits, (6, 1, 2))
        choice = recipe(ipc=4, size_policy=sizes, parameterization=part, iterations=3)
        progress = list(run(choice, data, seed=0))
        stored = progress[-1].state.stored
        assert torch.bincount(stored.class_).tolist() == [4, 1, 2]
        assert stored.images.isfinite().all()
        start_ = initial_state(choice, data, seed=0).stored
        assert (stored.images != start_.images).flatten(1).any(dim=1).all()


def test_sizes_that_differ_by_class_are_named_by_their_span(digits):
    state = initial_state(recipe(ipc=4), digits, seed=0)
    policy = MostLearnable(period=9, classwise=True)
    chosen = {**policy.init(torch.tensor([4, 4, 4])), "chosen": torch.tensor([1, 3, 2])}
    update = next(
        run(recipe(ipc=4, size_policy=policy), digits, seed=0, state=replace(state, sizes=chosen))
    )
    assert list(update.losses) == ["4", "1-3"]


def test_a_state_survives_being_written_as_tensors(digits):
    state = list(run(recipe(size_policy=MostLearnable(period=1)), digits, seed=0))[-1].state
    tensors = state.tensors()
    assert {name.split(".")[0] for name in tensors} == {"stored", "update", "sizes"}
    read = State.from_tensors(state.outer, tensors)
    assert read.outer == 2
    assert read.tensors().keys() == tensors.keys()
    assert all(
        torch.equal(read.tensors()[n].nan_to_num(7), tensors[n].nan_to_num(7)) for n in tensors
    )


def test_a_finished_run_has_nothing_more_to_do(digits):
    state = list(run(recipe(), digits, seed=0))[-1].state
    assert list(run(recipe(), digits, seed=0, state=state)) == []


def test_more_images_than_any_class_has_are_refused(digits):
    with pytest.raises(ConfigError, match=r"ipc = 11, but the largest class .* has 10"):
        initial_state(recipe(ipc=11), digits, seed=0)
    assert len(initial_state(recipe(ipc=10), digits, seed=0).stored) == 30


def test_a_class_without_images_is_refused(digits):
    data = replace(digits, class_names=("0", "1", "2", "nobody"))
    with pytest.raises(DataError, match="'nobody'"):
        initial_state(recipe(), data, seed=0)


def test_a_network_that_the_objective_cannot_use_is_refused_before_any_is_trained(
    digits, each, monkeypatch
):
    blocks = DistributionMatching(blocks=3)
    monkeypatch.setattr(Redraw, "contexts", lambda *_: pytest.fail("a network was trained"))
    for change in each([{"objective": blocks}, {"size_policy": MostLearnable(probe=blocks)}]):
        with pytest.raises(UnsupportedNetwork, match="ConvNet has 2"):
            list(run(recipe(**change), digits, seed=0))


def test_a_loss_that_is_not_finite_names_iteration_class_and_size(digits):
    """Images far out of range overflow in the next step; or class "b" alone is broken."""
    data = replace(digits, class_names=("a", "b", "c"))
    choice = recipe(iterations=3, update=SGD(lr=1e30), augment=Identity(), classes_per_pass=1)
    with pytest.raises(NonFiniteLoss, match=r"outer iteration 0, inner 1, class 'a', size 2"):
        list(run(choice, data, seed=0))
    state = initial_state(choice, data, seed=0)
    images = state.stored.images.clone()
    images[(state.stored.class_ == 1) & (state.stored.rank == 1)] = torch.nan
    broken = replace(state, stored=state.stored.with_images(images), outer=1)
    with pytest.raises(NonFiniteLoss, match=r"outer iteration 1, inner 0, class 'b', size 2"):
        list(run(choice, data, seed=0, state=broken))


def test_the_smallest_set_that_is_not_finite_is_named_with_its_size(digits):
    """Rank 0 is in every size, and the full set comes first."""
    assert isinstance(digits, ImageData)
    choice = recipe(size_policy=AllSizes(), augment=Identity(), classes_per_pass=1)
    state = initial_state(choice, digits, seed=0)
    images = state.stored.images.clone()
    images[(state.stored.class_ == 2) & (state.stored.rank == 0)] = torch.nan
    broken = replace(state, stored=state.stored.with_images(images))
    with pytest.raises(NonFiniteLoss, match=r"class '2', size 2.*update\.lr"):
        list(run(choice, digits, seed=0, state=broken))


def test_an_update_is_told_what_share_of_the_run_is_left(digits):
    told = []

    @dataclass(frozen=True)
    class Told:
        def init(self, images):
            return {}

        def step(self, images, gradient, state, *, frozen, remaining):
            told.append(remaining)
            return images, state

    list(run(recipe(update=Told()), digits, seed=0))  # 2 iterations of 2 updates
    assert told == [1, 0.75, 0.5, 0.25]


def test_a_settling_run_is_the_run_whose_learning_rate_is_cut_by_hand(digits):
    settling = recipe(iterations=3, update=Adam(lr=0.02, final_drop=3))
    by_itself = list(run(settling, digits, seed=0))[-1].state
    constant = replace(settling, update=Adam(lr=0.02))
    half = [p for p in run(constant, digits, seed=0) if p.boundary][1].state
    cut = replace(settling, update=Adam(lr=0.02 / 5))
    by_hand = list(run(cut, digits, seed=0, state=half))[-1].state
    assert by_itself.stored.images.equal(by_hand.stored.images)
    assert not half.stored.images.equal(by_hand.stored.images)
