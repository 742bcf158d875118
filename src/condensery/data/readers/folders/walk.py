"""Which files below a folder are images, and which are left out for what reason.

A file is an image if its ending is one that Pillow reads; with any other ending, or with none, its
first bytes decide. Folders are walked to any depth, links are followed, and a link that leads back
to a folder above it is left out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from condensery.data.decoding.pictures import FORMATS, available
from condensery.data.readers.folders.names import image_of, is_mask_folder
from condensery.data.skipped import Skipped
from condensery.errors import DataError

# Formats that are recognised by a signature that no other file is likely to begin with.
_SIGNED = (
    *("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000"),
    *("ICO", "ICNS", "PSD", "SGI", "QOI", "DDS", "SUN"),
)
_JUNK = frozenset(
    {
        *("__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("@eadir", "$recycle.bin", "system volume information", "lost+found"),
    }
)
_NOT_READ = {
    **dict.fromkeys((".heic", ".heif"), "a HEIC picture, which Pillow does not read: convert it"),
    **dict.fromkeys((".svg", ".svgz"), "a vector drawing, which has no pixels"),
    **dict.fromkeys((".eps", ".ps", ".pdf"), "a page description, which Pillow does not read"),
    **dict.fromkeys(
        (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".pef", ".srw", ".raf"),
        "a raw photograph of a camera: convert it",
    ),
}


class FolderImages(NamedTuple):
    """What lies below a folder: images by name, and what is left out in the order of the walk."""

    images: tuple[Path, ...]
    skipped: tuple[Skipped, ...]


def readable(text: str | Path) -> str:
    r"""Text that can be printed and stored; bytes that are no UTF-8 become ``\xNN``."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def name_of(path: Path, root: Path) -> str:
    """How messages call a file below a folder, such as ``"train/cat/3.png"``."""
    return readable(path.relative_to(root).as_posix())


def folders(folder: Path) -> list[Path]:
    """Folders in a folder that are not hidden, in the order of their names."""
    return [folder / entry.name for entry in _entries(folder) if _is_folder(entry)]


def files(folder: Path) -> list[Path]:
    """Files in a folder that are not hidden, in the order of their names."""
    return [folder / entry.name for entry in _entries(folder) if not _is_folder(entry)]


def is_image(path: Path) -> bool:
    """Whether a file is to be decoded: by its ending, else by its first bytes."""
    return path.suffix.lower() in _endings() or _is_signed(path)


def has_images(folder: Path, *, deep: bool = True) -> bool:
    """Whether a folder holds an image, at any depth or directly."""
    return _has_images(folder, deep=deep, above=())


def _has_images(folder: Path, *, deep: bool, above: tuple[str, ...]) -> bool:
    """Looks at endings, then at folders; only then is the beginning of other files read."""
    entries = _entries(folder)
    inside = [folder / entry.name for entry in entries if _is_folder(entry)]
    held = [folder / entry.name for entry in entries if not _is_folder(entry)]
    if any(path.suffix.lower() in _endings() for path in held):
        return True
    above = (*above, os.path.realpath(folder))
    if deep and any(
        _has_images(path, deep=True, above=above) for path in inside if not _leads_back(path, above)
    ):
        return True
    return any(is_image(path) for path in held)


