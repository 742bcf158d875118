"""CutMix: boxes, partners and the ratio of their areas."""

from __future__ import annotations

from itertools import product

import torch

from condensery.augment import cutmix
from condensery.augment.cutmix import Box, box_around, paste
from condensery.rng import stream

SIDE = (12, 20)


def batch(count=8):
    """Images that are constant and equal to their position, so that pixels tell the owner."""
    images = torch.arange(count, dtype=torch.float64)[:, None, None, None].expand(-1, 3, *SIDE)
    return images, torch.arange(count)


def test_probability_zero_leaves_the_batch_as_it_is():
    images, labels = batch()
    mixed = cutmix(images, labels, probability=0.0, rng=stream(0))
    assert mixed.images is images
    assert torch.equal(mixed.partner_labels, labels)
    assert mixed.ratio == 1


def test_a_batch_is_mixed_as_often_as_asked():
    images, labels = batch(2)
    rng = stream(0)
    mixed = [cutmix(images, labels, probability=0.3, rng=rng).images for _ in range(600)]
    share = sum(one is not images for one in mixed) / len(mixed)
    assert abs(share - 0.3) < 0.06  # 3 standard deviations


def test_pixels_come_from_the_partner_inside_one_box_and_the_ratio_is_its_area():
    images, labels = batch()
    rng = stream(1)
    for _ in range(50):
        mixed = cutmix(images, labels, probability=1.0, rng=rng)
        for n in range(len(images)):
            own = (mixed.images[n] == labels[n]).all(dim=0)
            theirs = (mixed.images[n] == mixed.partner_labels[n]).all(dim=0)
            if mixed.partner_labels[n] == labels[n]:
                assert bool(own.all())
                continue
            assert bool((own ^ theirs).all())
            assert abs(own.double().mean() - mixed.ratio) < 1e-12
            box = theirs.nonzero()
            if len(box):
                height, width = (box.amax(dim=0) - box.amin(dim=0) + 1).tolist()
                assert height * width == len(box)


def test_partners_are_a_permutation_and_the_argument_is_not_changed():
    images, labels = batch()
    images = images.clone()
    before = images.clone()
    mixed = cutmix(images, labels, probability=1.0, rng=stream(2))
    assert mixed.partner_labels.sort().values.equal(labels)
    assert not mixed.partner_labels.equal(labels)
    assert images.equal(before)


def test_the_share_of_the_box_is_uniform_before_the_border_cuts_it():
    # A box of side r around a uniform centre covers r - r^2/4 of an axis on average; with r^2
    # uniform, the mean of its square is 1/2 - 1/5 + 1/48.
    images, labels = torch.zeros(2, 1, 64, 64), torch.arange(2)
    rng = stream(3)
    ratios = torch.tensor(
        [cutmix(images, labels, probability=1.0, rng=rng).ratio for _ in range(2000)]
    )
    assert abs(ratios.mean() - (1 - 0.3208)) < 0.02  # 3 standard errors, and the rounding
    assert ratios.min() < 0.2
    assert ratios.max() > 0.99


def test_a_box_is_twice_its_rounded_half_side_cut_off_at_the_border(each):
    for centre, outside in each(product([(0, 0), (5, 13), (11, 19)], [0.0, 0.2, 0.77, 1.0])):
        box = box_around(SIDE, outside=outside, centre=centre)
        rows, columns = [], []
        for length, middle, out in ((SIDE[0], centre[0], rows), (SIDE[1], centre[1], columns)):
            half = int(length * (1 - outside) ** 0.5) // 2
            out += [i for i in range(length) if middle - half <= i < middle + half]
        assert list(range(box.top, box.bottom)) == rows
        assert list(range(box.left, box.right)) == columns


def test_soft_labels_follow_their_partners():
    images = batch(3)[0]
    soft = torch.rand(3, 5, generator=stream(0))
    partner = torch.tensor([2, 0, 1])
    mixed = paste(images, soft, partner=partner, box=Box(top=0, left=0, bottom=6, right=10))
    assert mixed.partner_labels.equal(soft[partner])
    assert mixed.ratio == 0.75


def test_gradient_reaches_owner_and_partner_by_area():
    images = batch(2)[0].clone().requires_grad_()
    box = Box(top=0, left=0, bottom=6, right=20)
    mixed = paste(images, torch.arange(2), partner=torch.tensor([1, 0]), box=box)
    (gradient,) = torch.autograd.grad(mixed.images[0].sum(), images)
    assert bool((gradient[0, :, 6:] == 1).all())
    assert bool((gradient[0, :, :6] == 0).all())
    assert bool((gradient[1, :, :6] == 1).all())


def test_mixing_consumes_the_same_numbers_whether_it_happens_or_not():
    images, labels = batch()
    never, always = stream(4), stream(4)
    cutmix(images, labels, probability=0.0, rng=never)
    cutmix(images, labels, probability=1.0, rng=always)
    assert torch.equal(never.get_state(), always.get_state())
