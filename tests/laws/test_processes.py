"""A run has the same bits on any number of processes; here threads that meet stand for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.loop import initial_state, run
from condensery.condensing.objectives import Calibrated, DistributionMatching
from condensery.condensing.progress import State
from condensery.condensing.samplers import KeptMeans
from condensery.condensing.schedules import Interpolated, Redraw, TrainOnSynthetic
from condensery.condensing.sizes import MostLearnable, RandomSize
from condensery.condensing.updates import SGD, LearnedLabels
from condensery.errors import ConfigError, NonFiniteLoss
from condensery.parallel import ALONE, Processes
from condensery.training import SGDTraining

WAIT = 60


class Meeting:
    """A table on which every thread lays what it tells, and which all read."""

    def __init__(self, count):
        self.barrier, self.table = threading.Barrier(count), [None] * count

    def exchanged(self, index, what):
        self.table[index] = what
        self.barrier.wait(WAIT)
        found = list(self.table)
        self.barrier.wait(WAIT)
        return found


@dataclass(frozen=True)
class Threads(Processes):
    """A process of a run that is a thread of this one."""

    meeting: Any = None

    def gather(self, rows):
        return self.meeting.exchanged(self.index, rows.clone())

    def broadcast(self, tensors, *, source=0):
        found = self.meeting.exchanged(self.index, [tensor.clone() for tensor in tensors])[source]
        with torch.no_grad():
            for tensor, received in zip(tensors, found, strict=True):
                tensor.copy_(received)


def together(count, work):
    """What ``work(processes)`` gives in each of so many processes; raises what process 0 raises."""
    if count == 1:
        return [work(ALONE)]
    meeting, ends, errors = Meeting(count), [None] * count, [None] * count

    def one(index):
        try:
            ends[index] = work(Threads(index=index, count=count, meeting=meeting))
        except BaseException as error:
            errors[index] = error
            if not isinstance(error, NonFiniteLoss):
                meeting.barrier.abort()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in sorted(
        filter(None, errors), key=lambda e: isinstance(e, threading.BrokenBarrierError)
    ):
        raise error
    return ends


def condensed(small, count, recipe, data, *, state=None):
    """The last state and all losses, which are the same in every process."""

    def work(processes):
        steps = list(run(recipe, data, seed=small.seed, state=state, processes=processes))
        return steps[-1].state.whole(processes), [(p.at, p.losses) for p in map(_At, steps)]

    first, *others = together(count, work)
    for other in others:
        same(other[0], first[0])
        assert other[1] == first[1]
    return first


class _At:
    def __init__(self, progress):
        self.at, self.losses = (progress.outer, progress.inner, progress.boundary), progress.losses


def same(found, expected):
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    for name in a:
        assert torch.equal(a[name].nan_to_num(7.5), b[name].nan_to_num(7.5)), name


@pytest.fixture(autouse=True)
def one_thread(threads):
    threads(1)


@pytest.fixture
def data(small):
    return small.data(counts=(9, 7, 9, 2, 5))


def check(small, data, recipe, counts):
    alone, losses = condensed(small, 1, recipe, data)
    for count in counts:
        found, observed = condensed(small, count, recipe, data)
        same(found, alone)
        assert observed == losses


def short(small, **changes):
    changes = {"classes_per_pass": 1, "iterations": 2, "schedule": small.short, **changes}
    return small.recipe(**changes)


def test_the_number_of_processes_changes_no_bit_for_any_matched_part(small, data, each):
    for place, (objective, parameterization, policy, update) in enumerate(
        each(small.every("objective", "parameterization", "asked", "update"))
    ):
        if not objective.all_classes:
            recipe = short(
                small,
                objective=objective,
                parameterization=parameterization,
                size_policy=policy,
                update=update,
            )
            check(small, data, recipe, [2 + place % 3])


def test_the_number_of_processes_changes_no_bit_for_any_drawing_part(small, data, each):
    for place, (sampler, schedule, begun) in enumerate(
        each(small.every("sampler", "schedule", "begun"))
    ):
        recipe = short(
            small,
            sampler=sampler,
            schedule=schedule,
            init=begun,
            objective=DistributionMatching(),
            size_policy=MostLearnable(period=1),
        )
        check(small, data, recipe, [2 + place % 3])


def test_the_number_of_processes_changes_no_bit_for_any_engine_and_block(small, data, each):
    for place, (engine, block) in enumerate(
        each((engine, block) for engine in ("autograd", "one-pass", "fused") for block in (1, 2))
    ):
        recipe = short(small, engine=engine, classes_per_block=block, size_policy=RandomSize())
        check(small, data, recipe, [2 + place % 2])


def test_networks_are_trained_ahead_one_iteration_in_each_process(small, data, monkeypatch):
    """Also those that are used again, and the trained parameters that an objective reads."""
    recipe = short(
        small,
        iterations=5,
        schedule=Interpolated(
            networks=2, inner=2, trajectories=2, epochs=1, steps=1,
            training=SGDTraining(batch=4),
        ),
        objective=Calibrated(),
    )  # fmt: skip
    check(small, data, recipe, [2])
    fixed = replace(recipe.schedule, inner=1, fixed=2)
    kept = {"sampler": KeptMeans(), "schedule": fixed, "augment": Identity()}
    check(small, data, replace(recipe, **kept), [2])
    trained = []
    contexts = Redraw.contexts
    counted = lambda own, outer, run: trained.append(outer) or contexts(own, outer, run)  # noqa: E731
    monkeypatch.setattr(Redraw, "contexts", counted)
    condensed(small, 2, short(small, iterations=5), data)
    assert sorted(trained) == [0, 1, 2, 3, 4]


def test_another_number_of_processes_after_a_checkpoint_changes_no_bit(small, data):
    recipe = short(
        small,
        iterations=3,
        schedule=TrainOnSynthetic(inner=2, epochs=1, training=SGDTraining(batch=4)),
        size_policy=MostLearnable(period=1),
        labels=LearnedLabels(update=SGD(lr=0.1)),
    )
    whole, _ = condensed(small, 1, recipe, data)
    state = None
    for count, iterations in ((2, 1), (4, 2), (1, 3)):
        state, _ = condensed(
            small, count, replace(recipe, iterations=iterations), data, state=state
        )
        state = State.from_tensors(state.outer, state.tensors())
    same(state, whole)


def test_a_process_makes_and_stores_the_images_of_its_classes_alone(small, data):
    recipe = short(small, iterations=1)
    expected = initial_state(recipe, data, seed=small.seed)
    same(
        together(2, lambda all_: initial_state(recipe, data, seed=small.seed, processes=all_))[1],
        expected,
    )
    steps = together(2, lambda all_: list(run(recipe, data, seed=small.seed, processes=all_)))
    held = [set(own[-1].state.stored.class_.tolist()) for own in steps]
    assert held == [{0, 2, 4}, {1, 3}]


def test_every_process_learns_of_a_loss_that_is_not_finite(small, data):
    recipe = small.recipe(classes_per_pass=1, augment=Identity(), update=SGD(lr=1e30))
    errors = []

    def work(processes):
        with pytest.raises(NonFiniteLoss) as error:
            list(run(recipe, data, seed=small.seed, processes=processes))
        errors.append(str(error.value))

    together(2, work)
    assert len(errors) == 2
    assert errors[0] == errors[1]


@dataclass(frozen=True)
class OfAllClasses(DistributionMatching):
    """An objective that sees a set as a whole."""

    all_classes: ClassVar[bool] = True


def test_what_cannot_be_divided_is_refused(small, data, each):
    for changes, said in each(
        [
            ({"objective": OfAllClasses()}, "objective = OfAllClasses.* matches all classes"),
            ({"size_policy": MostLearnable(probe=OfAllClasses())}, r"size_policy\.probe = OfAll"),
            ({"classes_per_block": 2}, "4 processes, but 5 classes in blocks of 2 make 3 shards"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            together(
                4,
                lambda all_, own=changes: list(
                    run(short(small, **own), data, seed=0, processes=all_)
                ),
            )


def test_an_error_of_one_process_is_that_of_all_and_process_0_says_whose_it_is():
    said = []

    def work(processes):
        def make():
            if processes.index == 1:
                raise ConfigError("no data here")
            return processes.index

        with pytest.raises(ConfigError) as error:
            processes.everyone(make)
        said.append((processes.index, str(error.value)))

    together(3, work)
    assert dict(said)[0] == "Process 1 of 3: no data here"
    assert dict(said)[1] == "no data here"
    assert together(3, lambda processes: processes.everyone(lambda: 7)) == [7, 7, 7]


def test_what_process_0_reads_all_have(each):
    for content in each([b"", b"x", b"any bytes \x00\xff" * 1000]):
        assert together(3, lambda p, made=content: p.from_first(lambda: made)) == [content] * 3


def test_no_process_adds_numbers_of_others():
    """What several processes know is put in one order, so that their number changes no bit."""
    sources = [path.read_text() for path in Path(condensery.__file__).parent.rglob("*.py")]
    used = [text for text in sources if "distributed" in text and "torch" in text]
    assert any("all_gather" in text for text in used)
    assert not any("reduce" in text for text in used)
