"""Facts about this machine, and a test whether the library works on it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from condensery import __version__, cache
from condensery.api import condense
from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.engines.toolchain import cannot_compile, compiler
from condensery.errors import CondenseryError

_EXTRAS = {
    "pyarrow": "reads and writes Parquet: pip install 'condensery[parquet]'",
    "scipy": "reads the MATLAB files of SVHN: pip install 'condensery[mat]'",
}


class SelfTestError(CondenseryError):
    """The library does not work on this machine."""


def examine() -> Iterator[tuple[str, str]]:
    """Facts about this machine, and finally a test that condenses a few digits.

    Yields:
        A word and a text for each fact.

    Raises:
        SelfTestError: If the test fails.
    """
    yield "condensery", __version__
    yield "python", f"{platform.python_version()}, {sys.executable}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "torch", f"{torch.__version__}, {torch.get_num_threads()} threads"
    yield "processor", f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    cuda = torch.cuda.is_available()
    yield "cuda", f"{torch.cuda.get_device_name()}: --device cuda" if cuda else "none"
    cause = cannot_compile()
    yield "compiler", f"nothing is compiled: {cause}" if cause else str(compiler())
    yield "memory", _memory()
    yield "disk", f"{shutil.disk_usage('.').free / 1e9:.1f} GB free in this folder"
    size = sum(size for _, size, _ in cache.used())
    yield "cache", f"{size / 1e9:.1f} of {cache.limit() / 1e9:g} GB in {cache.place('experts')}"
    for name, use in _EXTRAS.items():
        yield name, _version(name) or f"not installed ({use})"
    begin = time.monotonic()
    _self_test()
    seconds = time.monotonic() - begin
    yield "self test", f"condensed digits and read the file back, {seconds:.1f} s"


def _self_test() -> None:
    """Condense a little, write it, read it."""
    settings = {"iterations": "1", "schedule.inner": "2", "schedule.steps": "1"}
    data = load_data("digits")
    made = condense(data, ipc=2, preset="smoke", settings=settings).result(created="")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        made.save(path)
        read = CondensedSet.load(path)
    if not read.images.equal(made.images):
        raise SelfTestError("self test: the file that was read is not the one that was written.")


def _memory() -> str:
    sysconf: Callable[[str], int] | None = getattr(os, "sysconf", None)
    if sysconf is None:
        return "unknown"
    try:
        page = sysconf("SC_PAGE_SIZE")
        whole, free = sysconf("SC_PHYS_PAGES") * page, sysconf("SC_AVPHYS_PAGES") * page
    except (ValueError, OSError):
        return "unknown"
    return f"{whole / 1e9:.1f} GB, {free / 1e9:.1f} GB free"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
