"""A fresh network every outer iteration, trained on the synthetic set between image updates."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import condensery
from condensery.augment import Identity, PerExample
from condensery.condensing.schedules import RunContext, TrainOnSynthetic
from condensery.errors import ConfigError
from condensery.networks import build, mixes_examples
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, batches
from condensery.types import Examples


class Synthetic:
    """Six examples that are other ones every time they are read."""

    def __init__(self):
        self.reads = 0

    def __call__(self):
        rng = stream(self.reads, "synthetic")
        self.reads += 1
        labels = torch.arange(6) % 3
        images = torch.rand(6, 1, 8, 8, generator=rng)
        return Examples(
            images=images.requires_grad_(), labels=labels, class_=labels, rank=torch.arange(6) // 3
        )


def world_of(network="convnet2-w4", synthetic=None):
    data = condensery.load_data("digits").train
    make = partial(build, network, channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=data,
        network=lambda *path: make(path=path),
        synthetic=Synthetic() if synthetic is None else synthetic,
        seed=3,
    )


def weights(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def seen(schedule, outer, world):
    return [(moment.at, weights(moment.network)) for moment in schedule.contexts(outer, world)]


def test_its_defaults_are_the_papers_network_update():
    training = TrainOnSynthetic().training
    assert (training.batch, training.lr) == (256, 0.01)
    assert (training.momentum, training.weight_decay, training.cutmix) == (0, 0, 0)
    assert training.augment == Identity()
    assert TrainOnSynthetic.reads_synthetic


def test_the_set_is_read_anew_before_every_update_but_the_first_and_never_after_the_last():
    world = world_of()
    reads = []
    for moment in TrainOnSynthetic(inner=3, epochs=1).contexts(5, world):
        assert moment.at[0] == 5
        reads.append(world.synthetic.reads)
    assert reads == [0, 1, 2]
    assert world.synthetic.reads == 2


def test_between_updates_the_network_takes_epochs_of_sgd_on_the_set(each):
    """Written out: two epochs, each of every example once, on normalised images."""
    for batch in each([2, 4, 256]):
        training = SGDTraining(
            batch=batch, lr=0.1, momentum=0, weight_decay=0, augment=Identity(), cutmix=0
        )
        world = world_of()
        moments = seen(TrainOnSynthetic(inner=2, epochs=2, training=training), 1, world)
        network = world.network("network", 1)
        assert torch.equal(moments[0][1], weights(network))
        examples = Synthetic()()
        order = batches(6, batch, rng=stream(3, "order", 1, 1))
        for _, index in zip(range(2 * -(-6 // batch)), order, strict=False):
            images = world.data.normalise(examples.images.detach()[index])
            loss = torch.nn.functional.cross_entropy(network(images), examples.labels[index])
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for p, g in zip(network.parameters(), gradients, strict=True):
                    p -= 0.1 * g
        assert torch.allclose(moments[1][1], weights(network), atol=1e-6)
        assert not torch.equal(moments[1][1], moments[0][1])


def test_without_epochs_the_network_stays_as_it_was_drawn():
    moments = seen(TrainOnSynthetic(inner=3, epochs=0), 0, world_of())
    assert all(torch.equal(own, moments[0][1]) for _, own in moments)


def test_images_are_augmented_one_by_one_where_asked():
    training = replace(TrainOnSynthetic().training, augment=PerExample(mode="dsa"), lr=0.5)
    plain = TrainOnSynthetic(inner=2, epochs=1)
    shown = replace(plain, training=training)
    same_lr = replace(plain, training=replace(training, augment=Identity()))
    assert not torch.equal(seen(shown, 0, world_of())[1][1], seen(same_lr, 0, world_of())[1][1])


def test_learned_labels_are_trained_on_without_a_gradient():
    class Soft(Synthetic):
        def __call__(self):
            found = super().__call__()
            labels = torch.nn.functional.one_hot(found.labels, 10).float().requires_grad_()
            return replace(found, labels=labels)

    hard, soft = (
        seen(TrainOnSynthetic(inner=2, epochs=2), 0, world_of(synthetic=own))
        for own in (Synthetic(), Soft())
    )
    assert torch.allclose(hard[1][1], soft[1][1], atol=1e-6)


def test_every_outer_iteration_is_the_same_when_asked_again_and_another_one_else():
    schedule = TrainOnSynthetic(inner=2, epochs=1)
    one, again, other = (seen(schedule, outer, world_of()) for outer in (4, 4, 5))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, again, strict=True))
    assert not torch.equal(one[0][1], other[0][1])


def test_batch_norm_is_fixed_to_the_statistics_of_real_images_at_every_moment():
    world = world_of("convnet2-w4-bn")
    shown = 0
    for moment in TrainOnSynthetic(inner=3, epochs=1).contexts(0, world):
        assert mixes_examples(moment.network) is None
        norm = moment.network.blocks[0].norm
        assert norm.momentum == 0.1
        index = torch.cat(
            [
                own[torch.randperm(len(own), generator=rng)[:16]]
                for rng in [stream(3, "statistics", *moment.at)]
                for own in map(world.data.of_class, range(10))
            ]
        )
        with torch.no_grad():
            mapped = moment.network.blocks[0].conv(world.data.normalise(world.data.pixels(index)))
        assert torch.allclose(norm.running_mean, mapped.mean(dim=(0, 2, 3)), atol=1e-5)
        assert torch.allclose(norm.running_var, mapped.transpose(0, 1).flatten(1).var(dim=1))
        shown += 1
    assert shown == 3


def test_batch_norm_is_trained_as_usual(monkeypatch):
    modes = []
    original = Trainer.step

    def noted(self, *given, **named):
        modes.append(all(m.training for m in self.network.modules()))
        return original(self, *given, **named)

    monkeypatch.setattr(Trainer, "step", noted)
    seen(TrainOnSynthetic(inner=3, epochs=2), 0, world_of("convnet2-w4-bn"))
    assert modes == [True] * 4


@pytest.mark.parametrize(("name", "value"), [("inner", 0), ("epochs", -1)])
def test_a_number_that_cannot_work_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value}"):
        TrainOnSynthetic(**{name: value})
