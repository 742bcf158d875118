"""What the work costs by formula, and what this machine can do: the limit of every ratio.

One multiply-add counts 2. ``python benchmarks/flops.py`` prints both. Knows nothing about engines.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from torch import nn

__all__ = ["ceiling", "forward", "inner_step", "matching", "training"]


def layers(*, side: int, channels: int, width: int, depth: int, classes: int) -> list[int]:
    """FLOP of the forward pass of every layer of a ConvNet for one image."""
    padded = 32 if channels == 1 and side == 28 else side
    found: list[int] = []
    for block in range(depth):
        pixels = (padded >> block) ** 2
        found.append(2 * 9 * (channels if block == 0 else width) * width * pixels)
    return [*found, 2 * width * (padded >> depth) ** 2 * classes]


def forward(**shape: int) -> int:
    """One image, forward."""
    return sum(layers(**shape))


def training(**shape: int) -> int:
    """One image, forward and backward to the weights; nobody needs the first input gradient."""
    return 3 * forward(**shape) - layers(**shape)[0]


def matching(**shape: int) -> int:
    """One synthetic image: training, and the derivative of its weight gradient along a direction.

    The tangent forward costs a convolution along the direction in every layer and one of the
    tangent in all but the first; the tangent backward costs two in every layer.
    """
    return training(**shape) + 4 * forward(**shape) - layers(**shape)[0]


def inner_step(*, real: int, synthetic: int, trained: int, **shape: int) -> dict[str, int]:
    """FLOP of the parts of one inner step on so many images; sizes inside the set are free."""
    return {
        "real gradients": real * training(**shape),
        "synthetic side": synthetic * matching(**shape),
        "network update": trained * training(**shape),
    }


def ceiling(dtype: torch.dtype, *, rounds: int = 15) -> float:
    """FLOP a second of the convolution that most of the work is: 128 -> 128 channels on 16 x 16."""
    images = torch.ones(64, 128, 16, 16, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.ones(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    work = 2 * 9 * 128 * 128 * 256 * len(images)
    took: list[float] = []
    with torch.no_grad():
        for _ in range(rounds):
            begin = time.perf_counter()
            nn.functional.conv2d(images, weight, padding=1)
            took.append(time.perf_counter() - begin)
    return work / median(took)


def main() -> None:
    """Print the work of MDC's inner step on CIFAR-10, and the rates of this machine."""
    parser = argparse.ArgumentParser(description="Work by formula, and this machine's rates.")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    shape = {"side": 32, "channels": 3, "width": 128, "depth": 3, "classes": 10}
    print(f"ConvNet-3, one image: forward {forward(**shape) / 1e6:.0f} MFLOP, ", end="")
    print(f"training {training(**shape) / 1e6:.0f}, matching {matching(**shape) / 1e6:.0f}")
    for name, work in inner_step(real=640, synthetic=400, trained=2048, **shape).items():
        print(f"{name:16} {work / 1e9:6.0f} GFLOP")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"convolution in {dtype}: {ceiling(dtype) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
