"""Stored images: where they start, what they decode to, whose pixel is whose."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from condensery.condensing.init import FirstImages, RandomImages
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.parameterizations import (
    MultiFormation,
    Pixels,
    decode_crops,
    decoder,
    encode_mix,
    stored_rows,
)
from condensery.rng import stream


def data(counts=(12, 6), *, side=(8, 8), channels=2):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=stream(0))]
    shape = (len(labels), channels, *side)
    return ImageData(
        name="small",
        images=torch.randint(0, 256, shape, generator=stream(1)).to(torch.uint8),
        labels=labels,
        class_names=tuple("abc"[: len(counts)]),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


def started(part, *, counts=(3, 2), start=None, classes=(12, 6), **more):
    source = data(classes, **more)
    start = RandomImages() if start is None else start
    return source, start.make(
        part, source, counts=torch.tensor(counts), rng=stream(0), network=pytest.fail
    )


def test_rows_are_sorted_by_rank_then_class_and_small_classes_end_early():
    rank, class_ = stored_rows(torch.tensor([3, 1, 2]))
    assert rank.tolist() == [0, 0, 0, 1, 1, 2]
    assert class_.tolist() == [0, 1, 2, 0, 2, 0]


def test_pixels_are_what_they_store():
    source, stored = started(Pixels())
    images = source.pixels(torch.arange(3))
    assert Pixels().examples_each == 1
    assert torch.equal(Pixels().pack(images), images)
    assert Pixels().decode(stored) is stored
    assert Pixels().pixel_rank(stored).shape == (5, 1, 8, 8)


def test_the_first_mosaic_packs_the_first_images_in_data_set_order():
    source, stored = started(MultiFormation(), start=FirstImages())
    assert MultiFormation().examples_each == 4
    for class_, count in ((0, 3), (1, 2)):
        own = source.of_class(class_)
        index = [own[(k * count + i) % len(own)] for k in range(4) for i in range(count)]
        small = F.interpolate(source.pixels(torch.stack(index)), size=(4, 4), mode="nearest")
        mine = stored.images[stored.class_ == class_]
        for k in range(4):
            top, left = 4 * (k // 2), 4 * (k % 2)
            crop = mine[:, :, top : top + 4, left : left + 4]
            assert torch.equal(crop, small[k * count : (k + 1) * count])


def test_a_mix_packs_different_images_while_there_are_any():
    source, stored = started(MultiFormation())
    small = F.interpolate(source.pixels(source.of_class(0)), size=(4, 4), mode="nearest")
    mine = stored.images[stored.class_ == 0]
    crops = mine.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    which = [(small == crop).flatten(1).all(dim=1).nonzero()[0].item() for crop in crops]
    assert sorted(which) == list(range(12))


def test_a_side_that_is_no_multiple_is_packed_with_larger_crops_first():
    images = torch.rand(9, 1, 8, 7, generator=stream(0))
    stored = encode_mix(images, factor=3)
    assert stored.shape == (1, 1, 8, 7)
    for row, (top, height) in enumerate([(0, 3), (3, 3), (6, 2)]):
        for column, (left, width) in enumerate([(0, 3), (3, 2), (5, 2)]):
            one = images[3 * row + column][None]
            expected = F.interpolate(one, size=(height, width), mode="nearest")
            assert torch.equal(stored[:, :, top : top + height, left : left + width], expected)


def naive_bilinear(crop, height, width):
    """Enlarge a crop by the definition: half-pixel centres, clamped at the border."""
    rows, columns = crop.shape
    out = torch.empty(height, width, dtype=crop.dtype)
    for y in range(height):
        for x in range(width):
            v = max((y + 0.5) * rows / height - 0.5, 0)
            u = max((x + 0.5) * columns / width - 0.5, 0)
            top, left = min(int(v), rows - 1), min(int(u), columns - 1)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            a, b = v - top, u - left
            out[y, x] = (1 - a) * ((1 - b) * crop[top, left] + b * crop[top, right]) + a * (
                (1 - b) * crop[bottom, left] + b * crop[bottom, right]
            )
    return out


def test_crops_are_enlarged_by_the_formula(each):
    for factor, side in each([(1, (5, 5)), (2, (8, 6)), (2, (7, 7)), (3, (8, 8))]):
        height, width = side
        images = torch.rand(2, 1, height, width, generator=stream(0), dtype=torch.float64)
        found = decode_crops(images, factor=factor)
        assert found.shape == (2, factor**2, 1, height, width)
        rows, columns = -(-height // factor), -(-width // factor)
        padded = torch.full((2, rows * factor, columns * factor), 0.5, dtype=torch.float64)
        padded[:, :height, :width] = images[:, 0]
        for i in range(2):
            for k in range(factor**2):
                top, left = (k // factor) * rows, (k % factor) * columns
                crop = padded[i, top : top + rows, left : left + columns]
                expected = naive_bilinear(crop, height, width)
                assert torch.allclose(found[i, k, 0], expected, atol=1e-12)


def test_image_order_keeps_the_crops_of_an_image_together():
    part = MultiFormation(factor=2, order="image")
    _, stored = started(part)
    decoded = part.decode(stored)
    crops = decode_crops(stored.images, factor=2)
    assert torch.equal(decoded.images, crops.flatten(0, 1))
    assert decoded.rank.tolist() == [r for r in (0, 0, 1, 1, 2) for _ in range(4)]
    assert decoded.class_.tolist() == [c for c in (0, 1, 0, 1, 0) for _ in range(4)]
    assert torch.equal(decoded.labels, decoded.class_)


def test_crop_order_counts_crops_position_first():
    """Three images of class 0: crop 0 of images 0, 1, 2, then crop 1 of image 0 make size 1."""
    part = MultiFormation(factor=2, order="crop")
    _, stored = started(part, counts=(3, 2))
    decoded = part.decode(stored)
    crops = decode_crops(stored.images, factor=2)
    assert torch.equal(decoded.images, crops.transpose(0, 1).flatten(0, 1))
    images, seen = stored.rank.repeat(4), {}
    for example in range(len(decoded)):
        crop = example // len(stored)
        key = (int(decoded.class_[example]), int(decoded.rank[example]))
        seen.setdefault(key, []).append((crop, int(images[example])))
    assert {key: sorted(crops) for key, crops in seen.items()} == {
        (0, 0): [(0, 0), (0, 1), (0, 2), (1, 0)],
        (0, 1): [(1, 1), (1, 2), (2, 0), (2, 1)],
        (0, 2): [(2, 2), (3, 0), (3, 1), (3, 2)],
        (1, 0): [(0, 0), (0, 1), (1, 0), (1, 1)],
        (1, 1): [(2, 0), (2, 1), (3, 0), (3, 1)],
    }


def test_soft_labels_are_repeated_with_their_images():
    _, stored = started(MultiFormation())
    soft = torch.rand(5, 2, generator=stream(5))
    for order in ("image", "crop"):
        part = MultiFormation(order=order)
        rows = type(stored)(
            images=stored.images, labels=soft, class_=stored.class_, rank=stored.rank
        )
        decoded = part.decode(rows)
        for example in range(len(decoded)):
            row = example // 4 if order == "image" else example % 5
            assert torch.equal(decoded.labels[example], soft[row])


def test_the_rank_of_a_pixel_is_the_smallest_that_reads_it(each):
    """By autograd: what the examples of ``rank < k`` read is what ``pixel_rank < k`` says."""
    for part, side in each(
        product(
            [
                Pixels(),
                MultiFormation(factor=1),
                MultiFormation(factor=2),
                MultiFormation(factor=3),
                MultiFormation(factor=2, order="crop"),
                MultiFormation(factor=3, order="crop"),
            ],
            [(8, 8), (7, 9)],
        )
    ):
        _, stored = started(part, side=side, channels=1)
        images = stored.images.double().requires_grad_()
        decoded = part.decode(stored.with_images(images))
        rank = part.pixel_rank(stored)
        assert rank.shape == (5, 1, *side)
        weight = torch.rand(decoded.images.shape, generator=stream(0), dtype=torch.float64) + 0.1
        for k in (1, 2, 3):
            inside = (decoded.rank < k)[:, None, None, None]
            (read,) = torch.autograd.grad(
                decoded.images, images, weight * inside, retain_graph=True
            )
            assert torch.equal(read != 0, rank < k)


def test_what_a_file_says_about_decoding_gives_the_same_decoding(each):
    for part in each([Pixels(), MultiFormation(), MultiFormation(factor=3, order="crop")]):
        _, stored = started(part)
        read = decoder(part.decode_json())
        assert type(read) is type(part)
        found, expected = read.decode(stored), part.decode(stored)
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.rank, expected.rank)


def test_an_unknown_decoding_is_refused(each):
    for description in each(
        [
            {},
            {"kind": "wavelets"},
            {"kind": "multi-formation"},
            {"kind": "multi-formation", "factor": "2", "order": "image"},
            {"kind": "multi-formation", "factor": 2, "order": "column"},
        ]
    ):
        with pytest.raises(ConfigError, match=r"decode(\.\w+)? = "):
            decoder(description)


def test_choices_that_cannot_work_are_refused(each):
    for make, said in each(
        [
            (lambda: MultiFormation(order="row"), "order = 'row'.*image, crop"),
            (lambda: MultiFormation(factor=0), "factor = 0"),
            (lambda: started(MultiFormation(factor=9)), "at most 8"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            make()


def test_a_class_with_few_images_starts_over_to_fill_its_mosaics():
    source, stored = started(MultiFormation(), start=FirstImages(), counts=(3, 2), classes=(12, 2))
    mine = stored.images[stored.class_ == 1]  # 8 crops of 2 images: image i fills all of mosaic i
    small = F.interpolate(source.pixels(source.of_class(1)), size=(4, 4), mode="nearest")
    assert torch.equal(mine, small.repeat(1, 1, 2, 2))
