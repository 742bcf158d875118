"""Freed memory stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from condensery.machine import keep_freed
keep_freed()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = [torch.ones(2**24, dtype=torch.uint8) for _ in range(3)]
    del maps
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about glibc")
def test_freed_memory_is_kept_for_whoever_asks_next():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 1000  # of 12288 pages
