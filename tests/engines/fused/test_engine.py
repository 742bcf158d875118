"""The fused engine against naive autograd, written out here group by group."""

from __future__ import annotations

import re
import shutil
import weakref
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from condensery.engines.fused import Fused
from condensery.engines.fused import engine as fused
from condensery.engines.fused.blocks import Blocks
from condensery.errors import ConfigError, UnsupportedNetwork
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Groups

CLASSES = 3


def world(side=(8, 8), channels=3, examples=12, network="convnet3-w8", dtype=torch.float64):
    rng = stream(0, "test", *side, channels)
    net = build(network, channels=channels, classes=CLASSES, side=side, seed=1, path=("test",))
    net = net.to(dtype)
    with torch.no_grad():
        for p in net.parameters():  # away from the special values that scales and shifts start at
            p += 0.1 * torch.randn(p.shape, generator=rng, dtype=dtype)
    images = torch.randn(examples, channels, *side, generator=rng, dtype=dtype)
    labels = torch.arange(examples) * CLASSES // examples  # by class, in order
    return net, images.requires_grad_(), labels


def groups_of(member):
    return Groups(
        member=member,
        class_=torch.zeros(len(member), dtype=torch.int64),
        size=member.sum(dim=1),
    )


def full_and_prefix(labels):
    of = labels[None] == torch.arange(CLASSES)[:, None]
    rank = (of.cumsum(dim=1) - 1).gather(0, labels[None])[0]
    return torch.cat([of, of & (rank < 2)])


def all_prefixes(labels):
    of = labels[None] == torch.arange(CLASSES)[:, None]
    rank = (of.cumsum(dim=1) - 1).gather(0, labels[None])[0]
    return torch.cat([of & (rank < k) for k in range(1, int(rank.max()) + 2)])


def unequal_classes(labels):
    of = labels[None] == torch.arange(CLASSES)[:, None]
    of[0, 1:] = False  # one example of the first class, all of the others
    return of


def overlapping(labels):
    rng = stream(0, "member")
    member = torch.rand(5, len(labels), generator=rng) < 0.5
    member[:, 3] = True
    member[:, 7] = False  # an example of no group
    return member


STRUCTURES = [full_and_prefix, all_prefixes, unequal_classes, overlapping]


def squared(found, target):
    return sum(((found[k] - target[k]) ** 2).sum() for k in found)


def absolute(found, target):
    return sum((found[k] - target[k]).abs().sum() for k in found)


def cosine(found, target):
    """Row by row, as in DC: a row of a kernel is everything that one output sees."""
    total = 0
    for k in found:
        rows = min(2, found[k].ndim - 1)
        a, b = found[k].flatten(rows), target[k].flatten(rows)
        total = total + (1 - (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + 1e-6)).sum()
    return total


DISTANCES = [squared, absolute, cosine]


def naive(net, images, labels, member, names):
    parameters = dict(net.named_parameters())
    rows = []
    for m in member:
        loss = F.cross_entropy(net(images[m]), labels[m])
        rows.append(torch.autograd.grad(loss, [parameters[n] for n in names], create_graph=True))
    return {name: torch.stack([row[i] for row in rows]) for i, name in enumerate(names)}


def kernels(net):
    return [name for name, p in net.named_parameters() if p.ndim == 4]


def matched(found, images, target, distance):
    """Loss and image gradient of a distance between gradients."""
    loss = distance(found, target)
    return loss.detach(), torch.autograd.grad(loss, images)[0]


def target_like(found):
    rng = stream(0, "target")
    return {
        k: g.detach() + g.detach().std() * torch.randn(g.shape, generator=rng, dtype=g.dtype)
        for k, g in found.items()
    }


def error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def compare(engine, net, images, labels, member, names, distance):
    """Largest relative error of gradients, and of loss and image gradient."""
    expected = naive(net, images, labels, member, names)
    found = engine.gradients(net, images, labels, groups_of(member), names=names)
    assert list(found) == list(names)
    target = target_like(expected)
    loss, image = matched(found, images, target, distance)
    loss_, image_ = matched(expected, images, target, distance)
    assert image.dtype == images.dtype
    return (
        max(error(found[k], expected[k]) for k in names),
        error(loss, loss_),
        error(image, image_),
    )


def test_gradients_loss_and_image_gradient_equal_naive_autograd(each):
    for structure, distance in each(product(STRUCTURES, DISTANCES)):
        net, images, labels = world()
        errors = compare(Fused(), net, images, labels, structure(labels), kernels(net), distance)
        assert max(errors) < 1e-10


def test_any_side_and_number_of_channels_is_exact(each):
    for side, channels in each(product([(8, 8), (28, 28), (32, 32), (9, 14)], [1, 3])):
        net, images, labels = world(side=side, channels=channels, examples=6)
        errors = compare(
            Fused(), net, images, labels, full_and_prefix(labels), kernels(net), squared
        )
        assert max(errors) < 1e-10


