"""Which implementation answers, and that all of them know the loss of a mixed batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from condensery.engines.fused.blocks import EAGER, Blocks
from condensery.networks import build
from condensery.rng import stream
from condensery.training import gradients as module
from condensery.training.gradients import MixedBatch, gradients_of
from condensery.training.precision import loss_fp32, loss_function


def network(name: str) -> nn.Module:
    return build(name, channels=3, classes=5, side=(8, 8), seed=0, path=())


def mixed(count: int = 6, *, soft: bool = False) -> MixedBatch:
    rng = stream(0, "batch")
    labels = torch.randint(5, (count,), generator=rng)
    partner = torch.randint(5, (count,), generator=rng)
    if soft:
        labels, partner = (functional.one_hot(part, 5).float() * 0.7 for part in (labels, partner))
    return MixedBatch(
        torch.randn(count, 3, 8, 8, generator=rng), labels, partner, torch.tensor(0.3)
    )


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compiling leaves everything as it is; gives the lengths that a compiled loss has seen."""
    seen: list[int] = []

    def loss_function(precision: str, *, compiled: bool, loss: str, architecture: str = ""):
        def own(net: nn.Module, images: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
            if compiled:
                seen.append(len(images))
            return loss_fp32(net, images, *rest)

        return own

    monkeypatch.setattr(module, "loss_function", loss_function)
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    return seen


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Compiling leaves everything as it is; gives the choices of the calls of ``torch.compile``."""
    seen: list[dict[str, object]] = []

    def compile(function, **choices):
        seen.append(choices)
        return function

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr(module._Graphs, "failed", False)
    loss_function.cache_clear()
    yield seen
    loss_function.cache_clear()


def test_graphs_replay_full_batches_of_a_loss_that_is_compiled_so(asked, monkeypatch):
    marks: list[int] = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: marks.append(1))
    net = network("convnet2-w4")
    loss, found = gradients_of(net, precision="fp32", compiled=False, batch=6).of(mixed())
    graphs = gradients_of(net, precision="fp32", compiled="graphs", batch=6)

    again, replayed = graphs.of(mixed())
    assert again.equal(loss)
    assert all(a.equal(b) for a, b in zip(found, replayed, strict=True))
    assert {"dynamic": False, "mode": "reduce-overhead"} in asked
    assert not graphs.fused()
    graphs.of(mixed(5))
    assert len(marks) == 1  # another length would be another graph


def test_without_graphs_training_goes_on_as_compiled_and_says_so_once(asked, monkeypatch, caplog):
    def compile(function, **choices):
        def refused(*_):
            raise RuntimeError("no graph can be captured")

        return refused if "mode" in choices else function

    monkeypatch.setattr(torch, "compile", compile)
    net = network("mlp")
    loss, _ = gradients_of(net, precision="fp32", compiled=False, batch=6).of(mixed())
    for _ in range(2):
        graphs = gradients_of(net, precision="fp32", compiled="graphs", batch=6)
        assert torch.allclose(graphs.of(mixed())[0], loss)
    (record,) = caplog.records
    assert "without CUDA graphs" in record.message
    assert "because torch cannot make them here: no graph can be captured." in record.message


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("soft", [False, True])
def test_the_fused_loss_knows_the_loss_of_mixed_labels_hard_and_soft(soft: bool):
    net = network("convnet2-w4")
    mix = mixed(soft=soft)

    exact, expected = gradients_of(net, precision="fp32", compiled=False, batch=6).of(mix)
    loss, found = gradients_of(net, precision="fp32", compiled=True, batch=6).of(mix)

    assert not found[1].any()  # autograd gives the first bias a gradient of rounding errors
    assert expected[1].any()
    torch.testing.assert_close(loss, exact, rtol=1e-5, atol=1e-6)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("uncompiled")
def test_the_fused_loss_of_a_double_precision_network_is_exact():
    net = network("convnet2-w4").double()
    images, *labels, ratio = mixed()
    mix = MixedBatch(images.double(), *labels, ratio.double())

    exact, expected = gradients_of(net, precision="fp32", compiled=False, batch=6).of(mix)
    loss, found = gradients_of(net, precision="fp32", compiled=True, batch=6).of(mix)

    torch.testing.assert_close(loss, exact, rtol=1e-13, atol=0)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("uncompiled")
def test_the_fused_loss_answers_for_the_parameters_that_are_trained():
    net = network("convnet2-w4")
    net.blocks[0].norm.bias.requires_grad_(False)

    _, found = gradients_of(net, precision="fp32", compiled=True, batch=6).of(mixed())

    trained = [p for p in net.parameters() if p.requires_grad]
    assert [g.shape for g in found] == [p.shape for p in trained]


def test_of_other_networks_only_full_batches_are_compiled(uncompiled: list[int]):
    gradients = gradients_of(network("convnet2-w4-bn"), precision="bf16", compiled=True, batch=6)
    for count in (6, 2, 6, 5):
        gradients.of(mixed(count))

    assert uncompiled == [6, 6]


def test_a_network_of_known_layers_never_meets_the_compiled_loss(uncompiled: list[int]):
    gradients = gradients_of(network("convnet2-w4"), precision="fp32", compiled=True, batch=6)
    for count in (6, 2):
        gradients.of(mixed(count))

    assert uncompiled == []


def test_uncompiled_every_network_is_differentiated_by_autograd(
    uncompiled: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "FusedLoss", None)
    for name in ("convnet2-w4", "convnet2-w4-bn"):
        gradients_of(network(name), precision="bf16", compiled=False, batch=6).of(mixed())

    assert uncompiled == []


@pytest.mark.parametrize("name", ["convnet2-w4", "convnet2-w4-bn"])
def test_where_compiling_fails_autograd_goes_on_and_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*given: object, **how: object):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", lambda function, **how: broken)
    module.loss_function.cache_clear()
    monkeypatch.setattr(
        "condensery.engines.fused.sweep.compiled_blocks", lambda: Blocks(lambda do: broken)
    )
    net = network(name)
    try:
        gradients = gradients_of(net, precision="fp32", compiled=True, batch=6)
        results = [gradients.of(mixed()), gradients.of(mixed())]
    finally:
        module.loss_function.cache_clear()

    expected = gradients_of(net, precision="fp32", compiled=False, batch=6).of(mixed())
    for loss, found in results:
        assert torch.equal(loss, expected[0])
        assert all(map(torch.equal, found, expected[1]))
    assert caplog.text.count("no compiler here") == 1


def test_more_networks_than_torch_compiles_of_one_function_are_all_compiled(monkeypatch):
    graphs: list[object] = []
    compile, limit = torch.compile, 3
    # Set, because others set it too: timm raises it to a million when it is imported.
    monkeypatch.setattr(torch._dynamo.config, "cache_size_limit", limit)  # its old name

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda own, **_: compile(own, backend=backend))
    module.loss_function.cache_clear()
    for width in range(2, limit + 4):
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, width), nn.Tanh(), nn.Linear(width, 5))
        for _ in range(2):
            gradients_of(net, precision="fp32", compiled=True, batch=6).of(mixed())
    module.loss_function.cache_clear()
    assert len(graphs) == limit + 2
