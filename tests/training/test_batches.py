from __future__ import annotations

from itertools import islice

import pytest
import torch

from condensery.data import ImageData
from condensery.errors import ConfigError, DataError
from condensery.rng import stream
from condensery.training import SGDTraining, batches, real_batches


def take(count: int, size: int, number: int, seed: int = 0) -> list[torch.Tensor]:
    return list(islice(batches(count, size, rng=stream(seed, "test")), number))


def test_every_position_comes_once_an_epoch_and_the_last_batch_is_what_remains():
    drawn = take(10, 4, 6)

    assert [len(index) for index in drawn] == [4, 4, 2, 4, 4, 2]
    for epoch in (drawn[:3], drawn[3:]):
        assert torch.cat(epoch).sort().values.tolist() == list(range(10))


def test_full_batches_go_on_into_the_next_epoch_and_leave_no_position_out():
    order = list(islice(batches(7, 3, rng=stream(0, "order"), full=True), 7))
    assert [len(batch) for batch in order] == [3] * 7
    epochs = torch.cat(order).view(3, 7)
    assert all(sorted(epoch.tolist()) == list(range(7)) for epoch in epochs)
    plain = list(islice(batches(7, 7, rng=stream(0, "order")), 3))
    assert torch.equal(epochs, torch.stack(plain))


def test_every_epoch_has_its_own_order():
    drawn = take(50, 50, 2)

    assert drawn[0].tolist() != list(range(50))
    assert drawn[0].tolist() != drawn[1].tolist()


def test_a_batch_larger_than_the_pool_is_the_whole_pool_each_time():
    drawn = take(3, 64, 4)

    assert [sorted(index.tolist()) for index in drawn] == [[0, 1, 2]] * 4


def test_the_same_stream_gives_the_same_batches_and_another_gives_others():
    assert all(map(torch.equal, take(20, 6, 9), take(20, 6, 9)))
    assert not torch.equal(torch.cat(take(20, 6, 9)), torch.cat(take(20, 6, 9, seed=1)))


def test_an_empty_pool_and_an_empty_batch_are_refused_before_the_first_draw():
    with pytest.raises(DataError, match="no image"):
        batches(0, 4, rng=stream(0))
    with pytest.raises(ConfigError, match="batch = 0"):
        batches(4, 0, rng=stream(0))


def test_real_batches_are_normalised_images_with_their_own_labels():
    labels = torch.arange(12)
    images = (labels * 10).to(torch.uint8)[:, None, None, None].expand(12, 2, 3, 3)
    data = ImageData(
        name="ramp",
        images=images.contiguous(),
        labels=labels,
        class_names=tuple(map(str, range(12))),
        mean=(0.25, 0.5),
        std=(0.5, 0.125),
    )
    choices = SGDTraining(batch=5)

    drawn = list(real_batches(data, choices, steps=7, rng=stream(3, "real")))

    expected = list(islice(batches(12, 5, rng=stream(3, "real")), 7))
    assert len(drawn) == 7
    for batch, index in zip(drawn, expected, strict=True):
        assert torch.equal(batch.labels, index)
        value = index.float() * 10 / 255
        torch.testing.assert_close(batch.images[:, 0, 1, 2], (value - 0.25) / 0.5)
        torch.testing.assert_close(batch.images[:, 1, 0, 0], (value - 0.5) / 0.125)