def test_norms_and_the_last_layer_are_exact_too():
    net, images, labels = world()
    names = [n for n, _ in net.named_parameters() if not n.endswith("conv.bias")]
    for some in (names, names[-2:], names[1:3]):
        errors = compare(Fused(), net, images, labels, full_and_prefix(labels), some, squared)
        assert max(errors) < 1e-10


def test_a_convolutions_bias_has_no_gradient_because_the_norm_removes_it():
    net, images, labels = world()
    member = full_and_prefix(labels)
    names = ["blocks.0.conv.bias"]
    found = Fused().gradients(net, images, labels, groups_of(member), names=names)
    assert naive(net, images, labels, member, names)[names[0]].abs().max() < 1e-12
    assert not found[names[0]].any()


def test_probabilities_as_labels_are_exact():
    net, images, labels = world()
    soft = 0.2 + 0.6 * F.one_hot(labels, CLASSES).double()  # sums to 1.2, not 1
    errors = compare(Fused(), net, images, soft, full_and_prefix(labels), kernels(net), squared)
    assert max(errors) < 1e-10


def test_the_batch_of_a_sweep_changes_nothing(each):
    for batch in each([1, 3, 5]):
        net, images, labels = world()
        member = full_and_prefix(labels)
        errors = compare(Fused(batch=batch), net, images, labels, member, kernels(net), squared)
        assert max(errors) < 1e-10


def test_activations_that_are_not_saved_are_computed_again(each):
    for saved in each([0, 3, 7, 100]):
        net, images, labels = world()
        engine, member = Fused(batch=3, saved_activations=saved), full_and_prefix(labels)
        assert max(compare(engine, net, images, labels, member, kernels(net), squared)) < 1e-10


def test_no_more_activations_are_saved_than_allowed(monkeypatch):
    net, images, labels = world()
    seen = []
    original = fused._Job.gradients

    def watched(self, *given, **named):
        found = original(self, *given, **named)
        seen.append(sum(len(t.probabilities) for t in found[1] if t is not None))
        return found

    monkeypatch.setattr(fused._Job, "gradients", watched)
    for saved in (None, 4, 0):
        engine, member = Fused(batch=2, saved_activations=saved), full_and_prefix(labels)
        compare(engine, net, images, labels, member, kernels(net), squared)
    assert max(seen) == len(images)
    assert [n for n in seen if n not in (0, len(images))] == [4]


def test_a_budget_of_memory_decides_what_is_saved_and_never_the_result():
    net, images, labels = world()
    one, label = images[:1], labels[:1]
    with pytest.raises(
        ConfigError, match=r"memory = 10 bytes, but the activations of one image"
    ) as error:
        Fused().within(10, net, one, label)
    least = int(re.findall(r"at least ([\d,]+)", str(error.value))[0].replace(",", ""))
    with pytest.raises(ConfigError, match="the activations of one image"):
        Fused().within(least - 1, net, one, label)
    small = Fused().within(least, net, one, label)
    assert (small.batch, small.saved_activations) == (1, 0)
    large = Fused().within(100 * least, net, one, label)
    assert (large.batch, large.saved_activations) == (32, 2 * (100 - 32))
    member, names = full_and_prefix(labels), kernels(net)
    assert max(compare(small, net, images, labels, member, names, squared)) < 1e-10


def test_a_budget_of_memory_compiles_nothing(monkeypatch):
    def refused():
        raise AssertionError

    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", refused)
    net, images, labels = world()
    assert Fused(compile=True).within(10**7, net, images[:1], labels[:1]).compile


def test_activations_of_a_chunk_are_dropped_before_the_next_goes_backward(threads, monkeypatch):
    threads(1)
    net, images, labels = world()
    image_gradient = fused.image_gradient
    alive, before = [], []

    def watched(saved, direction):
        alive.append(sum(other() is not None for other in before))
        before.append(weakref.ref(saved.probabilities))
        return image_gradient(saved, direction)

    monkeypatch.setattr(fused, "image_gradient", watched)
    compare(Fused(batch=3), net, images, labels, full_and_prefix(labels), kernels(net), squared)
    assert alive == [0] * 4


@pytest.mark.parametrize("examples_per_class", [2, 5])
def test_float32_is_near(examples_per_class):
    net, images, labels = world(examples=CLASSES * examples_per_class, dtype=torch.float32)
    errors = compare(Fused(), net, images, labels, full_and_prefix(labels), kernels(net), squared)
    assert max(errors) < 1e-3