def images_below(folder: Path, *, root: Path) -> FolderImages:
    """List the images of a folder at any depth.

    Left out are files that are no image, hidden images, links that lead back or nowhere, and
    masks: a folder called ``masks`` or similar whose images are named like others, and
    ``x_mask.png`` beside ``x.png``. What systems put into folders by themselves (``.DS_Store``,
    ``Thumbs.db``, ``__MACOSX``) is left out without a word.

    Args:
        folder: Is listed.
        root: What the names in ``skipped`` are relative to.
    """
    images: list[Path] = []
    skipped: list[Skipped] = []

    def leave_out(path: Path, reason: str) -> None:
        skipped.append(Skipped(name_of(path, root), reason))

    def collect(folder: Path, above: tuple[str, ...]) -> None:
        above = (*above, os.path.realpath(folder))
        for entry in _entries(folder, hidden=True):
            path, hidden = folder / entry.name, _is_hidden(entry.name)
            if _is_folder(entry):
                if not hidden and _leads_back(path, above):
                    leave_out(path, "a link to a folder above it")
                elif not hidden:
                    collect(path, above)
            elif hidden:
                silent = _is_junk(entry.name) or entry.name.startswith("._")
                if not silent and _is_signed(path):
                    leave_out(path, "a hidden image: its name begins with a dot")
            elif is_image(path):
                images.append(path)
            elif path.is_symlink() and not path.exists():
                leave_out(path, "a link to a file that does not exist")
            else:
                why = _NOT_READ.get(path.suffix.lower(), "not an image that Pillow can read")
                leave_out(path, why)

    # A link to a folder above the class folder would bring in the images of other classes.
    above = {os.path.realpath(path) for path in folder.absolute().parents}
    collect(folder, (*above, *map(str, folder.resolve().parents)))
    masks = _masks(images, folder)
    for path, reason in masks.items():
        leave_out(path, reason)
    return FolderImages(tuple(path for path in images if path not in masks), tuple(skipped))


def _masks(images: Sequence[Path], folder: Path) -> dict[Path, str]:
    """Images that are masks of others, each with the reason."""
    homes = {parent: _mask_folder(parent, folder) for parent in {path.parent for path in images}}
    stems = {(path.parent, path.stem.lower()) for path in images}
    plain = {stem for parent, stem in stems if homes[parent] is None}
    found: dict[Path, str] = {}
    by_folder: dict[Path, list[Path]] = {}
    for path in images:
        home = homes[path.parent]
        if home is not None:
            by_folder.setdefault(home, []).append(path)
        elif (path.parent, image_of(path.stem.lower())) in stems:
            found[path] = "a mask of another image, by its name"
    for home, inside in by_folder.items():
        own = (path.stem.lower() for path in inside)
        if 2 * sum((image_of(stem) or stem) in plain for stem in own) >= len(inside):
            reason = f"in {home.name!r}, a folder of masks of other images, by its name"
            found |= dict.fromkeys(inside, reason)  # else the folder only sounds like masks
    return found


def _mask_folder(inside: Path, folder: Path) -> Path | None:
    """The folder of masks, by its name, that a folder below another one is or lies in."""
    while inside != folder and not is_mask_folder(inside.name):
        inside = inside.parent
    return None if inside == folder else inside


def _entries(folder: Path, *, hidden: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{readable(folder)}: this folder cannot be listed ({error.strerror}). Check its "
            "permissions, or move it elsewhere."
        ) from error
    return [entry for entry in entries if hidden or not _is_hidden(entry.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # such as a link to itself
        return entry.is_dir()
    return False


def _leads_back(path: Path, above: Sequence[str]) -> bool:
    return path.is_symlink() and os.path.realpath(path) in above


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or _is_junk(name)


def _is_junk(name: str) -> bool:
    return name.lower() in _JUNK


def _is_signed(path: Path) -> bool:
    """Whether a file begins like an image, and Pillow can then read its header."""
    if path.suffix.lower() in _NOT_READ:
        return False
    try:
        with path.open("rb") as file:
            beginning = file.read(32)
            likely = [name for name in available(_SIGNED) if _accepts(name, beginning)]
            if not likely:
                return False
            file.seek(0)
            with Image.open(file, formats=likely):
                return True
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise whatever a foreign file makes them stumble on
        return False


def _accepts(name: str, beginning: bytes) -> bool:
    accept = Image.OPEN[name][1]
    answer = accept is None or accept(beginning)
    return bool(answer) and not isinstance(answer, str)  # text says why it cannot be read here


@cache
def _endings() -> frozenset[str]:
    Image.init()
    known = Image.registered_extensions()
    return frozenset(ending for ending, name in known.items() if name in FORMATS)
