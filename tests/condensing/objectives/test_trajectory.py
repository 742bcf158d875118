"""Trajectory matching against a plainly unrolled graph, and in constant memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, product

import pytest
import torch
from torch.func import functional_call

from condensery.augment import Identity, PerExample
from condensery.condensing.objectives import TrajectoryMatching
from condensery.engines import Autograd
from condensery.errors import ConfigError, NonFiniteLoss, UnsupportedNetwork
from condensery.networks import build
from condensery.rng import stream
from condensery.types import ALL_CLASSES, Examples, Groups, StepContext, nested

CLASSES, IPC = 3, 2
EVERYTHING = torch.full((1, CLASSES), IPC)


def network(name="convnet2-w4", path="start"):
    made = build(name, channels=2, classes=CLASSES, side=(8, 8), seed=1, path=(path,))
    return made.double()


def moment(*, target=None, at=(4, 0), name="convnet2-w4"):
    start = network(name)
    if target is None:
        noise = stream(2, "target")
        target = {
            key: p.detach() + 0.1 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
            for key, p in start.named_parameters()
        }
    return StepContext(at=at, network=start, seed=7, target=target)


def examples(*, lr=0.3, soft=False, ipc=IPC):
    class_ = torch.arange(CLASSES).repeat(ipc)
    images = torch.rand(len(class_), 2, 8, 8, generator=stream(3), dtype=torch.float64)
    labels = class_
    if soft:
        labels = torch.rand(len(class_), CLASSES, generator=stream(4), dtype=torch.float64)
        labels = labels.requires_grad_()
    return Examples(
        images=images.requires_grad_(),
        labels=labels,
        class_=class_,
        rank=torch.arange(ipc).repeat_interleave(CLASSES),
        learned_lr=torch.tensor(lr, dtype=torch.float64).requires_grad_(),
    )


def view(shown):
    return 2 * shown.images - 1


def bind(objective, where):
    return objective.bind(where, None, view, engine=Autograd(), classes_per_pass=1)


def plainly(objective, where, given):
    """The definition: one graph through all steps, on the whole set."""
    names = [name for name, _ in where.network.named_parameters()]
    start = [p.detach() for p in where.network.parameters()]
    theta = [p.clone().requires_grad_() for p in start]
    order, sets = where.stream("student", "order"), []
    while len(sets) < objective.steps:
        permuted = torch.randperm(len(given), generator=order)
        sets.extend(permuted.split(objective.batch or len(given)))
    for step in range(objective.steps):
        index = sets[step] if 0 < objective.batch < len(given) else slice(None)
        draw = objective.augment.draw(rng=where.stream("student", "augment", step))
        shown = draw(view(given)[index])
        logits = functional_call(where.network, dict(zip(names, theta, strict=True)), (shown,))
        loss = torch.nn.functional.cross_entropy(logits, given.labels[index])
        gradients = torch.autograd.grad(loss, theta, create_graph=True)
        theta = [p - given.learned_lr * g for p, g in zip(theta, gradients, strict=True)]
    target = [where.target[name] for name in names]
    to_end = sum((a - b).square().sum() for a, b in zip(theta, target, strict=True))
    way = sum((a - b).square().sum() for a, b in zip(start, target, strict=True))
    return to_end / way


def gradients(loss, given):
    leaves = [given.images, given.learned_lr]
    if given.labels.requires_grad:
        leaves.append(given.labels)
    return torch.autograd.grad(loss, leaves)


def near(found, expected, tolerance=1e-10):
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def test_loss_and_gradients_are_those_of_the_plain_graph(each):
    for objective, soft in each(
        product(
            [
                TrajectoryMatching(steps=1, augment=Identity()),
                TrajectoryMatching(steps=5, augment=Identity()),
                TrajectoryMatching(steps=4, batch=4),
                TrajectoryMatching(steps=3, batch=100),
                TrajectoryMatching(steps=3, augment=PerExample(strategy="color_scale", mode="idc")),
            ],
            [False, True],
        )
    ):
        where = moment()
        given, same = examples(soft=soft), examples(soft=soft)
        expected = plainly(objective, where, same)
        found = bind(objective, where)(given, nested(given, EVERYTHING, all_classes=True))
        assert found.shape == (1,)
        assert near(found[0], expected)
        for a, b in zip(gradients(found.sum(), given), gradients(expected, same), strict=True):
            assert b.abs().max() > 0
            assert near(a, b)


def test_every_set_is_matched_as_if_it_were_alone():
    objective, where, given = TrajectoryMatching(steps=3, batch=2), moment(), examples()
    groups = nested(given, torch.tensor([[2] * CLASSES, [1, 2, 1]]), all_classes=True)
    assert groups.class_.tolist() == [ALL_CLASSES, ALL_CLASSES]
    match = bind(objective, where)
    both = match(given, groups)
    together = gradients(both.sum(), given)
    alone = []
    for row, member in enumerate(groups.member):
        part = given.rows(member)
        own = Groups(**{k: getattr(groups.only(member).rows([row]), k) for k in Groups.__slots__})
        (loss,) = match(part, own)
        assert near(loss, both[row])
        alone.append(gradients(loss, given))
    for a, *parts in zip(together, *alone, strict=True):
        assert near(a, sum(parts))


def test_a_small_set_sees_none_of_what_it_does_not_contain():
    objective, where, given = TrajectoryMatching(steps=3, batch=2), moment(), examples()
    groups = nested(given, torch.tensor([[1] * CLASSES]), all_classes=True)
    (loss,) = bind(objective, where)(given, groups)
    gradient, _ = gradients(loss, given)
    assert not gradient[given.rank > 0].any()
    assert gradient[given.rank == 0].flatten(1).any(dim=1).all()


def test_batches_use_up_the_set_before_any_image_comes_again(monkeypatch):
    seen = []
    real = TrajectoryMatching._loss

    def noting(self, net, names, count, where):
        loss = real(self, net, names, count, where)

        def noted(step, theta, images, labels):
            seen.append((step, id(loss)))
            return loss(step, theta, images, labels)

        return noted

    monkeypatch.setattr(TrajectoryMatching, "_loss", noting)
    objective, given = TrajectoryMatching(steps=3, batch=2, augment=Identity()), examples()
    (loss,) = bind(objective, moment())(given, nested(given, EVERYTHING, all_classes=True))
    gradient, _ = gradients(loss, given)
    assert gradient.flatten(1).any(dim=1).all()  # three batches of two: all six
    assert [step for step, _ in seen] == [0, 1, 2, 2, 1, 0]  # there, and back


def test_draws_are_those_of_the_moment():
    given, objective = examples(), TrajectoryMatching(steps=3, batch=4)
    groups = nested(given, EVERYTHING, all_classes=True)
    first, again, later = (
        bind(objective, moment(at=at))(given, groups) for at in ((4, 0), (4, 0), (5, 0))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_following_the_expert_exactly_costs_nothing_and_standing_still_costs_one():
    given, objective = examples(lr=0.2), TrajectoryMatching(steps=1, augment=Identity())
    groups = nested(given, EVERYTHING, all_classes=True)
    net = network()
    logits = net(view(given))
    loss = torch.nn.functional.cross_entropy(logits, given.labels)
    own = torch.autograd.grad(loss, list(net.parameters()))
    target = {
        name: p.detach() - 0.2 * g for (name, p), g in zip(net.named_parameters(), own, strict=True)
    }
    (followed,) = bind(objective, moment(target=target))(given, groups)
    assert followed.item() == pytest.approx(0, abs=1e-20)
    (stood,) = bind(objective, moment(target=target))(
        replace(given, learned_lr=torch.zeros((), dtype=torch.float64)), groups
    )
    assert stood.item() == pytest.approx(1)


def peak(work):
    """Most bytes that torch held at once for ``work``, beyond those before."""
    with torch.profiler.profile(profile_memory=True) as profile:
        work()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return max(accumulate(changes))


def test_memory_grows_by_one_set_of_parameters_a_step_where_the_plain_graph_grows_by_all():
    where, given = moment(), examples(ipc=10)
    groups = nested(given, torch.full((1, CLASSES), 10), all_classes=True)
    parameters = sum(p.numel() * p.element_size() for p in where.network.parameters())
    activations = len(given) * (4 * 8 * 8 + 4 * 4 * 4) * 8  # convolutions' outputs alone

    def ours(objective):
        gradients(bind(objective, where)(given, groups).sum(), given)

    def plain(objective):
        gradients(plainly(objective, where, given), given)

    few, many = (TrajectoryMatching(steps=steps, augment=Identity()) for steps in (2, 12))
    assert peak(lambda: ours(many)) - peak(lambda: ours(few)) <= 12 * parameters
    assert peak(lambda: plain(many)) - peak(lambda: plain(few)) >= 10 * activations
    assert activations > 20 * parameters


def test_an_expert_that_stands_still_is_refused():
    net = network()
    target = {name: p.detach() * (1 + 1e-9) for name, p in net.named_parameters()}
    with pytest.raises(ConfigError, match=r"iteration 4 moved by only .*schedule\.max_start_epoch"):
        bind(TrajectoryMatching(), moment(target=target))


def test_a_learning_rate_that_diverges_is_named():
    given = examples(lr=1e200)
    match = bind(TrajectoryMatching(steps=5), moment())
    with pytest.raises(NonFiniteLoss, match=r"learning rate 1e\+200.*learned_lr\.update\.lr"):
        match(given, nested(given, EVERYTHING, all_classes=True))


def test_a_recipe_without_a_learned_step_or_without_experts_is_refused():
    given = replace(examples(), learned_lr=None)
    groups = nested(given, EVERYTHING, all_classes=True)
    with pytest.raises(ConfigError, match="--set learned_lr=learned"):
        bind(TrajectoryMatching(), moment())(given, groups)
    with pytest.raises(ConfigError, match="schedule = experts"):
        bind(TrajectoryMatching(), replace(moment(), target=None))(given, groups)


def test_a_network_that_is_more_than_its_parameters_is_refused():
    with pytest.raises(UnsupportedNetwork, match=r"norm.*instance norm"):
        bind(TrajectoryMatching(), replace(moment(), network=network("convnet2-w4-bn")))


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("batch", -1)])
def test_a_number_that_cannot_work_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"objective\.{name} = {value}"):
        TrajectoryMatching(**{name: value})