def test_bfloat16_points_the_same_way():
    net, images, labels = world(side=(16, 16), dtype=torch.float32)
    member, names = full_and_prefix(labels), kernels(net)
    expected = naive(net, images, labels, member, names)
    engine = Fused(precision="bf16")
    found = engine.gradients(net, images, labels, groups_of(member), names=names)
    target = target_like(expected)
    _, image = matched(found, images, target, squared)
    _, image_ = matched(expected, images, target, squared)
    for name in names:
        assert found[name].dtype == torch.float32
        assert F.cosine_similarity(found[name].flatten(), expected[name].flatten(), dim=0) > 0.99
    assert F.cosine_similarity(image.flatten(), image_.flatten(), dim=0) > 0.98


def test_images_without_gradient_give_gradients_without_graph():
    net, images, labels = world()
    member = full_and_prefix(labels)
    found = Fused().gradients(net, images.detach(), labels, groups_of(member), names=kernels(net))
    expected = naive(net, images, labels, member, kernels(net))
    for name, gradient in found.items():
        assert not gradient.requires_grad
        assert error(gradient, expected[name]) < 1e-10


def test_the_network_is_left_alone():
    net, images, labels = world()
    before = {name: p.clone() for name, p in net.named_parameters()}
    found = Fused().gradients(
        net, images, labels, groups_of(full_and_prefix(labels)), names=kernels(net)
    )
    squared(found, target_like(found)).backward()
    assert images.grad is not None
    for name, p in net.named_parameters():
        assert p.grad is None
        assert torch.equal(p, before[name])


def test_an_example_of_no_group_gets_no_gradient():
    net, images, labels = world()
    found = Fused().gradients(
        net, images, labels, groups_of(overlapping(labels)), names=kernels(net)
    )
    squared(found, target_like(found)).backward()
    assert images.grad is not None
    assert not images.grad[7].any()
    assert images.grad[3].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_features_and_their_image_gradient_equal_autograd(channels):
    net, images, _ = world(side=(9, 14), channels=channels)
    direction = torch.randn(12, 8, dtype=torch.float64, generator=stream(0, "direction"))
    expected = net.features(images).flatten(1)
    found = Fused(batch=5).features(net, images)
    assert torch.allclose(net.classifier(found), net(images))
    gradients = [
        torch.autograd.grad(
            (f @ f.new_ones(f.shape[1], 8) * direction).sum() + (f**2).sum(), images
        )
        for f in (found, expected)
    ]
    assert error(found, expected) < 1e-12
    assert error(gradients[0][0], gradients[1][0]) < 1e-10


def test_features_of_images_without_gradient_have_no_graph():
    net, images, _ = world()
    found = Fused(precision="bf16").features(net.float(), images.detach().float())
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_a_choice_that_cannot_work_is_refused(each):
    for choice in each([{"precision": "bf61"}, {"batch": 0}, {"saved_activations": -1}]):
        with pytest.raises(ConfigError, match="fused"):
            Fused(**choice)


def test_an_unknown_module_is_named_with_what_to_use_instead(each):
    for place, other, named in each(
        [
            ("norm", nn.BatchNorm2d(8), "blocks.1.norm (BatchNorm2d)"),
            ("norm", nn.GroupNorm(2, 8), "blocks.1.norm (GroupNorm)"),
            ("activation", nn.Sigmoid(), "blocks.1.activation (Sigmoid)"),
            ("pool", nn.MaxPool2d(2), "blocks.1.pool (MaxPool2d)"),
            ("pool", nn.AvgPool2d(3, stride=2, padding=1), "blocks.1.pool (AvgPool2d)"),
            ("pool", nn.AdaptiveAvgPool2d(2), "blocks.1.pool (AdaptiveAvgPool2d)"),
            ("conv", nn.Conv2d(8, 8, 3, padding=2, dilation=2), "blocks.1.conv (Conv2d)"),
            ("conv", nn.Conv2d(8, 8, 3, padding=1, groups=2), "blocks.1.conv (Conv2d)"),
            (
                "conv",
                nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
                "blocks.1.conv (Conv2d)",
            ),
        ]
    ):
        net, images, labels = world(dtype=torch.float32)
        setattr(net.blocks[1], place, other)
        with pytest.raises(UnsupportedNetwork) as caught:
            Fused().gradients(
                net, images, labels, groups_of(full_and_prefix(labels)), names=kernels(net)
            )
        assert named in str(caught.value)
        assert 'engine="one-pass"' in str(caught.value)


class Around(nn.Module):
    """A ConvNet with something else around it."""

    def __init__(self, inner, call):
        super().__init__()
        self.inner = inner
        self.call = call

    def forward(self, images):
        return self.call(self.inner, images)


