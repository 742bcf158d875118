"""A random batch of every class."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.samplers import RandomPerClass
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.rng import stream


def data(counts=(8, 2, 5)):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=stream(0))]
    images = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    names = tuple("abc"[: len(counts)])
    return ImageData(
        name="n", images=images, labels=labels, class_names=names, mean=(0.0,), std=(1.0,)
    )


def positions(real):
    """Every image's grey is its position in the data."""
    return (real.images[:, 0, 0, 0] * 255).round().long().tolist()


def test_a_batch_holds_different_images_of_every_class_in_range():
    source = data()
    real = RandomPerClass(batch=4).draw(source, rng=stream(1))
    found = positions(real)
    assert len(set(found)) == len(found)
    assert source.labels[found].tolist() == [0] * 4 + [1] * 2 + [2] * 4  # the small class whole
    assert torch.equal(real.labels, source.labels[found])
    assert torch.equal(real.class_, real.labels)
    assert not real.rank.any()
    assert real.images.dtype == torch.float32


def test_every_image_is_drawn_alike():
    source = data()
    count = torch.zeros(15)
    for n in range(400):
        count[positions(RandomPerClass(batch=2).draw(source, rng=stream(n)))] += 1
    share = count / 400
    for c, size in enumerate((8, 2, 5)):
        assert (share[source.labels == c] - min(1, 2 / size)).abs().max() < 0.11


def test_one_stream_gives_one_batch_and_another_gives_another():
    one, same, other = (
        positions(RandomPerClass(batch=4).draw(data(), rng=stream(n))) for n in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_a_larger_batch_begins_with_the_smaller_one_of_the_first_class():
    small, large = (positions(RandomPerClass(batch=n).draw(data(), rng=stream(1))) for n in (2, 4))
    assert large[:2] == small[:2]


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"sampler\.batch = 0"):
        RandomPerClass(batch=0)
