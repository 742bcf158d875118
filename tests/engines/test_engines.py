"""The reference engine against the chain rule, one pass against the reference, and the choice."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from condensery.engines import Autograd, OnePass, cells, choose
from condensery.errors import UnsupportedNetwork
from condensery.networks import build
from condensery.rng import global_stream, stream
from condensery.types import Groups


def groups_of(member):
    member = torch.as_tensor(member)
    return Groups(
        member=member, class_=torch.zeros(len(member), dtype=torch.int64), size=member.sum(dim=1)
    )


def built(factory):
    with global_stream(0, "engines"):
        return factory().double()


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Strided(nn.Module):
    """Everything that one pass has a rule for, away from the defaults."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.norm = nn.GroupNorm(2, 4)
        self.hidden = nn.Linear(4 * 16, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, images):
        x = self.norm(self.grouped(torch.tanh(self.first(images)))).tanh()
        return self.head(torch.tanh(self.hidden(x.flatten(1))))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3 * 64, 3)

    def forward(self, images):
        return self.head(self.conv(self.conv(images)).flatten(1))


class Mixing(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.layer = layer
        self.head = nn.Linear(4 * 64, 3)

    def forward(self, images):
        return self.head(self.layer(self.conv(images)).flatten(1))


def batch(count=6, channels=3, side=8):
    rng = stream(0, "batch")
    images = torch.randn(count, channels, side, side, generator=rng, dtype=torch.float64)
    return images, torch.arange(count) % 3


MEMBERS = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0]]
).bool()


def test_the_reference_is_the_chain_rule():
    network, (images, labels) = built(Linear), batch(5, 1, 2)
    member = MEMBERS[:, :5]
    found = Autograd().gradients(
        network, images, labels, groups_of(member), names=["layer.bias", "layer.weight"]
    )
    assert list(found) == ["layer.bias", "layer.weight"]
    x = images.flatten(1)
    error = torch.softmax(network(images), dim=1) - nn.functional.one_hot(labels, 3)
    for row, m in enumerate(member):
        mean_error = error[m].sum(dim=0) / m.sum()
        assert torch.allclose(found["layer.bias"][row], mean_error, atol=1e-14)
        product = sum(torch.outer(error[i], x[i]) for i in m.nonzero()[:, 0]) / m.sum()
        assert torch.allclose(found["layer.weight"][row], product, atol=1e-14)


def test_one_pass_agrees_with_the_reference_on_every_module_it_knows(each):
    for factory, soft in each(product([Linear, Strided], [False, True])):
        network = built(factory)
        images, labels = batch(6, 1, 2) if factory is Linear else batch()
        if soft:
            labels = 0.1 + 0.7 * nn.functional.one_hot(labels, 3)
        names = [name for name, _ in network.named_parameters()]
        for some in (names, names[:1], names[-1:]):
            found, expected = {}, {}
            for engine, into in ((OnePass(), found), (Autograd(), expected)):
                leaf = images.clone().requires_grad_()
                gradients = engine.gradients(network, leaf, labels, groups_of(MEMBERS), names=some)
                weights = {
                    n: torch.rand(g.shape, generator=stream(1)) for n, g in gradients.items()
                }
                value = sum((g * weights[n]).sum() + g.square().sum() for n, g in gradients.items())
                into.update({n: g.detach() for n, g in gradients.items()})
                into["images"] = torch.autograd.grad(value, leaf)[0]
            for name, tensor in expected.items():
                assert torch.allclose(found[name], tensor, rtol=1e-9, atol=1e-13), name
            assert not expected["images"][5].any()  # example 5 is in no group


def test_one_pass_refuses_shared_weights_by_name():
    images, labels = batch()
    with pytest.raises(UnsupportedNetwork, match=r"'conv' \(Conv2d\) twice.*autograd"):
        OnePass().gradients(
            built(Shared), images, labels, groups_of(MEMBERS), names=["conv.weight"]
        )