def test_what_a_forward_does_besides_its_layers_is_refused(each):
    for call, said in each(
        [
            (lambda net, x: net(-x), "'neg'"),
            (lambda net, x: net(x) + 1, "'add'"),
            (lambda net, x: net(x - x.mean((0, 2, 3), keepdim=True)), "'mean'"),
            (lambda net, x: net(x) + net.classifier.bias, "'inner.classifier.bias'"),
            (lambda net, x: net(x) if x.sum() > 0 else x, "cannot be traced"),
            (lambda net, x: net.features(x).flatten(1), "does not end in a linear layer"),
        ]
    ):
        net, images, labels = world()
        with pytest.raises(UnsupportedNetwork, match=said):
            Fused().gradients(
                Around(net, call), images, labels, groups_of(unequal_classes(labels)), names=[]
            )


def test_a_network_that_does_more_than_its_modules_show_is_refused():
    net, images, labels = world()
    net.classifier.register_forward_hook(lambda module, inputs, output: 2 * output)
    with pytest.raises(UnsupportedNetwork, match="more in its forward"):
        Fused().gradients(net, images, labels, groups_of(unequal_classes(labels)), names=[])


def test_threads_with_sweeps_of_their_own_agree_with_autograd(each, threads):
    for batch, structure in each(product([None, 5], STRUCTURES)):
        net, images, labels = world()
        threads(3)
        errors = compare(
            Fused(batch=batch), net, images, labels, structure(labels), kernels(net), squared
        )
        assert max(errors) < 1e-10


def test_features_of_threads_with_sweeps_of_their_own_are_those_of_the_network(threads):
    net, images, _ = world()
    threads(3)
    found = Fused(batch=5).features(net, images)
    expected = net.features(images).flatten(1)
    assert error(found, expected) < 1e-10
    upstream = torch.randn(found.shape, generator=stream(0, "up"), dtype=found.dtype)
    own, other = (torch.autograd.grad(f, images, upstream)[0] for f in (found, expected))
    assert error(own, other) < 1e-10


def test_threads_give_the_same_bits_every_time(threads):
    net, images, labels = world(dtype=torch.float32)
    threads(3)
    groups, seen = groups_of(all_prefixes(labels)), []
    for _ in range(5):
        found = Fused(precision="bf16").gradients(net, images, labels, groups, names=kernels(net))
        loss = sum(g.square().sum() for g in found.values())
        seen.append([*found.values(), *torch.autograd.grad(loss, images)])
    assert all(all(map(torch.equal, seen[0], again)) for again in seen)


@pytest.mark.parametrize("colour", [0.0, float("nan")])
def test_whether_a_network_is_known_does_not_depend_on_the_images(colour):
    net = build("convnet3", channels=3, classes=CLASSES, side=(32, 32), seed=0, path=())
    images, groups = torch.full((2, 3, 32, 32), colour), groups_of(torch.ones(1, 2).bool())
    found = Fused().gradients(net, images, torch.arange(2), groups, names=kernels(net))
    assert found.keys() == set(kernels(net))


def test_a_layer_exchanged_after_the_first_call_is_seen():
    net, images, labels = world()
    for _ in range(2):
        errors = compare(
            Fused(), net, images, labels, full_and_prefix(labels), kernels(net), squared
        )
        assert max(errors) < 1e-10
        net.blocks[1].pool = nn.Identity()
        net.classifier = nn.Linear(2 * 2 * 8, CLASSES).double()


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="no C++ compiler")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("side", [(16, 16), (9, 14)])  # the second has maps with odd sides
def test_compiled_blocks_equal_the_eager_ones(precision, side):
    net, images, labels = world(side=side, dtype=torch.float32)
    names = [n for n, _ in net.named_parameters() if not n.endswith("conv.bias")]
    found = {}
    for compile_ in (True, False):
        engine = Fused(precision=precision, compile=compile_, batch=5)
        groups = groups_of(full_and_prefix(labels))
        gradients = engine.gradients(net, images, labels, groups, names=names)
        _, image = matched(gradients, images, target_like(gradients), squared)
        found[compile_] = [*(gradients[name].detach() for name in names), image]
    allowed = 1e-4 if precision == "fp32" else 0.05  # one rounding apart, here and there
    for fast, slow in zip(found[True], found[False], strict=True):
        assert error(fast, slow) < allowed


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_of_grey_images_are_channels_last_too(channels, monkeypatch):
    net, images, labels = world(channels=channels)
    strides = []

    class Watched(Blocks):
        def forward(self, z, *rest):
            strides.append((z.stride(), z.shape))
            return super().forward(z, *rest)

    monkeypatch.setattr("condensery.engines.fused.sweep.EAGER", Watched())
    engine = Fused()
    engine.gradients(net, images, labels, groups_of(full_and_prefix(labels)), names=kernels(net))
    assert len(strides) >= 3
    for stride, (_, height, width, channel) in strides:
        assert stride == (height * width * channel, width * channel, channel, 1)
