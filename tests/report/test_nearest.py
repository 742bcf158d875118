from __future__ import annotations

import base64
import io
import json
import time

import numpy as np
import pytest
import torch
from PIL import Image

from condensery.condensed.artifact import CondensedSet
from condensery.data import ImageData
from condensery.report import write_report
from condensery.report.nearest import Nearest, nearest_real
from condensery.rng import stream
from condensery.selection import random_selection


def images(classes: int = 3, per_class: int = 12, side: int = 8) -> ImageData:
    """Random images."""
    shape = (classes * per_class, 1, side, side)
    pixels = torch.randint(0, 256, shape, generator=stream(0, "images"), dtype=torch.uint8)
    return ImageData(
        name="random",
        images=pixels,
        labels=torch.arange(classes).repeat(per_class),
        class_names=tuple(f"c{c}" for c in range(classes)),
        mean=(0.5,),
        std=(0.25,),
    )


def shown(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def changed(condensed: CondensedSet, pixels: torch.Tensor) -> CondensedSet:
    return CondensedSet(
        stored={"images": pixels},
        labels=condensed.labels,
        rank=condensed.rank,
        manifest=condensed.manifest,
    )


def test_a_copy_is_found_with_distance_zero_and_shown_beside_its_original():
    data = images()
    found = nearest_real(random_selection(data, ipc=2, seed=3), data)

    assert [(pair.name, pair.rank) for pair in found.pairs] == [
        (name, rank) for name in ("c0", "c1", "c2") for rank in (1, 2)
    ]
    assert {pair.ratio for pair in found.pairs} == {0.0}
    assert found.close == 6
    assert all(np.array_equal(shown(pair.made), shown(pair.real)) for pair in found.pairs)


def test_the_distance_is_measured_by_that_of_real_images_to_their_nearest_neighbours():
    data = images()
    copies = random_selection(data, ipc=1, seed=3)
    pixels = copies.images.clone()
    moved = pixels[0].int() + torch.where(pixels[0] < 128, 20, -20)  # 20 grey levels everywhere
    pixels[0] = moved.byte()

    pair = nearest_real(changed(copies, pixels), data).pairs[0]

    own = data.images[data.of_class(0)].flatten(1).float() / 255
    apart = ((own[:, None] - own[None]) ** 2).mean(dim=2).sqrt().fill_diagonal_(torch.inf)
    usual = apart.min(dim=1).values.sort().values
    assert pair.ratio == pytest.approx(20 / 255 / float(usual[5:7].mean()), abs=1e-3)


def test_the_nearest_of_all_images_decoded_from_a_stored_one_is_shown():
    data = images(side=8)
    whole = random_selection(data, ipc=1, seed=3)
    flat = torch.full_like(whole.images, 128)
    flat[:, :, :4, 4:] = 7  # the second part is flat and dark
    condensed = changed(whole, flat)
    condensed.manifest["decode"] = {"kind": "multi-formation", "factor": 2, "order": "image"}
    (_, dark, *_) = data.of_class(0).tolist()
    data.images[dark] = 7

    pair = nearest_real(condensed, data).pairs[0]

    assert pair.ratio == 0.0
    assert (shown(pair.real) == 7).all()


def test_of_many_classes_a_bounded_number_is_compared_from_the_first_to_the_last():
    data = images(classes=60, per_class=3, side=2)
    found = nearest_real(random_selection(data, ipc=2, seed=0), data, most=7)

    assert [pair.name for pair in found.pairs] == ["c0", "c10", "c20", "c30", "c39", "c49", "c59"]
    assert {pair.rank for pair in found.pairs} == {1}


def test_the_page_counts_the_images_that_are_close_to_real_ones(tmp_path, condensed):
    data = images()
    found = nearest_real(random_selection(data, ipc=1, seed=3), data)
    again = Nearest.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found

    text = write_report(tmp_path / "a.html", condensed=condensed, nearest=found).read_text("utf-8")

    assert "<b>3 of 3</b> compared images are less than half" in text
    assert text.count('<figure class="close">') == 3
    assert "Is an image a copy" not in write_report(
        tmp_path / "b.html", condensed=condensed
    ).read_text("utf-8")


def test_a_page_of_a_thousand_classes_shows_a_hundred_and_is_drawn_in_seconds(tmp_path):
    data = images(classes=1000, per_class=2, side=32)
    random_selection(data, ipc=2, seed=0).save(tmp_path / "many.safetensors")
    begin = time.process_time()

    page = write_report(tmp_path / "many.html", condensed=tmp_path / "many.safetensors")

    text = page.read_text("utf-8")
    assert time.process_time() - begin < 10
    assert text.count('<div class="class"') == 100
    assert 'data-name="c0"' in text
    assert 'data-name="c999"' in text
    assert "100 of the 1,000 classes are shown" in text
    assert len(text) < 2_000_000
