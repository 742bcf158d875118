"""Reading files of other people without executing anything in them.

A ``.pt`` file is a pickle: a program that can call any Python function. It is read by the
restricted reader of torch, which builds only tensors and plain containers and refuses everything
else. Some files also contain NumPy numbers and arrays. The reconstruction of NumPy trusts the
layout in the file; therefore an inert object replaces them, which only stores their parts, and
``as_tensor`` makes an array from it after a check of its layout.

Every file is read once, so the hash belongs to the parsed bytes. Knows nothing about the content of
files.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from condensery.condensed.importing.magic import foreign, is_truncated_pickle, kind_of
from condensery.errors import DataError, nearest


class _Unread:
    """Replaces a NumPy number or array of a file, and stores its parts."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _stand_in(name: str) -> type[_Unread]:
    """An inert class for the reader with a dotted name."""
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
"""The classes in released files besides tensors, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """The content of a file."""

    content: object  # plain containers, tensors or arrays
    sha256: str  # of the file, in hexadecimal


def open_torch(path: Path) -> FileContent:
    """Read what ``torch.save`` wrote: tensors in lists, tuples and dictionaries.

    Raises:
        DataError: If there is no file, it is another kind of file, or it needs other classes.
    """
    data = _bytes(path)
    _check_kind(path, data, "torch")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([*_INERT]):
            warnings.simplefilter("ignore")  # on old layouts, which are read all the same
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes the reader stumble on anything
        raise DataError(f"{path}: {_reason(error, data)}") from error
    return FileContent(content=content, sha256=hashlib.sha256(data).hexdigest())


def open_numpy(path: Path) -> FileContent:
    """Read a ``.npz`` archive (a dictionary of arrays) or a ``.npy`` file (an array).

    Raises:
        DataError: If there is no file, it is another kind of file, or contains pickled objects.
    """
    data = _bytes(path)
    _check_kind(path, data, "numpy")
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
                f"{path}: holds pickled Python objects. Those are never loaded because they can "
                "run code. Save plain arrays with numpy.savez."
            ) from error
        raise DataError(
            f"{path}: cannot be read as .npz or .npy ({_first_line(error)}). It is truncated or "
            "damaged; fetch it again."
        ) from error
    return FileContent(content=content, sha256=hashlib.sha256(data).hexdigest())


def as_tensor(value: object, *, path: Path, what: str) -> Tensor | None:
    """Numbers of a file as one dense tensor on the CPU.

    Args:
        value: A tensor, a NumPy array or number (also an inert one of ``open_torch``), a number, or
            a list or tuple of these with one shape.
        path: Path of the file, for errors.
        what: Name of the value in errors, such as ``"images"``.

    Returns:
        The tensor; ``None`` if ``value`` is something else.

    Raises:
        DataError: If the layout needs numbers that the file does not contain, or the images in a
            list have different sizes.
    """
    if isinstance(value, Tensor):
        return _dense(value, path=path, what=what)
    if isinstance(value, np.ndarray):
        return _from_numpy(value)
    if isinstance(value, _Unread):
        return _from_numpy(_rebuilt(value, path=path, what=what))
    if isinstance(value, (bool, int, float)):
        return torch.tensor(value)
    if not isinstance(value, (list, tuple)) or not value:
        return None
    entries = cast(list[object], value)
    if all(isinstance(entry, (bool, int, float)) for entry in entries):
        return torch.tensor(entries)
    parts = [as_tensor(entry, path=path, what=what) for entry in entries]
    tensors = [part for part in parts if part is not None]
    if len(tensors) < len(parts):
        return None
    shapes = {tuple(part.shape) for part in tensors}
    if len({len(shape) for shape in shapes}) > 1:
        return None
    if len(shapes) > 1:
        one, two = (list(shape) for shape in sorted(shapes)[:2])
        raise DataError(
            f"{path}: {what} are a list of {len(tensors)} arrays of different shapes, such as "
            f"{one} and {two}. All images of a set have one shape: bring them to it and save one "
            "tensor."
        )
    return torch.stack(tensors)


def _dense(tensor: Tensor, *, path: Path, what: str) -> Tensor:
    """A dense tensor whose numbers are all in the file: not repeated, sparse or absent."""
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.is_complex():
        raise DataError(
            f"{path}: {what} are a {tensor.dtype} tensor of layout {tensor.layout} on "
            f"{tensor.device}, but only plain dense numbers are read. Save them with "
            ".to_dense(), .dequantize() or .real, on the CPU."
        )
    held = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > held:
        raise DataError(
            f"{path}: {what} claim the shape {tuple(tensor.shape)}, but the file holds only "
            f"{held:,} bytes of numbers for them. Save them with .clone()."
        )
    return tensor.detach()


def _from_numpy(array: np.ndarray | None) -> Tensor | None:
    if array is None or array.dtype.kind not in "fiub":
        return None
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=True))


def _rebuilt(inert: _Unread, *, path: Path, what: str) -> np.ndarray | None:
    """The array or number of an inert object, from its bytes; ``None`` if it is something else."""
    if type(inert).__name__ == "scalar" and len(inert.parts) == 2:
        shape, kind, fortran, raw = (), inert.parts[0], False, inert.parts[1]
    elif isinstance(inert.state, tuple) and len(cast(tuple[object, ...], inert.state)) == 5:
        _, shape, kind, fortran, raw = cast(tuple[object, ...], inert.state)
    else:
        return None
    dtype, held = _dtype(kind), _raw(raw)
    if dtype is None or held is None or not isinstance(shape, tuple):
        return None
    extents = [extent for extent in cast(tuple[object, ...], shape) if isinstance(extent, int)]
    if len(extents) < len(cast(tuple[object, ...], shape)) or min(extents, default=0) < 0:
        return None
    if math.prod(extents) * dtype.itemsize != len(held):
        raise DataError(
            f"{path}: {what} claim the shape {tuple(extents)} of {dtype}, but the file holds "
            f"{len(held):,} bytes of numbers for them. It is damaged; fetch it again."
        )
    return np.frombuffer(held, dtype=dtype).reshape(extents, order="F" if fortran else "C")


def _dtype(inert: object) -> np.dtype | None:
    """A plain dtype, from the name and the byte order in a file."""
    if not isinstance(inert, _Unread) or not inert.parts:
        return None
    name = inert.parts[0]
    if not isinstance(name, str) or not re.fullmatch(r"[fiu][1248]|b1", name) or name == "f1":
        return None
    state = inert.state
    order = cast(tuple[object, ...], state)[1] if isinstance(state, tuple) and state else "="
    return np.dtype(name).newbyteorder(">" if order == ">" else "<")


def _raw(inert: object) -> bytes | None:
    """Bytes, also from the text form of old pickles."""
    if isinstance(inert, bytes):
        return inert
    if isinstance(inert, _Unread) and len(inert.parts) == 2:
        text, encoding = inert.parts
        if isinstance(text, str) and encoding == "latin1":
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                return None
    return None


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
        if path.is_dir():
            raise DataError(f"{path}: is a folder. Give a file of it{_inside(path)}") from error
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give a file.") from error


def _inside(path: Path) -> str:
    """Files of a folder that the user may mean, as text after "Give a file of it"."""
    entries = sorted(path.iterdir())
    files = [entry.name for entry in entries if entry.suffix in (".pt", ".pth", ".npz", ".npy")]
    images = [name for name in files if "label" not in name and "lr_" not in name]
    if images:
        more = f" and {len(images) - 3} more" if len(images) > 3 else ""
        return f": it holds {', '.join(images[:3])}{more}."
    if any(entry.is_dir() for entry in entries):
        return (
            ". If it has one subfolder of pictures per class, give --format folder "
            "(format='folder')."
        )
    return "."


def _check_kind(path: Path, data: bytes, wanted: str) -> None:
    """Refuse a file of another kind; the error names the kind."""
    kind = kind_of(data)
    if kind == wanted:
        return
    if kind == "numpy":
        raise DataError(
            f"{path}: is a file of NumPy, but this format is a file of torch.save. KIP writes "
            "files of NumPy: give --format kip (format='kip') if it is its."
        )
    if kind == "torch":
        raise DataError(
            f"{path}: is a file of torch.save, but KIP writes files of NumPy (.npz or .npy). Give "
            "the format of the code that wrote it, such as --format mtt (format='mtt')."
        )
    raise DataError(f"{path}: {foreign(data)}")


_NETWORKS = re.compile(r"torch\.nn\.|torchvision\.models|networks?\.|models?\.|DataParallel|timm\.")


def _reason(error: Exception, data: bytes) -> str:
    """The reason why the restricted reader refused a file of ``torch.save``, and advice."""
    text = str(error)
    ends = "unexpected EOF" in text or isinstance(error, EOFError)
    if ends or (not data.startswith(b"PK") and is_truncated_pickle(data)):
        return f"is truncated: it ends after {len(data):,} bytes. Fetch it again."
    if named := re.search(r"GLOBAL (\S+)", text):
        what = "which a file of images needs not"
        if _NETWORKS.match(named[1]):
            what = "so it holds a whole network or a part of one, not a set of images"
        return (
            f"asks for {named[1]!r} to be run, {what}. Nothing of it was executed. If you trust "
            "it and it holds images, load it yourself and save [images, labels] as plain tensors "
            "with torch.save."
        )
    if "Unsupported operand" in text:
        return (
            "was saved with a newer pickle protocol (pickle_protocol= of torch.save), which the "
            "restricted reader does not read. If you trust it, load it yourself and save it again "
            "with torch.save and no pickle_protocol=."
        )
    return f"cannot be read as a file of torch.save ({_first_line(error)}). Fetch it again."


def _first_line(error: Exception) -> str:
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    return text.splitlines()[0][:200]
