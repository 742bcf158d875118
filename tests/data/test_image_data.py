"""ImageData is checked against plain loops over its images; its fingerprint behaviourally."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import pytest
import torch

from condensery.data import ImageData
from condensery.errors import DataError
from condensery.rng import stream


def made(**changes: object) -> ImageData:
    rng = stream(0, "test")
    fields: dict[str, object] = {
        "name": "made",
        "images": torch.randint(0, 256, (12, 3, 4, 5), generator=rng, dtype=torch.uint8),
        "labels": torch.tensor([2, 0, 1, 2, 2, 0, 1, 2, 0, 2, 1, 2]),
        "class_names": ("a", "b", "c"),
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 1.0, 2.0),
    }
    return ImageData(**{**fields, **changes})  # type: ignore[arg-type]


def test_shape_words_follow_the_images():
    data = made()
    assert (len(data), data.channels, data.side, data.classes) == (12, 3, (4, 5), 3)


def test_counts_include_classes_without_images():
    data = made(class_names=("a", "b", "c", "d"))
    assert data.counts().tolist() == [3, 3, 6, 0]
    assert data.of_class(3).tolist() == []


def test_of_class_gives_positions_in_data_set_order():
    data = made()
    for class_ in range(3):
        expected = [i for i, label in enumerate(data.labels.tolist()) if label == class_]
        assert data.of_class(class_).tolist() == expected


def test_pixels_are_bytes_divided_by_255():
    data = made()
    pixels = data.pixels(torch.tensor([3, 0]))
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels[0], data.images[3].to(torch.float32) / 255)
    assert torch.equal(pixels[1], data.images[0].to(torch.float32) / 255)
    assert data.images.dtype == torch.uint8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalise_works_per_channel_and_keeps_the_dtype(dtype: torch.dtype):
    data = made()
    images = data.pixels(torch.arange(2)).to(dtype)
    normal = data.normalise(images)
    assert normal.dtype == dtype
    for channel in range(3):
        expected = (images[:, channel] - data.mean[channel]) / data.std[channel]
        torch.testing.assert_close(normal[:, channel], expected)


def test_normalise_lets_gradients_through():
    data = made()
    images = data.pixels(torch.arange(2)).requires_grad_()
    data.normalise(images).sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(images.grad[0, :, 0, 0], torch.tensor([2.0, 1.0, 0.5]))


def test_the_fingerprint_depends_on_pixels_labels_and_order_only():
    data = made()
    same = made(name="other", class_names=("x", "y", "z"), mean=(0.0,) * 3, std=(1.0,) * 3)
    assert same.fingerprint == data.fingerprint
    assert len(data.fingerprint) == 32
    pixel = data.images.clone()
    pixel[5, 1, 2, 3] ^= 1
    order = torch.tensor([1, 0, *range(2, 12)])
    changed = [
        replace(data, images=pixel),
        replace(data, labels=data.labels.roll(1)),
        replace(data, images=data.images[order], labels=data.labels[order]),
        replace(data, images=data.images.reshape(12, 3, 5, 4)),
    ]
    assert len({entry.fingerprint for entry in (data, *changed)}) == 5


def test_the_fingerprint_does_not_depend_on_memory_layout():
    data = made()
    turned = data.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert not turned.is_contiguous()
    assert replace(data, images=turned).fingerprint == data.fingerprint


def test_the_fingerprint_is_blake2b_of_shape_pixels_and_labels():
    images = torch.arange(32, dtype=torch.uint8).reshape(2, 1, 4, 4)
    data = made(images=images, labels=torch.tensor([0, 1]), mean=(0.0,), std=(1.0,))
    content = b"2,1,4,4" + bytes(range(32)) + struct.pack("<2q", 0, 1)
    assert data.fingerprint == hashlib.blake2b(content, digest_size=16).hexdigest()


def test_moving_to_a_device_changes_nothing_else():
    moved = made().to("cpu")
    assert moved.fingerprint == made().fingerprint
    assert moved.name == "made"


def test_fields_that_do_not_fit_are_refused(each):
    for changes, message in each(
        [
            ({"images": torch.zeros(12, 3, 4, 5)}, "float32"),
            ({"images": torch.zeros(12, 4, 5, dtype=torch.uint8)}, "shape"),
            ({"images": torch.zeros(0, 3, 4, 5, dtype=torch.uint8)}, "empty axis"),
            ({"labels": torch.zeros(11, dtype=torch.int64)}, "12 images need"),
            ({"labels": torch.zeros(12, dtype=torch.int32)}, "int32"),
            ({"labels": torch.full((12,), 3)}, "labels run from 3 to 3"),
            ({"labels": torch.full((12,), -1)}, "labels run from -1"),
            ({"mean": (0.1,)}, "do not fit 3 channel"),
            ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ]
    ):
        with pytest.raises(DataError, match=message):
            made(**changes)
