"""A value is sent to a device once, and what is remembered has a limit."""

from __future__ import annotations

import pytest
import torch

from condensery import placed
from condensery.placed import on, positions

META = torch.device("meta")  # takes tensors as another device does


@pytest.fixture(autouse=True)
def _nothing_known():
    placed._known.clear()


def test_on_the_cpu_nothing_happens():
    value = torch.arange(3)
    assert on("cpu", value) is value
    there = torch.zeros(3, device=META)
    assert on(META, there) is there


def test_the_same_value_is_sent_once_and_another_one_anew():
    first = on(META, torch.tensor([1, 2]))
    assert on(META, torch.tensor([1, 2])) is first
    others = (torch.tensor([1, 3]), torch.tensor([[1, 2]]), torch.tensor([1, 2]).int())
    sent = [on(META, other) for other in others]
    assert all(each is not first for each in sent)
    assert [each.dtype for each in sent] == [torch.int64, torch.int64, torch.int32]
    mask = torch.tensor([[True, False]])
    assert on(META, mask) is on(META, mask.clone())
    assert on(META, torch.tensor(True)).shape == ()


def test_large_values_are_not_remembered_and_old_ones_are_forgotten(monkeypatch):
    large = torch.zeros(placed._LARGEST + 1, dtype=torch.uint8)
    assert on(META, large) is not on(META, large)
    monkeypatch.setattr(placed, "_MOST", 2)
    kept, gone = torch.tensor(1), torch.tensor(2)
    first, second = on(META, kept), on(META, gone)
    assert on(META, kept) is first
    on(META, torch.tensor(3))
    assert on(META, kept) is first
    assert on(META, gone) is not second


def test_positions_of_a_mask_ascend():
    assert positions(torch.tensor([False, True, False, True])).tolist() == [1, 3]
