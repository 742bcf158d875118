"""Augmentation and CutMix against what the released code of DSA and IDC computes.

The draws were recorded: uniforms are turned into parameters here by the formulas of the
papers' code, integers are used as they are.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from condensery.augment import operations
from condensery.augment.composition import Parameters, augment
from condensery.augment.cutmix import box_around, paste


class Golden:
    """One file: tensors by name, and its header."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            pytest.skip(f"no golden vectors {path.name}")
        with safe_open(path, "pt") as file:
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self.header = json.loads(file.metadata()["meta"])

    def images(self, dtype: torch.dtype) -> torch.Tensor:
        """The inputs as fed: normalised."""
        mean, std = (self.tensors[f"in.{name}"][:, None, None] for name in ("mean", "std"))
        return ((self.tensors["in.images_u8"].double() / 255 - mean) / std).to(dtype)

    def draws(self, key: str) -> list[torch.Tensor]:
        """The recorded numbers of an operation, each flat: one, or one per image."""
        count = len(self.header["draw_kinds"][key])
        return [self.tensors[f"in.draw.{key}.{i}"].flatten() for i in range(count)]


def color(light, colour, stretch):
    return (light - 0.5, 2 * colour, stretch + 0.5)


def ratio(u):
    return u * (1.2 - 1 / 1.2) + 1 / 1.2


def only(word: str, draws: list[torch.Tensor]) -> Parameters:
    """The parameters of a single word from its recorded draws."""
    if word == "color":
        return Parameters(color=color(*draws))
    if word == "flip":
        return Parameters(flipped=draws[0] < 0.5)
    if word == "scale":
        return Parameters(scale=(ratio(draws[0]), ratio(draws[1])))
    if word == "rotate":
        return Parameters(degrees=(draws[0] - 0.5) * 2 * 15)
    if word == "translate":
        return Parameters(crop=(torch.zeros_like(draws[0]), draws[0]))
    return Parameters(**{word: (draws[0], draws[1])})


def single(word: str, images: torch.Tensor, draws: list[torch.Tensor]) -> torch.Tensor:
    """One operation of the released code, by name."""
    if word == "brightness":
        return operations.brightness(images, offset=draws[0] - 0.5)
    if word == "saturation":
        return operations.saturation(images, factor=2 * draws[0])
    if word == "contrast":
        return operations.contrast(images, factor=draws[0] + 0.5)
    return augment(images, only(word, draws))


def check(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """1e-11 of the largest entry in float64, 3e-5 in float32."""
    tolerance = 1e-11 if got.dtype == torch.float64 else 3e-5
    assert got.shape == wanted.shape
    assert (got.double() - wanted).abs().max() <= tolerance * wanted.abs().max()


DTYPES = (torch.float64, torch.float32)
OPERATIONS = ["brightness", "saturation", "contrast", "crop", "cutout", "flip", "scale", "rotate"]


def test_each_operation_of_dsa_gives_the_released_numbers(each, shared_folder):
    for word, dtype in each(product(OPERATIONS, DTYPES)):
        golden = Golden(shared_folder / "golden" / "dsa_ops.safetensors")
        check(single(word, golden.images(dtype), golden.draws(word)), golden.tensors[f"out.{word}"])


def test_a_strategy_of_dsa_applies_the_one_word_that_was_drawn(each, shared_folder):
    for key, dtype in each(product(["strategy_color", "strategy_full"], DTYPES)):
        golden = Golden(shared_folder / "golden" / "dsa_ops.safetensors")
        listed = {"strategy_color": ["color"]}.get(
            key, ["color", "crop", "cutout", "flip", "scale", "rotate"]
        )
        index, *draws = golden.draws(key)
        got = augment(golden.images(dtype), only(listed[int(index)], draws))
        check(got, golden.tensors[f"out.{key}"])


def test_each_operation_of_idc_gives_the_released_numbers(each, shared_folder):
    for word, sharing, dtype in each(
        product([*OPERATIONS, "translate"], ["batch", "sample"], DTYPES)
    ):
        golden = Golden(shared_folder / "golden" / "idc_diffaug.safetensors")
        key = f"{word}.{sharing}"
        check(single(word, golden.images(dtype), golden.draws(key)), golden.tensors[f"out.{key}"])


def test_a_strategy_of_idc_is_composed_in_the_released_order(each, shared_folder):
    for key, dtype in each(
        product(
            [
                "color_crop_cutout.batch",
                "color_crop_flip_scale_rotate.sample",
                "color_crop_scale_rotate.sample",
            ],
            DTYPES,
        )
    ):
        golden = Golden(shared_folder / "golden" / "idc_diffaug.safetensors")
        listed = key.split(".")[0].split("_")
        draws = golden.draws(key)
        given: dict[str, object] = {}
        if "flip" in listed:
            given["flipped"] = draws.pop(0) < 0.5
        given["color"] = color(*draws[:3])
        rest = [word for word in listed if word not in ("color", "flip", "cutout")]
        word = rest[int(draws[3])]
        draws = draws[4:]
        if "cutout" in listed:
            given["cutout"] = (draws[-2], draws[-1])
            draws = draws[:-2]
        chosen = only(word, draws)
        given |= {
            name: getattr(chosen, name)
            for name in ("crop", "scale", "degrees")
            if getattr(chosen, name) is not None
        }
        check(augment(golden.images(dtype), Parameters(**given)), golden.tensors[f"out.{key}"])


def test_cutmix_cuts_and_weighs_as_released(each, shared_folder):
    for case in each(range(4)):
        golden = Golden(shared_folder / "golden" / "idc_cutmix.safetensors")
        names = ("x_u8", "target", "perm", "lam", "cx", "cy")
        given = {name: golden.tensors[f"in.{case}.{name}"] for name in names}
        out = {
            name: golden.tensors[f"out.{case}.{name}"]
            for name in ["bbox", "mixed", "target_b", "ce_a", "ce_b", "loss", "ratio_from_loss"]
        }
        images = 2 * (given["x_u8"].double() / 255) - 1
        box = box_around(
            (images.shape[2], images.shape[3]),
            outside=float(given["lam"]),
            centre=(int(given["cx"]), int(given["cy"])),
        )
        assert [box.top, box.left, box.bottom, box.right] == out["bbox"].tolist()

        mixed = paste(images, given["target"], partner=given["perm"], box=box)
        torch.testing.assert_close(mixed.images, out["mixed"], rtol=0, atol=1e-14)
        assert torch.equal(mixed.labels, given["target"])
        assert torch.equal(mixed.partner_labels, out["target_b"])
        assert abs(mixed.ratio - float(out["ratio_from_loss"])) < 1e-10

        logits = 20 * mixed.images.mean(dim=(2, 3)) @ golden.tensors["in.w"].T
        own = torch.nn.functional.cross_entropy(logits, mixed.labels)
        partner = torch.nn.functional.cross_entropy(logits, mixed.partner_labels)
        loss = mixed.ratio * own + (1 - mixed.ratio) * partner
        for got, name in ((own, "ce_a"), (partner, "ce_b"), (loss, "loss")):
            torch.testing.assert_close(got, out[name], rtol=1e-12, atol=1e-12)
