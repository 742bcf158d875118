from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from condensery.data import ImageData
from condensery.engines.fused.blocks import EAGER, Blocks
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.training import accuracy, share_right


class Brightness(nn.Module):
    """Answers class 1 for images brighter than their set's mean, class 0 for the others."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.9)  # would ruin the answer in train mode
        self.sign = nn.Parameter(torch.tensor([-1.0, 1.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.drop(images.mean(dim=(1, 2, 3))[:, None] * self.sign)


def ramp(wrong: int) -> ImageData:
    """Ten images of rising brightness around the mean, ``wrong`` of them labelled wrongly."""
    bright = torch.tensor([10, 30, 50, 70, 90, 130, 150, 170, 190, 210], dtype=torch.uint8)
    labels = torch.tensor([0] * 5 + [1] * 5)
    labels[:wrong] = 1 - labels[:wrong]
    return ImageData(
        name="ramp",
        images=bright[:, None, None, None].expand(10, 1, 4, 4).contiguous(),
        labels=labels,
        class_names=("dark", "bright"),
        mean=(110 / 255,),
        std=(0.5,),
    )


def test_the_share_of_right_answers_does_not_depend_on_the_batch(each):
    for batch, wrong in each(product([1, 3, 256], [0, 1, 3])):
        assert accuracy(Brightness(), ramp(wrong), batch=batch) == (10 - wrong) / 10


def test_the_largest_label_counts_where_labels_are_probabilities(each):
    data, network = ramp(3), Brightness()
    images = data.normalise(data.pixels(torch.arange(10)))
    soft = torch.where(nn.functional.one_hot(data.labels) == 1, 0.6, 0.4)
    for labels in each([data.labels, soft]):
        batches = zip(images.split(4), labels.split(4), strict=True)
        assert share_right(network, batches) == 0.7


def test_bfloat16_gives_the_same_answers_where_they_are_clear():
    assert accuracy(Brightness(), ramp(2), precision="bf16") == 0.8


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_put_back_as_it_was(training: bool):
    network = Brightness().train(training)
    accuracy(network, ramp(0))

    assert network.training is training
    assert network.drop.training is training


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="fp61"):
        accuracy(Brightness(), ramp(0), precision="fp61")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_convnet_gives_the_same_answers(precision: str, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def compiled() -> Blocks:
        asked.append(1)
        return EAGER

    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", compiled)
    network = build("convnet1-w4", channels=1, classes=2, side=(4, 4), seed=0, path=())
    shares = {
        compiled: accuracy(network, ramp(0), batch=3, precision=precision, compiled=compiled)
        for compiled in (False, True)
    }

    assert shares[True] == shares[False]
    assert asked


def test_where_compiling_fails_the_network_itself_is_tested_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*given: object):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(
        "condensery.engines.fused.sweep.compiled_blocks", lambda: Blocks(lambda do: broken)
    )
    network = build("convnet1-w4", channels=1, classes=2, side=(4, 4), seed=0, path=())

    share = accuracy(network, ramp(0), batch=3, compiled=True)

    assert share == accuracy(network, ramp(0), batch=3)
    assert caplog.text.count("no compiler here") == 1
