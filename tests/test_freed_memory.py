"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, statistics, sys, torch
from torch.nn import functional
from condensery.devices import computing
from condensery.networks import build
from condensery.engines.fused.loss import FusedLoss

torch.set_num_threads(1)  # threads have heaps of their own, which grow one after the other
network = build("convnet3", channels=3, classes=10, side=(32, 32), seed=0, path=())
loss = FusedLoss(network, precision="bf16", compile=False)
images, targets = torch.zeros(16, 3, 32, 32), torch.full((16, 10), 0.1)

def fused():
    loss.gradients(images, targets)

def eager():
    with computing("cpu", "fp32"):
        functional.cross_entropy(network(images), targets).backward()

counts = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for _ in range(30):
    {"fused": fused, "eager": eager}[sys.argv[1]]()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(statistics.quantiles([b - a for a, b in zip(counts[10:], counts[11:])], n=4)[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about glibc")
@pytest.mark.parametrize("step", ["fused", "eager"])
def test_training_finds_the_memory_of_its_maps_again(step: str):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, step], check=True, capture_output=True, text=True
    )
    # Pages that fault in a calm step: 0, or 2,000 to 20,000 in every step if glibc gives them back.
    # It gives some back in single steps, in more of them where other processes take the processor
    # or the heap lies otherwise, so the median of ten steps was now and then above the limit.
    assert float(done.stdout) < 100
