"""Values that hardly survive the conversion to 8 bits are noticed, and a range reads any values."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from condensery.cli.main import main
from condensery.data import Data, load_data
from condensery.data.decoding.values import ValueRange, scaled
from condensery.errors import DataError, DataWarning

RAMP = np.random.default_rng(3).permuted(np.tile(np.arange(4096), (12, 1)), axis=1)
TWELVE = RAMP.reshape(12, 64, 64).astype(np.uint16)  # every 12-bit value in every image
LABELS = [i % 3 for i in range(12)]
EXPECTED = np.rint(TWELVE.astype(np.float64) * 255 / 4095).astype(np.uint8)


def folder(root: Path, images: np.ndarray, ending: str = "png", mode: str | None = None) -> Path:
    for index, image in enumerate(images):
        path = root / "abc"[index % 3] / f"{index:02}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image)
        (picture.convert(mode) if mode else picture).save(path)
    return root


def quiet(source: object, **options: object) -> Data:
    """Load without the warnings that pytest would make errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return load_data(source, **options)  # type: ignore[arg-type]


def in_order(data: Data) -> np.ndarray:
    """The images of both splits, sorted by their bytes."""
    images = torch.cat([data.train.images, data.test.images]).numpy()
    return images[np.lexsort(images.reshape(len(images), -1)[:, ::-1].T)]


def ordered(images: np.ndarray) -> np.ndarray:
    images = images[:, None] if images.ndim == 3 else images
    return images[np.lexsort(images.reshape(len(images), -1)[:, ::-1].T)]


