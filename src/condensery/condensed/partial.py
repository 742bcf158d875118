"""The file of one size, made of the bytes that the size needs in the file of all sizes.

Knows nothing about where the bytes come from.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from condensery.condensed.manifest import KEY, check_format, cut, dumps, stored_tensors
from condensery.errors import ArtifactError

_FIRST = 2**16
"""Bytes of the first reading, in which most headers end."""


def bytes_of_size(read: Callable[[int, int], bytes], ipc: int, *, title: str) -> bytes:
    """A condensed file with the size ``ipc`` of another one, whose other bytes are not read.

    Args:
        read: Gives the bytes from a position of the file up to another one, or to its end.
        ipc: The size.
        title: Name of the file in errors.

    Raises:
        ConfigError: If the set does not have the size, or sizes are no prefixes of its rows.
        ArtifactError: If it is no condensed file, or a part of it is missing.
    """
    head = read(0, _FIRST)
    begin = 8 + int.from_bytes(head[:8], "little")
    if head[8:9] != b"{":
        raise ArtifactError(f"{title}: is no condensed file (its first bytes are {head[:16]!r}).")
    if begin > len(head):
        head += read(len(head), begin)
    try:
        header: dict[str, Any] = json.loads(head[8:begin])
        manifest: dict[str, Any] = json.loads(header.pop("__metadata__")[KEY])
        check_format(manifest)
        kinds, rows = stored_tensors(manifest), manifest["rows"]
        small = cut(manifest, ipc)
        own: dict[str, Any] = {"__metadata__": {KEY: dumps(small)}}
        parts: list[bytes] = []
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            (start, end), (count, *rest) = entry["data_offsets"], entry["shape"]
            if kinds.get(name) != "shared":
                end = start + (end - start) // count * rows[ipc - 1]
                count = rows[ipc - 1]
            part = read(begin + start, begin + end)
            if len(part) != end - start:
                raise ArtifactError(
                    f"{title}: is truncated: {name} has {len(part)} of {end - start} bytes."
                )
            at = sum(map(len, parts))
            own[name] = {**entry, "shape": [count, *rest], "data_offsets": [at, at + len(part)]}
            parts.append(part)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{title}: is no condensed file, or is damaged (its header cannot be read: {error!r})."
        ) from error
    text = dumps(own).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)
