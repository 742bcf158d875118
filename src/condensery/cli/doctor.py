"""``condensery doctor``: say what this machine offers, and whether the library works on it."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

__all__ = ["add_arguments", "run"]

_EXTRAS = {
    "pyarrow": "reads and writes Parquet: pip install 'condensery[parquet]'",
    "scipy": "reads the MATLAB files of SVHN: pip install 'condensery[mat]'",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print facts, then condense a few digits."""
    del arguments
    from condensery import __version__

    _say("condensery", __version__)
    _say("python", f"{platform.python_version()}, {sys.executable}")
    _say("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    import torch

    _say("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")
    _say("processor", f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}")
    cuda = torch.cuda.is_available()
    _say("cuda", f"{torch.cuda.get_device_name()}: --device cuda" if cuda else "none")
    from condensery.engines.toolchain import cannot_compile, compiler

    cause = cannot_compile()
    _say("compiler", f"nothing is compiled: {cause}" if cause else str(compiler()))
    _say("memory", _memory())
    free = shutil.disk_usage(".").free
    _say("disk", f"{free / 1e9:.1f} GB free in this folder")
    for name, use in _EXTRAS.items():
        _say(name, _version(name) or f"not installed ({use})")
    begin = time.monotonic()
    fault = _self_test()
    seconds = time.monotonic() - begin
    _say("self test", fault or f"condensed digits and read the file back, {seconds:.1f} s")
    return 1 if fault else 0


def _self_test() -> str | None:
    """Condense a little, write it, read it; what went wrong, or ``None``."""
    import tempfile
    from pathlib import Path

    from condensery.api import condense
    from condensery.artifact import CondensedSet
    from condensery.data import load_data

    settings = {"iterations": "1", "schedule.inner": "2", "schedule.steps": "1"}
    data = load_data("digits")
    made = condense(data, ipc=2, preset="smoke", settings=settings).result(created="")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        made.save(path)
        read = CondensedSet.load(path)
    if not read.images.equal(made.images):
        return "FAILED: the file that was read is not the one that was written"
    return None


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


def _say(word: str, text: str) -> None:
    print(f"{word:12}{text}")