def test_sixteen_bit_pictures_of_fewer_bits_are_noticed(each, tmp_path_factory):
    for bits, levels in each([(10, 5), (12, 17), (14, 65)]):
        tmp_path = tmp_path_factory.mktemp("case")
        images = (TWELVE.astype(np.int64) * (2**bits - 1) // 4095).astype(np.uint16)
        with pytest.warns(DataWarning) as caught:
            data = load_data(folder(tmp_path, images))
        (notice,) = data.notices
        top = 2**bits - 1
        assert str(caught[0].message) == notice
        assert f"highest pixel value found is {top} of 65535" in notice
        assert f"{levels} of 256 levels are left" in notice
        assert f"--value-range 0,{top} (value_range=(0, {top}))" in notice
        assert len(data.train.images.unique()) == levels


def test_a_range_reads_twelve_bits_whole(tmp_path: Path):
    data = load_data(folder(tmp_path, TWELVE), value_range=(0, 4095))
    assert data.notices == ()
    assert (in_order(data) == ordered(EXPECTED)).all()


def test_one_saturated_pixel_hides_nothing(tmp_path: Path):
    images = TWELVE.copy()
    images[0, 0, 0] = 65535
    (notice,) = quiet(folder(tmp_path, images)).notices
    assert "found is 65535 of 65535" in notice
    assert "(99.9 % of the values are at or below 409" in notice
    assert "18 of 256 levels" in notice
    assert "--value-range 0,4095" in notice


def test_arrays_that_fill_little_of_their_scale_are_noticed(each):
    for images, highest, levels, option in each(
        [
            ((TWELVE % 256) / 255 / 255, "0.00392157 of 1", 2, "0,0.00392157"),
            (TWELVE / 65535, "0.0624857 of 1", 17, "0,0.0624857"),
            ((TWELVE % 2).astype(np.uint8), "1 of 255", 2, "0,1"),
            ((TWELVE % 16).astype(np.uint8), "15 of 255", 16, "0,15"),
            ((TWELVE % 64).astype(np.uint8), "63 of 255", 64, "0,63"),
            ((TWELVE % 3).astype(np.uint8)[..., None].repeat(3, 3), "2 of 255", 3, "0,2"),
            (torch.from_numpy((TWELVE % 16) / 255).half(), "0.0588379 of 1", 16, "0,0.0588379"),
        ]
    ):
        with pytest.warns(DataWarning):
            data = load_data((images, LABELS))
        (notice,) = data.notices
        assert f"arrays: the highest pixel value found is {highest}" in notice
        assert f"{levels} of 256 levels are left" in notice
        assert f"--value-range {option}" in notice
        low, high = map(float, option.split(","))
        spread = load_data((images, LABELS), value_range=(low, high))
        assert spread.notices == ()
        assert (spread.train.images.min(), spread.train.images.max()) == (0, 255)
        kept = notice.rpartition("--value-range ")[2].split(" ")[0]
        same = load_data((images, LABELS), value_range=tuple(map(float, kept.split(","))))  # type: ignore[arg-type]
        assert same.train.fingerprint == data.train.fingerprint


def test_usual_values_are_not_noticed(each):
    for images in each(
        [
            EXPECTED,
            EXPECTED / 255,
            (EXPECTED // 255 * 255),  # two levels, far apart: a drawing
            (TWELVE % 2) / 1.0,
            np.clip((TWELVE % 2) + TWELVE * 1e-9, 0, 1),  # nearly two levels
            (EXPECTED // 3).astype(np.uint8),  # dark, but 86 levels
            np.full((12, 8, 8), 90, np.uint8),
            np.arange(12, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2),  # of one colour
        ]
    ):
        assert load_data((images, LABELS)).notices == ()


def test_sixteen_bits_that_are_used_are_not_noticed(tmp_path: Path):
    wide = (EXPECTED.astype(np.uint16) * 257)[:, :16, :16]
    assert load_data(folder(tmp_path, wide)).notices == ()


def test_values_without_a_scale_are_refused_with_their_range(each):
    for images, found, option in each(
        [
            (TWELVE, "type uint16 run from 0 to 4095", "--value-range 0,4095 "),
            (TWELVE.astype(">u2"), "type uint16 run from 0 to 4095", "--value-range 0,4095 "),
            (torch.from_numpy(TWELVE), "type uint16 run from 0 to 4095", "--value-range 0,4095 "),
            (TWELVE.astype(np.int16) - 1024, "int16 run from -1024 to 3071", "range=-1024,3071 "),
            ((TWELVE % 256).astype(np.int64), "int64 run from 0 to 255", "--value-range 0,255 "),
            (TWELVE.astype(np.uint64), "type uint64 run from 0 to 4095", "--value-range 0,4095 "),
            (TWELVE % 2 == 1, "type bool run from 0 to 1", "--value-range 0,1 "),
            (EXPECTED * 1.0, "run from 0 to 255, outside", "--value-range 0,255 "),
            (EXPECTED / 127.5 - 1, "run from -1 to 1, outside", "--value-range=-1,1 "),
            (EXPECTED / 255 * 4.75 - 2.1, "run from -2.1 to 2.65, outside", "range=-2.1,2.65 "),
            (TWELVE.astype(np.longdouble), "run from 0 to 4095", "--value-range 0,4095 "),
        ]
    ):
        with pytest.raises(DataError) as refused:
            load_data((images, LABELS))
        assert found in str(refused.value)
        assert option in str(refused.value)
        low, high = map(float, option.strip().partition("range")[2][1:].split(","))
        data = load_data((images, LABELS), value_range=(low, high))
        shape = (12, 1, 64, 64)
        raw = images.numpy() if isinstance(images, torch.Tensor) else np.asarray(images)
        levels = (raw.astype(np.float64) - low) * (255 / (high - low))
        assert (in_order(data) == ordered(np.rint(levels).astype(np.uint8).reshape(shape))).all()


def test_float_and_wide_pictures_are_read_with_a_range(each, tmp_path_factory):
    for images, found, option in each(
        [
            (TWELVE.astype(np.float32), "float pixels run from 0 to 4095", "0,4095"),
            (EXPECTED.astype(np.float32) / 255, "float pixels run from 0 to 1 ", "0,1"),
            (TWELVE.astype(np.int32) - 1000, "32-bit pixels run from -1000 to 3095", "-1000,3095"),
            (TWELVE.astype(np.int32) * 1000, "32-bit pixels run from 0 to 4095000", "0,4095000"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        root = folder(tmp_path, images, "tif")
        low, high = map(float, option.split(","))
        with pytest.raises(DataError) as refused:
            load_data(root)
        assert f"image 'a/00.tif' and 11 more: {found}" in str(refused.value)
        assert option in str(refused.value)
        data = load_data(root, value_range=(low, high))
        assert (in_order(data) == ordered(scaled(images, ValueRange(low, high)))).all()


def test_the_range_named_is_that_of_all_pictures(tmp_path: Path):
    images = np.stack([np.full((4, 4), i * 100.0, np.float32) for i in range(12)])
    with pytest.raises(DataError, match=r"run from 0 to 1100 and have|run from 0 to 1100, outside"):
        load_data(folder(tmp_path, images, "tif"))


def test_a_picture_without_a_scale_can_be_skipped(tmp_path: Path):
    root = folder(tmp_path, EXPECTED)
    Image.fromarray(TWELVE[0].astype(np.float32)).save(root / "a" / "odd.tif")
    data = load_data(root, skip_corrupt=True)
    (skipped,) = data.skipped
    assert skipped.name == "a/odd.tif"
    assert "float pixels run from 0 to 4095 and have no agreed scale" in skipped.reason
    with pytest.raises(DataError, match=r"odd\.tif"):
        load_data(root)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_eight_bit_pictures_take_a_range_before_they_are_resized(tmp_path: Path, mode: str):
    images = (TWELVE % 16).astype(np.uint8)
    root = folder(tmp_path, images, mode=mode)
    with pytest.warns(DataWarning, match="highest pixel value found is 15 of 255"):
        load_data(root)
    data = load_data(root, value_range=(0, 15), image_size=32)
    same = load_data((images * 17, LABELS), image_size=32)
    assert (in_order(data)[:, :1] == in_order(same)).all()


def test_colour_of_sixteen_bits_is_noticed_for_what_pillow_drops(tmp_path: Path):
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    for index, image in enumerate(TWELVE[:6, :8, :8]):
        pixels = image.astype(">u2")[..., None].repeat(3, 2)
        rows = b"".join(b"\0" + row.tobytes() for row in pixels)
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b"")
        )
    (notice,) = quiet(tmp_path).notices
    assert "15 of 255 (the upper 8 bits of 16-bit colour, which is all that Pillow reads)" in notice
    assert "convert the pictures to 8 bits" in notice


def test_pictures_that_are_transparent_everywhere_are_noticed(tmp_path: Path):
    for index, image in enumerate(EXPECTED[:6]):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        colours = [Image.fromarray(image)] * 3
        Image.merge("RGBA", [*colours, Image.new("L", (64, 64), 0)]).save(path)
    (notice,) = quiet(tmp_path).notices
    assert "every pixel of the pictures with transparency is 0 on a black background" in notice


def test_a_range_holds_for_archives_parquet_idx_and_torch(tmp_path: Path):
    expected = ordered(EXPECTED)
    np.savez(tmp_path / "set.npz", images=TWELVE, labels=LABELS)
    np.savez(
        tmp_path / "split.npz",
        **{f"x_{s}": TWELVE for s in ("train", "test")},  # type: ignore[arg-type]
        **{f"y_{s}": LABELS for s in ("train", "test")},  # type: ignore[arg-type]
    )
    with pytest.raises(DataError, match="images: pixels of type uint16 run from 0 to 4095"):
        load_data(tmp_path / "set.npz")
    data = load_data(tmp_path / "set.npz", value_range=(0, 4095))
    assert (in_order(data) == expected).all()
    both = load_data(tmp_path / "split.npz", value_range=(0, 4095))
    assert (both.train.images.numpy() == EXPECTED[:, None]).all()
    assert both.test.fingerprint == both.train.fingerprint
    items = TensorDataset(torch.from_numpy(TWELVE), torch.tensor(LABELS))
    with pytest.raises(DataError, match="item 0 and 11 more: pixels of type uint16 run from 0 to"):
        load_data(items)
    assert (in_order(load_data(items, value_range=(0, 4095))) == expected).all()


def test_a_range_holds_for_sources_of_bytes_and_both_splits():
    plain = load_data("digits")
    data = load_data("digits", value_range=(0, 128), test="digits")
    expected = scaled(plain.train.images.numpy(), ValueRange(0, 128))
    held = {image.tobytes() for image in expected}
    assert held <= {image.numpy().tobytes() for image in data.train.images}
    assert data.test.fingerprint == data.train.fingerprint


def test_decoded_images_are_kept_by_their_range_with_their_notice(tmp_path: Path):
    root = folder(tmp_path / "data", TWELVE)
    first = quiet(root, image_memory=0)
    again = quiet(root, image_memory=0)
    spread = quiet(root, image_memory=0, value_range=(0, 4095))
    assert first.mapped == again.mapped != spread.mapped
    assert first.notices == again.notices != ()
    assert spread.notices == ()
    assert (in_order(spread) == ordered(EXPECTED)).all()


def test_what_is_no_range_is_refused(each):
    for given in each(
        [(5, 5), (9, 1), (1,), (0, 1, 2), "0,1", 4095, (0, float("inf")), ("0", "1"), (0, True)]
    ):
        with pytest.raises(DataError, match=r"not a range of pixel values.*--value-range 0,4095"):
            load_data((TWELVE, LABELS), value_range=given)  # type: ignore[arg-type]


def test_a_range_that_leaves_one_value_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"every pixel becomes 0.*from 0 to 4095.*range 0,4095"):
        load_data((TWELVE, LABELS), value_range=(5000, 6000))
    with pytest.raises(DataError, match=r"every pixel becomes 255"):
        load_data(folder(tmp_path, TWELVE), value_range=(-6000, -5000))


def test_one_range_is_refused_for_pictures_of_several_kinds(tmp_path: Path):
    root = folder(tmp_path, TWELVE)
    Image.fromarray(EXPECTED[0]).save(root / "a" / "eight.png")
    assert len(quiet(root).notices) == 1
    with pytest.raises(DataError, match=r"different kinds \(16-bit, 8-bit\)"):
        load_data(root, value_range=(0, 4095))


def test_usual_rules_are_special_ranges():
    wide = np.arange(65536, dtype=np.uint16)
    assert (scaled(wide, ValueRange(0, 65535)) == (wide.astype(int) + 128) // 257).all()
    floats = np.linspace(0, 1, 10001, dtype=np.float32)
    assert (scaled(floats, ValueRange(0, 1)) == np.rint(floats * 255)).all()
    narrow = np.arange(256, dtype=np.uint8)
    assert (scaled(narrow, ValueRange(0, 255)) == narrow).all()


def test_a_run_keeps_its_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    np.savez(tmp_path / "set.npz", images=TWELVE[:, :8, :8].astype(np.int16) - 2048, labels=LABELS)
    begin = ["condense", str(tmp_path / "set.npz"), "--preset", "smoke", "--ipc", "1"]
    begin += ["--no-evaluate", "--out", str(tmp_path / "run")]
    assert main(begin) == 2
    assert "--value-range=-20" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*begin, "--value-range", "-2048,2047"]) == 0
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["source"]["value_range"] == [-2048, 2047]
    assert main(["resume", str(tmp_path / "run")]) == 0


def test_the_command_line_refuses_what_is_no_range(each, capsys: pytest.CaptureFixture[str]):
    for given, reason in each(
        [
            ("4095", "is no range"),
            ("a,b", "is no range"),
            ("5,5", "lower number first"),
            ("0,inf", "no"),
        ]
    ):
        assert main(["condense", "digits", "--out", "run", "--value-range", given]) == 2
        assert reason in capsys.readouterr().err
