"""Who shares a draw: laws of the three views."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from condensery.augment import Identity, PerExample, Siamese
from condensery.errors import ConfigError
from condensery.rng import stream

STRATEGIES = ["color", "crop", "cutout", "flip", "scale", "rotate", "translate"]
EVERYTHING = "color_crop_cutout_flip_scale_rotate"


def images(count=6, channels=3, dtype=torch.float32):
    return torch.randn(count, channels, 16, 16, dtype=dtype, generator=stream(0, "images"))


def all_views():
    for kind in (Siamese, PerExample):
        for mode in ("idc", "dsa"):
            yield from (kind(strategy=word, mode=mode) for word in (*STRATEGIES, EVERYTHING))


VIEWS = tuple(all_views())


def test_identity_draws_nothing_and_changes_nothing():
    rng = stream(0)
    before = rng.get_state()
    shown = images()
    assert Identity().draw(rng=rng)(shown) is shown
    assert torch.equal(rng.get_state(), before)


def test_a_draw_called_twice_gives_the_same_bits():
    for view in VIEWS:
        draw = view.draw(rng=stream(5))
        assert torch.equal(draw(images()), draw(images()))


def test_equal_generators_give_equal_draws_and_another_gives_another():
    for view in VIEWS:
        # Several draws: a single one may fall on the same choice, or on doing nothing.
        def several(seed, view=view):
            rng = stream(seed)
            return torch.stack([view.draw(rng=rng)(images()) for _ in range(12)])

        first = several(1)
        assert torch.equal(first, several(1))
        assert not torch.equal(first, several(2))
        assert not torch.equal(first[0], first[1]) or not torch.equal(first[0], first[2])


def test_no_global_random_state_is_consumed():
    for view in VIEWS:
        before = torch.random.get_rng_state()
        view.draw(rng=stream(1))(images())
        assert torch.equal(torch.random.get_rng_state(), before)


def test_siamese_shows_equal_images_equally(each):
    for strategy, mode in each(product([*STRATEGIES, EVERYTHING], ["idc", "dsa"])):
        one = images(1)
        for seed in range(8):
            shown = Siamese(strategy=strategy, mode=mode).draw(rng=stream(seed))(
                one.repeat(5, 1, 1, 1)
            )
            for other in shown[1:]:
                assert torch.equal(other, shown[0])


def test_siamese_does_not_depend_on_the_number_of_images(each):
    for strategy, mode in each(product([*STRATEGIES, EVERYTHING], ["idc", "dsa"])):
        everyone = images(9, dtype=torch.float64)
        for seed in range(8):
            draw = Siamese(strategy=strategy, mode=mode).draw(rng=stream(seed))
            for some in (everyone[:1], everyone[3:5], everyone[2:]):
                start = 0 if some.shape[0] == 1 else 3 if some.shape[0] == 2 else 2
                whole = draw(everyone)[start : start + len(some)]
                torch.testing.assert_close(draw(some), whole, rtol=0, atol=1e-13)


def test_per_example_shows_equal_images_differently(each):
    for strategy in each(STRATEGIES):
        shown = PerExample(strategy=strategy).draw(rng=stream(1))(images(1).repeat(8, 1, 1, 1))
        assert len(shown.flatten(1).unique(dim=0)) > (1 if strategy == "flip" else 3)


def test_per_example_chooses_one_word_for_the_whole_batch():
    # The centre of a constant image stays under crop, and changes under color.
    ones = torch.ones(20, 1, 16, 16)
    chosen = set()
    for seed in range(8):
        shown = PerExample(strategy="color_crop", mode="dsa").draw(rng=stream(seed))(ones)
        stays = shown[:, 0, 8, 8] == 1
        assert bool(stays.all()) or not bool(stays.any())
        chosen.add(bool(stays.all()))
    assert chosen == {True, False}


def test_gradient_flows_to_the_images():
    for view in VIEWS:
        shown = images(dtype=torch.float64).requires_grad_()
        for seed in range(3):
            (gradient,) = torch.autograd.grad(
                view.draw(rng=stream(seed))(shown).square().sum(), shown
            )
            assert bool((gradient.flatten(1).abs().sum(dim=1) > 0).all())


def test_images_of_one_channel_and_unequal_sides_are_taken():
    for view in VIEWS:
        odd = torch.randn(3, 1, 9, 14, generator=stream(0))
        shown = view.draw(rng=stream(2))(odd)
        assert shown.shape == odd.shape
        assert bool(shown.isfinite().all())


@pytest.mark.parametrize("kind", [Siamese, PerExample])
def test_choices_are_checked_when_they_are_made(kind):
    with pytest.raises(ConfigError, match="Did you mean 'rotate'"):
        kind(strategy="color_rotatee")
    with pytest.raises(ConfigError, match=r"mode 'dsaa'.*Did you mean 'dsa'"):
        kind(mode="dsaa")


def test_everything_is_computed_where_the_images_are():
    for view in VIEWS:
        # Tensors without data refuse to meet tensors of the CPU.
        for seed in range(3):
            shown = view.draw(rng=stream(seed))(images().to("meta"))
            assert shown.device.type == "meta"
            assert shown.shape == images().shape


@pytest.mark.gpu
def test_draws_do_not_depend_on_the_device():
    for view in VIEWS:
        draw = view.draw(rng=stream(4))
        here = images(dtype=torch.float64)
        torch.testing.assert_close(draw(here.cuda()).cpu(), draw(here), rtol=0, atol=1e-12)
