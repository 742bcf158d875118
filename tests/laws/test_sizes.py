"""Laws 5 to 7: more sizes are more rows, sizes are nested, frozen means frozen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import pytest
import torch

from condensery.api import Condensation
from condensery.condensing.sizes import AllSizes, MostLearnable
from condensery.condensing.updates import SGD
from condensery.errors import ConfigError
from condensery.parameterizations import MultiFormation, Pixels
from condensery.types import nested


class Undecided(MostLearnable):
    """Measures every size as the most learnable subset does, and never chooses."""

    def close(self, state, *, outer):
        del outer
        return state


def last_images(progress):
    return progress[-1].state.stored.images


def test_a_policy_that_never_chooses_is_the_base_method_bit_for_bit(each, small):
    for objective, parameterization, engine_name in each(
        small.every("objective", "parameterization", "engine_name")
    ):
        parts = {
            "objective": objective,
            "engine": engine_name,
            "parameterization": parameterization,
            "schedule": small.short,
        }
        base = small.run(small.recipe(iterations=1, **parts))
        same = small.run(small.recipe(iterations=1, size_policy=Undecided(period=1), **parts))
        assert torch.equal(last_images(same), last_images(base))
        assert [p.losses for p in same] == [p.losses for p in base]
        assert base[-1].state.update["images"]["velocity"].any()


def test_a_policy_that_never_chooses_changes_nothing_in_a_longer_run(small):
    base = small.run(small.recipe(iterations=3))
    same = small.run(small.recipe(iterations=3, size_policy=Undecided(period=1)))
    assert torch.equal(last_images(same), last_images(base))
    assert not torch.equal(last_images(base), base[0].state.stored.images)


def test_one_image_a_class_has_no_subset_so_every_policy_is_the_base_method(each, small):
    parts = {"ipc": 1, "iterations": 2, "schedule": small.short}
    base = small.run(small.recipe(**parts))
    for sizes in each(small.every("size_policy")):
        same = small.run(small.recipe(size_policy=sizes, **parts))
        assert torch.equal(last_images(same), last_images(base))
        assert [p.losses for p in same] == [p.losses for p in base]


def test_the_first_outer_iteration_of_the_most_learnable_subset_is_the_base_method(small):
    base = small.run(small.recipe(iterations=1))
    same = small.run(small.recipe(iterations=1, size_policy=MostLearnable(period=1)))
    assert torch.equal(last_images(same), last_images(base))
    longer = small.run(small.recipe(iterations=2, size_policy=MostLearnable(period=1)))
    assert not torch.equal(last_images(longer), last_images(small.run(small.recipe(iterations=2))))


def test_the_gradient_of_several_sizes_is_the_sum_over_the_sizes(each, small):
    for objective, engine, parameterization in each(
        small.every("objective", "engine", "parameterization")
    ):
        match, examples, _, losses, gradient = small.evaluated(
            objective, engine, parameterization, AllSizes()
        )
        sizes = small.sets(AllSizes())
        parts = [
            small.losses_and_gradient(
                match, examples, nested(examples, size[None], all_classes=objective.all_classes)
            )
            for size in sizes
        ]
        assert small.near(torch.cat([part[0] for part in parts]), losses)
        assert small.near(sum(part[1] for part in parts), gradient)


def test_the_loss_of_a_run_is_the_sum_of_the_losses_of_its_sizes(each, small):
    for objective in each(small.every("objective")):
        first = small.run(small.recipe(objective=objective, size_policy=AllSizes(), iterations=1))[
            0
        ]
        full = small.run(small.recipe(objective=objective, iterations=1))[0]
        assert list(first.losses) == ["3", "2", "1"]
        assert first.loss == pytest.approx(sum(first.losses.values()))
        assert first.losses["3"] == pytest.approx(full.losses["3"], rel=1e-5)


def test_every_set_is_inside_the_next_larger_one(each, small):
    for parameterization, all_classes, counts in each(
        product(small.every("parameterization"), [True, False], [(3, 3), (3, 1)])
    ):
        data = small.data(counts=(9, counts[1] * 2))
        examples = small.examples(parameterization, data, counts=counts)
        sizes = torch.arange(1, 4)[:, None].expand(-1, 2)
        member = nested(examples, sizes, all_classes=all_classes).member.unflatten(0, (3, -1))
        for smaller, larger in pairwise(member):
            assert not (smaller & ~larger).any()
            assert (larger & ~smaller).any()  # it grows
        assert member[2].any(dim=0).all()
        assert member[0].any(dim=1).all()
        whole = member[2].sum(dim=-1)
        assert torch.equal(
            member[0].sum(dim=-1) * torch.tensor([sum(counts)] if all_classes else counts),
            (whole * (2 if all_classes else 1)),
        )


def test_every_profile_holds_the_full_set_first_and_sizes_that_exist(each, small):
    for sizes in each(small.every("size_policy")):
        profiles = small.sets(sizes)
        assert (profiles[0] == 3).all()
        assert profiles.min() >= 1
        assert profiles.max() == 3
        assert len(torch.unique(profiles, dim=0)) == len(profiles)


def finished(small, recipe, data=None):
    condensation = Condensation(recipe, small.data() if data is None else data, seed=small.seed)
    return condensation.result(created="now")


def test_a_smaller_set_is_a_prefix_of_the_bytes(each, small):
    for sizes, whole_images in each(
        product(small.every("size_policy"), [Pixels(), MultiFormation(factor=2)])
    ):
        data = small.data(counts=(9, 2))
        recipe = small.recipe(
            parameterization=whole_images, size_policy=sizes, iterations=2, schedule=small.short
        )
        whole = finished(small, recipe, data)
        assert whole.rows == [2, 4, 5]
        for ipc in (1, 2, 3):
            part = whole.take(ipc)
            for name, tensor in part.tensors.items():
                all_bytes = whole.tensors[name].numpy().tobytes()
                assert all_bytes.startswith(tensor.numpy().tobytes())
                assert len(tensor) == whole.rows[ipc - 1]
            assert part.bytes_of(ipc) == sum(t.numpy().nbytes for t in part.tensors.values())
            cut, direct = part.decode(), whole.decode(ipc)
            for name in ("images", "labels", "class_", "rank"):
                assert torch.equal(getattr(cut, name), getattr(direct, name))


def test_sets_in_crop_order_are_nested_when_decoded_but_cannot_be_cut(small):
    recipe = small.recipe(parameterization=MultiFormation(order="crop"), iterations=1)
    whole = finished(small, recipe)
    everything = whole.decode()
    for ipc in (1, 2, 3):
        found, expected = whole.decode(ipc), everything.rows(everything.rank < ipc)
        assert torch.equal(found.images, expected.images)
        assert torch.bincount(found.class_).tolist() == [4 * ipc, 4 * ipc]
    with pytest.raises(ConfigError, match="crop by crop"):
        whole.take(1)


@dataclass(frozen=True)
class Freezes(AllSizes):
    """Matches all sizes, and leaves ``counts`` alone after the first outer iteration."""

    counts: tuple[int, ...] = (2, 1)
    freezes_exactly: bool = True

    def frozen(self, state, *, outer):
        return torch.tensor(self.counts) * (outer > 0)


def test_frozen_pixels_keep_their_bits_whatever_the_momentum(each, small):
    for objective, parameterization, update in each(
        small.every("objective", "parameterization", "update")
    ):
        recipe = small.recipe(
            objective=objective,
            parameterization=parameterization,
            size_policy=Freezes(),
            update=update,
            iterations=3,
            schedule=small.short,
        )
        progress = small.run(recipe)
        before = next(p.state for p in progress if p.boundary)
        frozen = torch.tensor((2, 1))[before.stored.class_][:, None, None, None]
        held = (parameterization.pixel_rank(before.stored) < frozen).expand_as(before.stored.images)
        assert held.any()
        assert not held.all()
        inertia = "mean" if "mean" in before.update["images"] else "velocity"
        assert before.update["images"][inertia][held].any()  # so momentum would move them
        kept = before.stored.images.clamp(0, 1)
        later = [p.state for p in progress if p.outer > 0]
        for state in later:
            assert torch.equal(state.stored.images[held], kept[held])
            assert not state.update["images"][inertia][held].any()
        moved = later[-1].stored.images != kept
        assert moved[~held].float().mean() > 0.5
        assert {p.frozen for p in progress if p.outer > 0} == {(1, 2)}
        # what the small sets are made of has not changed either
        first, last = (
            parameterization.decode(stored.with_images(stored.images.clamp(0, 1)))
            for stored in (before.stored, later[-1].stored)
        )
        inside = first.rank < torch.tensor((2, 1))[first.class_]
        assert torch.equal(first.images[inside], last.images[inside])
        assert not torch.equal(first.images[~inside], last.images[~inside])


def test_the_released_freeze_stops_the_gradient_but_not_the_momentum(small):
    parts = {"update": SGD(lr=0.05, momentum=0.9), "iterations": 2}
    progress = small.run(small.recipe(size_policy=Freezes(freezes_exactly=False), **parts))
    before = next(p.state for p in progress if p.boundary)
    after = next(p.state for p in progress if p.outer == 1)
    held = Pixels().pixel_rank(before.stored).squeeze() < torch.tensor((2, 1))[
        before.stored.class_
    ].reshape(-1, 1, 1)
    held = held[:, None].expand_as(before.stored.images)
    coasting = 0.9 * before.update["images"]["velocity"]
    assert coasting[held].any()
    assert torch.equal(after.update["images"]["velocity"][held], coasting[held])
    assert not torch.equal(after.update["images"]["velocity"][~held], coasting[~held])


def test_without_momentum_the_released_freeze_is_the_exact_one(small):
    parts = {"update": SGD(lr=0.05), "iterations": 2}
    exact, released = (
        small.run(small.recipe(size_policy=Freezes(freezes_exactly=held), **parts))
        for held in (True, False)
    )
    assert torch.equal(last_images(exact), last_images(released))


def test_the_most_learnable_subset_freezes_what_it_chose_before_when_it_grows(small):
    """A run long enough to grow once: the images below the earlier choice keep their bits."""
    progress = small.run(
        small.recipe(
            ipc=5,
            iterations=6,
            size_policy=MostLearnable(period=1),
            update=SGD(lr=0.05, momentum=0.9),
        ),
        small.data(counts=(12, 12)),
    )
    grown = [p for p in progress if not p.boundary and p.frozen[0] > 0]
    assert grown
    boundary = {p.outer: p.state for p in progress if p.boundary}
    for p in grown:
        rows = p.state.stored.rank < p.frozen[0]
        kept = boundary[p.outer - 1].stored.images.clamp(0, 1)
        assert torch.equal(p.state.stored.images[rows], kept[rows])
        assert not torch.equal(p.state.stored.images[~rows], kept[~rows])
