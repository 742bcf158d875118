"""The kind of a file by its first bytes; nothing in it is executed.

For a file that is not a released set, there is a description and advice.
"""

from __future__ import annotations

import codecs
import io
import json
import pickletools
import re
import zipfile
from typing import Literal

Kind = Literal["torch", "numpy", "other"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_PICKLES_OF_LEGACY = 5  # magic number, version, machine, content, keys of the storages
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_FETCH = "Fetch it again."
_UNPACK = "archive. Unpack it, and give the file or folder that it holds."
_PICTURE = (
    "is a single picture ({}). A set that is stored as pictures is a folder with one subfolder of "
    "pictures per class: give that folder with --format folder (format='folder')."
)
_WEB_PAGE = (
    "is a web page, which the server sent in place of the file (a login, a warning or an error; "
    "open it in a browser to read it). Fetch the file itself."
)
_STARTS = {
    b"\x89PNG": _PICTURE.format("PNG"),
    b"\xff\xd8\xff": _PICTURE.format("JPEG"),
    b"GIF8": _PICTURE.format("GIF"),
    b"BM": _PICTURE.format("BMP"),
    b"RIFF": _PICTURE.format("WebP"),
    b"II*\x00": _PICTURE.format("TIFF"),
    b"MM\x00*": _PICTURE.format("TIFF"),
    b"\x1f\x8b": f"is a gzip {_UNPACK}",
    b"BZh": f"is a bzip2 {_UNPACK}",
    b"\xfd7zXZ\x00": f"is an xz {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"is a Zstandard {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"is a 7-Zip {_UNPACK}",
    b"Rar!": f"is a RAR {_UNPACK}",
    b"\x89HDF": "is an HDF5 file, which no released code writes. Load its arrays and save "
    "[images, labels] with torch.save.",
    b"PAR1": "is a Parquet file. One that 'condensery export' wrote is read with --format folder "
    "(format='folder'), where export.json lies beside it; other Parquet files are data sets, "
    "which --data reads.",
}
"""Description and advice by the first bytes of a file."""


def kind_of(data: bytes) -> Kind:
    """Whether bytes are a file of ``torch.save``, one of NumPy, or neither (or damaged)."""
    if data.startswith(_LEGACY):
        return "torch"
    if data.startswith(b"\x93NUMPY"):
        return "numpy"
    members = [name.rpartition("/")[2] for name in _members(data) or ()]
    if members and all(name.endswith(".npy") for name in members):
        return "numpy"
    return "torch" if "data.pkl" in members and "constants.pkl" not in members else "other"


def foreign(data: bytes) -> str:
    """Description and advice for a file of kind ``"other"``, as text after ``"FILE: "``."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if not data:
        return f"is empty: its download or copy did not finish. {_FETCH}"
    if data.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d+)", data, re.MULTILINE)
        held = f", {int(size[1]):,} bytes," if size else ""
        return (
            f"is a pointer of Git LFS, {len(data)} bytes of text that stand for the file. The file "
            f"itself{held} was not fetched. Run 'git lfs pull' in its repository."
        )
    if b"/annex/objects/" in data[:64]:
        return (
            "is a pointer of git-annex, a line of text that stands for the file, which was not "
            "fetched. Run 'git annex get' on it in its repository."
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return _WEB_PAGE
    for magic, text in _STARTS.items():
        if data.startswith(magic):
            return text
    if data[257:262] == b"ustar":
        return f"is a tar {_UNPACK}"
    if data.startswith(_ZIP):
        return _zip(data)
    if (header := _safetensors(data)) is not None:
        if "condensery" in header:
            return (
                "is a condensed file of Condensery already. It needs no import: use it as it is, "
                "with 'condensery inspect' or 'condensery evaluate'."
            )
        return (
            "is a safetensors file, which no released code writes. Load its tensors and save "
            "[images, labels] with torch.save."
        )
    if len(data) > 1 and data[0] == 0x80 and data[1] <= 5:
        return (
            "is a plain pickle, not a file of torch.save. Pickles are never loaded because they "
            "can run code. If you trust it, load it yourself and save [images, labels] as plain "
            "tensors with torch.save."
        )
    if _is_text(data[:2000]):
        shown = data[:40].decode("utf-8", "replace").strip().splitlines()
        return (
            f"is a text file that begins with {(shown or [''])[0]!r}, not a file of images. "
            "Check the path, or fetch the file again."
        )
    return (
        "cannot be read: it begins neither like a file of torch.save nor like one of NumPy. "
        f"It is damaged, or another format. {_FETCH}"
    )


def is_truncated_pickle(data: bytes) -> bool:
    """Whether a file of an old ``torch.save`` is truncated.

    The instructions are only parsed and not executed.
    """
    stream = io.BytesIO(data)
    try:
        for _ in range(_PICKLES_OF_LEGACY):
            for _ in pickletools.genops(stream):
                pass
    except Exception:
        return True
    return False


def _zip(data: bytes) -> str:
    members = _members(data)
    if members is None:
        name = data[30:80].lower()
        kind = "a file of torch.save" if b"data.pkl" in name else "a zip archive"
        kind = "a NumPy archive (.npz)" if b".npy" in name else kind
        return (
            f"begins like {kind}, but its end is missing: it is truncated, at {len(data):,} bytes. "
            f"{_FETCH}"
        )
    if not members:
        return f"is an empty zip archive. {_FETCH}"
    if any(name.endswith("constants.pkl") for name in members):
        return (
            "is a network saved by TorchScript (torch.jit.save), not a set of images. Give the "
            "file of the images."
        )
    files = [name for name in members if not name.endswith("/")]
    return (
        f"is a zip archive of {len(files)} files, such as {(files or members)[0]!r}. Unpack it, "
        "and give the file that it holds, or the folder of pictures with --format folder "
        "(format='folder')."
    )


def _members(data: bytes) -> list[str] | None:
    """Names in a zip archive; ``None`` if it is damaged or not a zip archive."""
    if not data.startswith(_ZIP):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except Exception:
        return None


def _safetensors(data: bytes) -> dict[str, object] | None:
    """The metadata of a safetensors file; ``None`` if it is another kind of file."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8 or data[8:9] != b"{":
        return None
    try:
        return json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    except (ValueError, AttributeError):
        return None


def _is_text(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in data)
