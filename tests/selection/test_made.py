"""Rules that make images of parts of real ones: mosaics, and the crops that a network likes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from condensery.condensing.init import HerdedImages
from condensery.data import ImageData
from condensery.methods import recipe_for
from condensery.networks import build
from condensery.parameterizations import MultiFormation
from condensery.rng import stream
from condensery.selection import rded as rded_module
from condensery.selection import select

FAST = {"network": "convnet1-w4", "train_steps": 3}


def test_a_mosaic_is_the_herded_start_of_multi_formation(data: ImageData):
    set_ = select(data, by="mosaic", ipc=2, seed=3, network="convnet1-w4")

    def network(*path: object) -> torch.nn.Module:
        return build(
            "convnet1-w4", channels=1, classes=3, side=(8, 8), seed=3, path=("selection", *path)
        )

    start = HerdedImages().make(
        MultiFormation(factor=2), data, counts=torch.tensor([2, 2, 2]),
        rng=stream(3, "selection", "mosaic"), network=network,
    )  # fmt: skip
    assert torch.equal(set_.images, (start.images * 255).round().to(torch.uint8))
    assert set_.manifest["decode"] == {"kind": "multi-formation", "factor": 2, "order": "image"}
    assert len(set_.decode(1)) == 12
    assert set_.manifest["recipe"] == {
        "method": "mosaic", "ipc": 2, "network": "convnet1-w4", "factor": 2
    }  # fmt: skip


def test_a_small_set_has_mosaics_of_nine_where_nested_starts_with_nine(
    split: Callable[..., ImageData],
):
    large = split((12, 12), side=30)
    for ipc, factor in ((10, 3), (11, 2)):
        set_ = select(large, by="mosaic", ipc=ipc, network="convnet1-w4")
        recipe = recipe_for("nested", large, ipc=ipc, preset="smoke")
        assert set_.manifest["decode"]["factor"] == factor
        assert set_.manifest["decode"] == recipe.parameterization.decode_json()


def likes_bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network for which the first class is the brightest one."""

    def logits(images: torch.Tensor) -> torch.Tensor:
        light = images.flatten(1).mean(dim=1)
        return torch.stack([light, torch.zeros_like(light), torch.zeros_like(light)], dim=1)

    monkeypatch.setattr(rded_module, "logits_of", lambda *_: logits)


def test_crops_are_parts_of_images_and_those_with_the_lowest_loss_come_first(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    likes_bright(monkeypatch)
    set_ = select(data, by="rded", ipc=9, **FAST)
    light = set_.decode().images.flatten(1).mean(dim=1)
    for class_, falls in ((0, True), (1, False), (2, False)):
        own = light[set_.labels == class_].tolist()
        assert own == sorted(own, reverse=falls)

    own = data.of_class(0)
    crops = rded_module._crops(data.pixels(own), 1, stream(0, "crops"))
    assert crops.shape == (9, 5, 1, 8, 8)
    low, high = (data.pixels(own).flatten(1).aminmax(dim=1)[k][:, None] for k in (0, 1))
    assert bool((crops.flatten(2).amin(dim=2) >= low - 1e-6).all())
    assert bool((crops.flatten(2).amax(dim=2) <= high + 1e-6).all())
    assert len({c.numpy().tobytes() for c in crops.flatten(0, 1)}) > 40


def test_four_consecutive_crops_share_a_large_image(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    likes_bright(monkeypatch)
    monkeypatch.setattr(rded_module, "_SMALL", 7)
    set_ = select(data, by="rded", ipc=2, **FAST)
    assert set_.manifest["recipe"]["factor"] == 2
    quarters = set_.images[set_.labels == 0][:, 0].float().unflatten(2, (2, 4)).unflatten(1, (2, 4))
    light = quarters.mean(dim=(2, 4)).flatten().tolist()  # row after row of both images
    assert len(light) == 8
    assert light == sorted(light, reverse=True)
    small = select(data, by="rded", ipc=1, **FAST)
    assert torch.equal(small.images[0], set_.images[0])


def test_a_crop_is_judged_in_the_middle_of_the_mean_colour(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
):
    seen: list[torch.Tensor] = []

    def judge(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return torch.zeros(len(images), 3)

    monkeypatch.setattr(rded_module, "_SMALL", 7)
    monkeypatch.setattr(rded_module, "logits_of", lambda *_: judge)
    select(data, by="rded", ipc=1, **FAST)
    (first, *_) = seen
    around = first.clone()
    around[:, :, 2:6, 2:6] = 0
    assert bool((around.abs() < 1e-6).all())
    assert bool((first[:, :, 2:6, 2:6].abs() > 0.01).any())


def test_second_best_crops_follow_where_a_class_has_too_few_images(
    split, monkeypatch: pytest.MonkeyPatch
):
    likes_bright(monkeypatch)
    monkeypatch.setattr(rded_module, "_SMALL", 7)
    set_ = select(split((3, 6, 0)), by="rded", ipc=6, **FAST)
    assert torch.bincount(set_.labels, minlength=3).tolist() == [3, 6, 0]
    crops = set_.decode().images
    assert len(crops) == 36
    first = set_.decode().class_ == 0
    assert len({c.numpy().tobytes() for c in crops[first]}) == 12
