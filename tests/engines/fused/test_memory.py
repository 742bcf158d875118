"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, statistics, torch
from condensery.networks import build
from condensery.engines.fused.loss import FusedLoss

network = build("convnet3", channels=3, classes=10, side=(32, 32), seed=0, path=())
loss = FusedLoss(network, precision="bf16", compile=False)
images, targets = torch.zeros(16, 3, 32, 32), torch.full((16, 10), 0.1)
counts = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for _ in range(20):
    loss.gradients(images, targets)
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(statistics.median(b - a for a, b in zip(counts[10:], counts[11:])))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about glibc")
def test_training_finds_the_memory_of_its_maps_again():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) < 100  # pages that fault in a step; 4000 if glibc gives them back
