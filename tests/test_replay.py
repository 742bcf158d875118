"""A memory of fixed size: every class is cut to the same prefix when others arrive."""

from __future__ import annotations

import pytest
import torch

import condensery
from condensery.errors import ConfigError


def selected(*classes: str, ipc: int = 6) -> condensery.CondensedSet:
    return condensery.select(
        condensery.load_data("digits", classes=list(classes)), by="first", ipc=ipc
    )


ROW = selected("0", "1", ipc=1).bytes_of(1) // 2


def test_classes_are_cut_to_prefixes_of_equal_length_when_others_arrive():
    memory, first = condensery.ReplayMemory(13 * ROW), selected("3", "1")
    assert memory.add(first) == 6
    assert memory.add(selected("0", "5")) == 3
    assert memory.add(selected("8", "9")) == 2
    assert set(memory.class_names) == {"1", "3", "0", "5", "8", "9"}
    assert memory.bytes == 12 * ROW <= memory.budget
    own = memory.condensed.labels == 0
    assert torch.equal(
        memory.condensed.stored["images"][own], first.stored["images"][first.labels == 0][:2]
    )
    assert "6 classes, 2 images per class" in repr(memory)
    assert len(memory) == len(memory.as_dataset()) == 12
    assert next(iter(memory.as_dataloader(batch_size=5)))[0].shape[0] == 5


def test_a_set_that_does_not_fit_leaves_the_memory_as_it_was(each):
    memory = condensery.ReplayMemory(3 * ROW)
    memory.add(selected("0", "1"))
    before = memory.condensed
    for more, reason in each(
        [(selected("2", "3"), "but the budget is"), (selected("1", "4"), "class 1")]
    ):
        with pytest.raises(ConfigError, match=reason):
            memory.add(more)
        assert memory.condensed is before


def test_a_saved_memory_goes_on_with_a_smaller_budget(tmp_path):
    memory = condensery.ReplayMemory("1M")
    memory.add(selected("0", "1"))
    memory.save(tmp_path / "memory.safetensors")
    again = condensery.ReplayMemory.load(tmp_path / "memory.safetensors", 5 * ROW)
    assert (again.ipc, again.class_names) == (2, ("0", "1"))


def test_an_empty_memory_says_so():
    memory = condensery.ReplayMemory("10k")
    assert (memory.ipc, memory.bytes, len(memory), memory.class_names) == (0, 0, 0, ())
    with pytest.raises(ConfigError, match="empty"):
        _ = memory.condensed
    with pytest.raises(ConfigError, match="leaves no byte"):
        condensery.ReplayMemory(0)
