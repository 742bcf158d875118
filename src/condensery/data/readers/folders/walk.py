"""Which files below a folder are images, and which are left out for what reason.

A file is an image if its ending is one that Pillow reads; with any other ending, or with none, its
first bytes decide. Folders are walked to any depth, links are followed, and a link that leads back
to a folder above it is left out.

Knows nothing about classes, splits or labels.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from condensery.data.decoding.formats import FORMATS, available
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = [
    "Found",
    "files",
    "folders",
    "has_images",
    "images_below",
    "is_image",
    "is_mask_folder",
    "name_of",
    "readable",
    "unmasked",
]

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
_MASK_FOLDER = re.compile(
    r"(seg(mentation)?|ground[-_ ]?truth)?[-_ ]?(masks?|annotations?|segmentations?|segs?|"
    r"trimaps?|gts?|ground[-_ ]?truths?|labels?)",
    re.IGNORECASE,
)
_MASK_OF = re.compile(
    r"(?P<of>.+?)[-_ ](mask|seg|segmentation|annotation|gt|trimap)([-_ ]?\d+)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies below a folder.

    Attributes:
        images: Paths, in the order of their names.
        skipped: Files and folders that are left out, in the order in which they were met.
    """

    images: tuple[Path, ...]
    skipped: tuple[Skipped, ...]


def readable(text: str) -> str:
    r"""Text that can be printed and stored; bytes that are no UTF-8 become ``\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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
    ending = path.suffix.lower()
    if ending in _endings():
        return True
    return ending not in _NOT_READ and _has_signature(path)


def has_images(folder: Path, *, deep: bool = True) -> bool:
    """Whether a folder holds an image, at any depth or directly."""
    return next(_images(folder, deep=deep, above=()), None) is not None


def images_below(folder: Path, *, root: Path) -> Found:
    """List the images of a folder at any depth.

    Left out are files that are no image, hidden images, links that lead back or nowhere, and
    masks: a folder called ``masks`` or similar whose images are named like others, and
    ``x_mask.png`` beside ``x.png``. What systems put into folders by themselves (``.DS_Store``,
    ``Thumbs.db``, ``__MACOSX``) is left out without a word.

    Args:
        folder: Is listed.
        root: What the names in ``skipped`` are relative to.

    Raises:
        DataError: If a folder cannot be listed.
    """
    images: list[Path] = []
    skipped: list[Skipped] = []
    # A link to a folder above the class folder would bring in the images of other classes.
    above = {os.path.realpath(path) for path in folder.absolute().parents}
    above |= {str(path) for path in folder.resolve().parents}
    _collect(folder, root, tuple(above), images, skipped)
    masks = _masks(images, folder)
    skipped += [Skipped(name_of(path, root), reason) for path, reason in masks.items()]
    return Found(tuple(path for path in images if path not in masks), tuple(skipped))


def _collect(
    folder: Path,
    root: Path,
    above: tuple[str, ...],
    images: list[Path],
    skipped: list[Skipped],
) -> None:
    here = os.path.realpath(folder)
    for entry in _entries(folder, hidden=True):
        path = folder / entry.name
        hidden = _is_hidden(entry.name)
        if _is_folder(entry):
            if hidden:
                continue
            if entry.is_symlink() and os.path.realpath(path) in (*above, here):
                skipped.append(Skipped(name_of(path, root), "a link to a folder above it"))
            else:
                _collect(path, root, (*above, here), images, skipped)
        elif hidden:
            if not _is_junk(entry.name) and not entry.name.startswith("._") and _is_signed(path):
                reason = "a hidden image: its name begins with a dot"
                skipped.append(Skipped(name_of(path, root), reason))
        elif is_image(path):
            images.append(path)
        else:
            skipped.append(Skipped(name_of(path, root), _reason(path)))


def _reason(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to a file that does not exist"
    return _NOT_READ.get(path.suffix.lower(), "not an image that Pillow can read")


def _masks(images: list[Path], folder: Path) -> dict[Path, str]:
    """Images that are masks of others, each with the reason."""
    if not any(_may_be_mask(path, folder) for path in images):
        return {}
    stems = {path: path.stem.lower() for path in images}
    suspects = {path: _mask_folder(path, folder) for path in images}
    plain = {stems[path] for path in images if suspects[path] is None}
    beside = {(path.parent, stems[path]) for path in images}
    found: dict[Path, str] = {}
    by_folder: dict[Path, list[Path]] = {}
    for path in images:
        masked = _MASK_OF.fullmatch(stems[path])
        where = suspects[path]
        if where is not None:
            by_folder.setdefault(where, []).append(path)
        elif masked and (path.parent, masked["of"]) in beside:
            found[path] = "a mask of another image, by its name"
    for where, inside in by_folder.items():
        masks = [path for path in inside if unmasked(stems[path]) in plain]
        if 2 * len(masks) >= len(inside):  # else the folder only sounds like masks
            reason = f"in {where.name!r}, a folder of masks of other images, by its name"
            found |= dict.fromkeys(inside, reason)
    return found


def _may_be_mask(path: Path, folder: Path) -> bool:
    """Whether the name of an image, or of a folder that it lies in, looks like that of a mask."""
    nested = path.parent != folder and _mask_folder(path, folder) is not None
    return nested or _MASK_OF.fullmatch(path.stem) is not None


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name usually holds masks, such as ``masks``."""
    return _MASK_FOLDER.fullmatch(name) is not None


def unmasked(stem: str) -> str:
    """The stem of the image that a mask belongs to: ``"x"`` of ``"x_mask"``."""
    masked = _MASK_OF.fullmatch(stem)
    return masked["of"] if masked else stem


def _mask_folder(path: Path, folder: Path) -> Path | None:
    for parent in path.parents:
        if parent == folder:
            return None
        if is_mask_folder(parent.name):
            return parent
    return None


def _images(folder: Path, *, deep: bool, above: tuple[str, ...]) -> Iterator[Path]:
    """Images of a folder that are not hidden, those that are recognised without reading first."""
    inside: list[Path] = []
    other: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _is_hidden(entry.name):
                    path = folder / entry.name
                    if _is_folder(entry):
                        inside.append(path)
                    elif path.suffix.lower() in _endings():
                        yield path
                    else:
                        other.append(path)
    except OSError as error:
        raise _unlisted(folder, error) from error
    here = os.path.realpath(folder)
    for path in sorted(inside) if deep else ():
        if not (path.is_symlink() and os.path.realpath(path) in (*above, here)):
            yield from _images(path, deep=True, above=(*above, here))
    yield from (path for path in other if is_image(path))


def _entries(folder: Path, *, hidden: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise _unlisted(folder, error) from error
    return [entry for entry in entries if hidden or not _is_hidden(entry.name)]


def _unlisted(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{readable(str(folder))}: this folder cannot be listed ({error.strerror}). Check its "
        "permissions, or move it elsewhere."
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # such as a link to itself
        return entry.is_dir()
    return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or _is_junk(name)


def _is_junk(name: str) -> bool:
    return name.lower() in _JUNK


def _is_signed(path: Path) -> bool:
    return path.suffix.lower() not in _NOT_READ and _has_signature(path)


def _has_signature(path: Path) -> bool:
    """Whether a file begins like an image, and Pillow can then read its header."""
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
