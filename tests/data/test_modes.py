"""Every kind of picture is written to a file and read back through the loader."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import load_data
from condensery.errors import DataError

LEVELS = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)


def read(
    folder: Path, picture: Image.Image, *, ending: str = "png", **options: object
) -> np.ndarray:
    """The first image, [channel, height, width], of a folder with this picture in two classes."""
    for name in ("a", "b"):
        (folder / name).mkdir()
        for copy in range(2):
            picture.save(folder / name / f"{copy}.{ending}", **options)
    return load_data(folder).train.images[0].numpy()


def colours() -> np.ndarray:
    return np.stack([LEVELS, LEVELS.T, 255 - LEVELS], axis=2)


def test_colour_is_exact_in_every_lossless_format(each, tmp_path_factory):
    for ending in each(["png", "bmp", "tif", "ppm", "webp", "PNG"]):
        tmp_path = tmp_path_factory.mktemp("case")
        options = {"lossless": True} if ending == "webp" else {}
        found = read(tmp_path, Image.fromarray(colours()), ending=ending, **options)
        assert (found == colours().transpose(2, 0, 1)).all()


def test_jpeg_is_read(tmp_path: Path):
    found = read(tmp_path, Image.new("RGB", (8, 8), (200, 30, 90)), ending="jpg", quality=95)
    assert found.shape == (3, 8, 8)
    np.testing.assert_allclose(found.mean((1, 2)), [200, 30, 90], atol=3)


def test_grey_is_exact(tmp_path: Path):
    assert (read(tmp_path, Image.fromarray(LEVELS)) == LEVELS).all()


def test_two_levels_become_black_and_white(tmp_path: Path):
    found = read(tmp_path, Image.fromarray(LEVELS > 100))
    assert (found == np.where(LEVELS > 100, 255, 0)).all()
    assert len(found) == 1


def test_sixteen_bits_are_divided_by_257_and_rounded(tmp_path: Path):
    wide = np.array([[0, 128, 129, 257], [385, 386, 32768, 65535]], dtype=np.uint16)
    found = read(tmp_path, Image.fromarray(wide))
    assert found.tolist() == [[[0, 0, 1, 1], [1, 2, 128, 255]]]


def test_transparent_colour_is_composited_on_black(tmp_path: Path):
    alpha = np.dstack([colours(), np.array([0, 51, 204, 255], np.uint8).repeat(4).reshape(4, 4)])
    found = read(tmp_path, Image.fromarray(alpha))
    expected = colours().transpose(2, 0, 1) * np.array([0, 0.2, 0.8, 1])[None, :, None]
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.filterwarnings("ignore::condensery.errors.DataWarning")
def test_transparent_grey_stays_grey(tmp_path: Path):
    alpha = np.full((4, 4), 51, dtype=np.uint8)
    picture = Image.merge("LA", [Image.fromarray(LEVELS), Image.fromarray(alpha)])
    found = read(tmp_path, picture)
    assert len(found) == 1
    np.testing.assert_allclose(found[0], LEVELS * 0.2, atol=1)


def palette(entries: np.ndarray) -> Image.Image:
    picture = Image.fromarray((np.arange(16, dtype=np.uint8) % len(entries)).reshape(4, 4), "P")
    picture.putpalette(entries.astype(np.uint8).tobytes())
    return picture


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("ending", ["png", "gif"])
def test_a_palette_gives_its_colours(tmp_path: Path, ending: str):
    entries = np.array([[0, 0, 0], [255, 0, 0], [10, 200, 30], [9, 9, 99]])
    found = read(tmp_path, palette(entries), ending=ending)
    assert (found == entries[np.arange(16) % 4].reshape(4, 4, 3).transpose(2, 0, 1)).all()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_a_grey_palette_is_grey(tmp_path: Path):
    entries = np.array([[0, 0, 0], [77, 77, 77], [200, 200, 200], [255, 255, 255]])
    found = read(tmp_path, palette(entries))
    assert (found == entries[np.arange(16) % 4, 0].reshape(1, 4, 4)).all()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_a_transparent_palette_entry_is_black(tmp_path: Path):
    entries = np.array([[255, 255, 0], [255, 0, 0]])
    found = read(tmp_path, palette(entries), transparency=0)
    assert found[:, 0, 0].tolist() == [0, 0, 0]
    assert found[:, 0, 1].tolist() == [255, 0, 0]


def test_cmyk_becomes_colour(tmp_path: Path):
    picture = Image.fromarray(colours()).convert("CMYK")
    assert (read(tmp_path, picture, ending="tif") == colours().transpose(2, 0, 1)).all()


def test_a_picture_is_turned_as_the_camera_noted(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned a quarter: rotate clockwise to see it upright
    found = read(tmp_path, Image.fromarray(colours()[:2]), exif=exif)
    assert (found == np.rot90(colours()[:2], k=-1).transpose(2, 0, 1)).all()


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_a_picture_is_turned_as_xmp_alone_says(tmp_path: Path, ending: str):
    options = {"lossless": True} if ending == "webp" else {"quality": 95}
    half = np.zeros((16, 32, 3), np.uint8)
    half[:8] = 255  # the upper half is on the right once the picture is upright
    found = read(tmp_path, Image.fromarray(half), ending=ending, xmp=XMP, **options)
    assert found.shape == (3, 32, 16)
    assert found[:, :, :7].max() < 30
    assert found[:, :, 9:].min() > 225


def test_a_png_is_turned_as_a_chunk_after_its_pixels_says(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.fromarray(colours()[:2]).save(content, "png", exif=exif)
    start = content.getvalue().index(b"eXIf") - 4
    size = 12 + int.from_bytes(content.getvalue()[start : start + 4], "big")
    chunk = content.getvalue()[start : start + size]
    rest = content.getvalue().replace(chunk, b"")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for copy in range(2):
            (tmp_path / name / f"{copy}.png").write_bytes(rest[:-12] + chunk + rest[-12:])
    found = load_data(tmp_path).train.images[0].numpy()
    assert (found == np.rot90(colours()[:2], k=-1).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_is_turned_once(tmp_path: Path, compression: str | None):
    picture = Image.fromarray(colours()[:2])
    found = read(tmp_path, picture, ending="tif", compression=compression, tiffinfo={0x0112: 6})
    assert (found == np.rot90(colours()[:2], k=-1).transpose(2, 0, 1)).all()


def test_damaged_exif_does_not_lose_a_picture(tmp_path: Path):
    found = read(tmp_path, Image.fromarray(colours()), exif=b"Exif\0\0MM\0*nonsense")
    assert (found == colours().transpose(2, 0, 1)).all()


def test_float_pixels_are_refused(tmp_path: Path):
    picture = Image.fromarray(LEVELS.astype(np.float32))
    with pytest.raises(
        DataError,
        match=r"'a/0.tif' and 3 more: float pixels run from 0 to 240.*--value-range 0,255",
    ):
        read(tmp_path, picture, ending="tif")


def test_wide_integers_are_refused(tmp_path: Path):
    picture = Image.fromarray(LEVELS.astype(np.int32) * 1000)
    with pytest.raises(DataError, match=r"32-bit pixels run from 0 to 240000"):
        read(tmp_path, picture, ending="tif")
