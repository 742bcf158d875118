"""Learning rates and herding orders of the released code (see the README beside the vectors)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from condensery.augment import Identity
from condensery.evaluation import EvaluatedSet, Protocol, protocol_for
from condensery.selection import herding
from condensery.training import SGDTraining


def test_the_learning_rate_of_every_epoch_is_that_of_the_release(each, shared_folder: Path):
    for images in each([10, 64, 100, 400]):
        golden = load_file(shared_folder / "golden" / "eval_lr_idc.safetensors")
        for epochs, lr in zip(golden["in.epochs"].tolist(), golden["in.lr"].tolist(), strict=True):
            training = SGDTraining(augment=Identity(), lr=lr)
            protocol = Protocol(name="idc", training=training, epochs=epochs)
            per_epoch = protocol.total_steps(images) // epochs
            rates = [protocol.lr(step, images=images) for step in range(epochs * per_epoch)]

            expected = golden[f"out.lr.E{epochs}"].repeat_interleave(per_epoch)
            found = torch.tensor(rates, dtype=torch.float64)
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_the_dc_protocol_drops_and_restarts_in_the_epoch_of_the_release(each, shared_folder: Path):
    for name, images in each(product(["dc", "dsa", "mtt"], [10, 256, 400])):
        golden = load_file(shared_folder / "golden" / "eval_lr_vico.safetensors")
        for epochs, lr in zip(golden["in.epochs"].tolist(), golden["in.lr"].tolist(), strict=True):
            own = protocol_for(name, EvaluatedSet(data="cifar10", learned_lr=lr), epochs=epochs)
            protocol = replace(own, training=replace(own.training, lr=lr))
            rates, anew = golden[f"out.lr.E{epochs}"], golden[f"out.new_optimizer.E{epochs}"]
            per_epoch = -(-images // 256)
            steps = range(protocol.total_steps(images))
            assert len(steps) == len(rates) * per_epoch

            found = torch.tensor(
                [protocol.lr(step, images=images) for step in steps], dtype=torch.float64
            )
            torch.testing.assert_close(
                found, rates.repeat_interleave(per_epoch), rtol=1e-12, atol=0
            )
            restarts = [step for step in steps if protocol.restarts(step, images=images)]
            assert restarts == [
                per_epoch * epoch for epoch in anew.nonzero()[:, 0].tolist() if epoch
            ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_herding_order_is_that_of_the_release(shared_folder: Path, dtype: torch.dtype):
    golden = load_file(shared_folder / "golden" / "herding.safetensors")
    count = int(golden["in.n_select"])
    for class_ in range(int(golden["in.n_class"])):
        own = (golden["in.targets"] == class_).nonzero()[:, 0]
        order = own[herding(golden["in.features"][own].to(dtype), count=count)]

        assert order.tolist() == golden["out.indices.released"][class_].tolist()
