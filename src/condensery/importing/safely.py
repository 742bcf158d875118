"""Files of other people, opened without executing anything that they say.

A ``.pt`` file is a pickle: a program for a machine that can call any Python function. It is read
by torch's restricted reader, which rebuilds tensors and plain containers and refuses all else.
Released files also hold NumPy numbers (their accuracies). These are neither needed nor rebuilt:
NumPy's own reconstruction trusts the layout that a file claims, so an inert object takes
their place.

Every file is read once, so the hash is that of the very bytes that were parsed. Knows nothing
about what is in them.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from condensery.errors import DataError, nearest

__all__ = ["Opened", "hash_of_folder", "open_numpy", "open_torch"]


class _Unread:
    """Stands where a file has a NumPy number or array; takes whatever it is built of."""

    def __init__(self, *state: object) -> None:
        del state

    def __setstate__(self, state: object) -> None:
        del state


def _stand_in(name: str) -> type[_Unread]:
    """An inert class that the reader finds under a dotted name."""
    module, _, last = name.rpartition(".")
    return type(last, (_Unread,), {"__module__": module, "__qualname__": last})


_INERT = tuple(
    map(
        _stand_in,
        (
            "numpy.core.multiarray.scalar",
            "numpy.core.multiarray._reconstruct",
            "numpy._core.multiarray.scalar",
            "numpy._core.multiarray._reconstruct",
            "numpy.dtype",
            "numpy.ndarray",
            "_codecs.encode",  # how old pickles write the bytes of a number
        ),
    )
)
"""What released files name beside tensors, each under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The content of a file.

    Attributes:
        content: Plain containers, tensors or arrays.
        sha256: Of the file, in hexadecimal.
    """

    content: object
    sha256: str


def open_torch(path: Path) -> Opened:
    """Read what ``torch.save`` wrote: tensors in lists, tuples and dictionaries.

    Raises:
        DataError: If there is no file, it is no such file, or it needs more than that.
    """
    data = _bytes(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([*_INERT]):
            warnings.simplefilter("ignore")  # on old layouts, which are read all the same
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes the reader stumble on anything
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise DataError(
                f"{path}: asks for {named[1]!r} to be run, which a file of images needs not. "
                "Nothing of it was executed. If you trust it, load it yourself and save "
                "[images, labels] as plain tensors with torch.save."
            ) from error
        raise DataError(
            f"{path}: cannot be read as a file of torch.save ({_first_line(error)}). It is "
            "truncated, or another format; fetch it again."
        ) from error
    return Opened(content=content, sha256=hashlib.sha256(data).hexdigest())


def open_numpy(path: Path) -> Opened:
    """Read a ``.npz`` archive (a dictionary of arrays) or a ``.npy`` file (an array).

    Raises:
        DataError: If there is no file, it is no such file, or it holds pickled objects.
    """
    data = _bytes(path)
    try:
        content = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(content, np.lib.npyio.NpzFile):
            with content:
                content = {key: content[key] for key in content.files}
    except MemoryError:
        raise
    except Exception as error:  # as above
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds pickled Python objects, or is no NumPy file. Those are never "
                "loaded because they can run code. Save plain arrays with numpy.savez."
            ) from error
        raise DataError(
            f"{path}: cannot be read as .npz or .npy ({_first_line(error)}). It is truncated, or "
            "another format; fetch it again."
        ) from error
    return Opened(content=content, sha256=hashlib.sha256(data).hexdigest())


def hash_of_folder(folder: Path) -> str:
    """One hash of all files below a folder: of the lines ``sha256  path``, sorted by path."""
    whole = hashlib.sha256()
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        own = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{own}  {path.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path}: there is no such file.{nearest(path.name, beside)}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give a file.") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