def test_the_reference_takes_shared_weights():
    images, labels = batch()
    found = Autograd().gradients(
        built(Shared), images, labels, groups_of(MEMBERS), names=["conv.weight"]
    )
    assert found["conv.weight"].shape == (4, 3, 3, 3, 3)


@pytest.mark.parametrize(
    ("layer", "kind"), [(nn.BatchNorm2d(4), "BatchNorm2d"), (nn.Dropout(0.5), "Dropout")]
)
def test_one_pass_refuses_modules_that_mix_examples(layer, kind):
    network, (images, labels) = built(lambda: Mixing(layer)), batch()
    with pytest.raises(UnsupportedNetwork, match=rf"layer \({kind}\).*autograd"):
        OnePass().gradients(network, images, labels, groups_of(MEMBERS), names=["conv.weight"])


def test_one_pass_refuses_a_parameter_it_has_no_rule_for():
    network, (images, labels) = built(lambda: Mixing(nn.PReLU())), batch()
    with pytest.raises(UnsupportedNetwork, match=r"'layer\.weight'.*PReLU"):
        OnePass().gradients(network, images, labels, groups_of(MEMBERS), names=["layer.weight"])
    OnePass().gradients(network, images, labels, groups_of(MEMBERS), names=["conv.weight"])


def test_the_reference_sees_each_group_as_a_batch_of_its_own_and_moves_no_statistics():
    network = built(lambda: Mixing(nn.BatchNorm2d(4)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images, labels = batch()
    member = MEMBERS[[0, 2, 3]]  # of one image alone, batch norm has nothing to normalise by
    found = Autograd().gradients(network, images, labels, groups_of(member), names=["conv.weight"])[
        "conv.weight"
    ]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    for row, m in enumerate(member):
        loss = nn.functional.cross_entropy(network(images[m]), labels[m])
        (expected,) = torch.autograd.grad(loss, network.conv.weight)
        assert torch.allclose(found[row], expected, atol=1e-14)


def test_hooks_are_gone_also_after_a_refusal():
    network, (images, labels) = built(Shared), batch()
    with pytest.raises(UnsupportedNetwork):
        OnePass().gradients(network, images, labels, groups_of(MEMBERS), names=["conv.weight"])
    assert not any(module._forward_hooks for module in network.modules())


def test_cells_are_the_examples_that_share_all_their_groups(each):
    for seed in each(range(5)):
        member = torch.rand(3, 12, generator=stream(seed)) < 0.4
        of_cell, share = cells(member)
        expected = {}
        for example in range(12):
            key = tuple(member[:, example].tolist())
            if any(key):
                expected.setdefault(key, []).append(example)
        found = {tuple(share[:, cell].tolist()): rows.tolist() for cell, rows in enumerate(of_cell)}
        assert found == expected
        assert share.shape == (3, len(of_cell))


def test_nested_sets_have_as_many_cells_as_sets():
    member = torch.arange(6)[None] < torch.tensor([6, 4, 1])[:, None]
    of_cell, _ = cells(member)
    assert sorted(rows.tolist() for rows in of_cell) == [[0], [1, 2, 3], [4, 5]]


@pytest.mark.parametrize(("name", "kind"), [("autograd", Autograd), ("one-pass", OnePass)])
def test_an_engine_asked_for_is_taken(name, kind):
    choice = choose(name, built(Linear), "fp32", compiled=False)
    assert isinstance(choice.engine, kind)
    assert (choice.name, choice.reason) == (name, "asked for")


def test_the_reference_is_chosen_for_a_network_that_mixes_examples():
    choice = choose("auto", built(lambda: Mixing(nn.BatchNorm2d(4))), "fp32", compiled=False)
    assert isinstance(choice.engine, Autograd)
    assert "layer (BatchNorm2d)" in choice.reason


def test_a_faster_engine_is_chosen_for_a_convnet():
    network = build("convnet2-w4", channels=3, classes=3, side=(8, 8), seed=0, path=("x",))
    choice = choose("auto", network, "fp32", compiled=False)
    assert choice.name in ("one-pass", "fused")
    assert choice.reason
