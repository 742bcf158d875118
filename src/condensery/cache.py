"""The cache folder: decoded images, unpacked archives and experts, which can be made again.

The variable ``CONDENSERY_CACHE`` names the folder; the default is the cache folder of the user.
Results of training are stored in *entries*: folders whose names are computed from everything that
decides their content. All entries share a limit. Above it, the entries whose last use is longest
ago are removed, but never one that a process uses. Knows nothing about the content of an entry.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from condensery.errors import ConfigError
from condensery.files import LOCK, lock
from condensery.quantities import amount

_log = logging.getLogger(__name__)

_PLACE = "CONDENSERY_CACHE"
_LIMIT = "CONDENSERY_CACHE_LIMIT"
_BOUNDED = ("experts", "features")
_GB = 1e9


def place(kind: str) -> Path:
    """The folder of one kind of content, which may not exist yet.

    Args:
        kind: ``"images"``, ``"archives"``, ``"experts"``, ``"features"`` or ``"whole"``.
    """
    named = os.environ.get(_PLACE)
    return (Path(named).expanduser().absolute() if named else _of_the_user()) / kind


def limit() -> int:
    """The limit for all entries in bytes: ``CONDENSERY_CACHE_LIMIT`` (such as ``5G``), or 20 GB.

    Raises:
        ConfigError: If the variable is not a number of bytes.
    """
    try:
        return amount(os.environ.get(_LIMIT) or "20G")
    except ConfigError as error:
        raise ConfigError(f"The environment variable {_LIMIT}: {error}") from error


def entry(kind: str, name: str, facts: Mapping[str, Any]) -> Path:
    """The folder of an entry, which may not exist yet.

    Args:
        kind: A kind whose entries share the limit.
        name: A name for people; it does not decide which entry is meant.
        facts: Everything that decides the content, as JSON values.
    """
    text = json.dumps(facts, sort_keys=True).encode()
    digest = hashlib.blake2b(text, digest_size=6).hexdigest()
    readable = re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:80]
    folder = place(kind)
    return next(iter(sorted(folder.glob(f"*-{digest}"))), folder / f"{readable}-{digest}")


def owns(folder: Path) -> bool:
    """Whether a folder belongs to an entry."""
    return any(folder.parent == place(kind) for kind in _BOUNDED)


def hold(folder: Path, owner: object) -> None:
    """Create an entry if it is absent, note its use, and protect it as long as ``owner`` lives.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConfigError(
                f"{folder}: the cache cannot be written ({error.strerror}). Name another folder "
                f"by the environment variable {_PLACE}."
            ) from error
        try:
            try:
                lock(held, shared=True)
            except BlockingIOError:  # it is being removed
                time.sleep(0.05)
                continue
            except OSError:
                pass  # no locks here: then nothing is removed, either
            if _same(held, folder / LOCK):
                os.utime(folder / LOCK)
                weakref.finalize(owner, os.close, held)
                held = -1
                return
        finally:
            if held >= 0:
                os.close(held)


def make_room() -> None:
    """Remove the entries whose last use is longest ago, until the others are within the limit.

    An entry that a process uses stays; if the file system has no locks, all entries stay. A warning
    in the log names the removed entries.
    """
    entries = sorted(used())
    total, bound = sum(size for _, size, _ in entries), limit()
    for at, size, folder in entries:
        if total <= bound:
            return
        if _remove(folder):
            total -= size
            _log.warning(
                "The cache was larger than %g GB (%s): removed %s, %.2g GB, last used on %s.",
                *(bound / _GB, _LIMIT, folder, size / _GB),
                time.strftime("%Y-%m-%d", time.localtime(at)),
            )


def used() -> Iterator[tuple[float, int, Path]]:
    """For every entry: the time of its last use (seconds since 1970), its bytes, its folder."""
    for kind in _BOUNDED:
        for folder in place(kind).glob("*/"):
            with suppress(OSError):  # just removed, or none of ours
                size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
                yield (folder / LOCK).stat().st_mtime, size, folder


def _remove(folder: Path) -> bool:
    """Remove an entry if no process uses it."""
    try:
        held = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        lock(held)
        if sys.platform == "win32":  # pragma: no cover - an open file keeps its folder there
            os.close(held)
            held = -1
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
        return True
    except OSError:
        return False
    finally:
        if held >= 0:
            os.close(held)


def _same(held: int, path: Path) -> bool:
    """Whether an open file is still the file with this path."""
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except OSError:
        return False


def _of_the_user() -> Path:
    """The folder in which this system stores caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        named = os.environ.get("XDG_CACHE_HOME", "")
        base = named if os.path.isabs(named) else "~/.cache"
    try:
        return Path(base).expanduser() / "condensery"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "condensery"
