r"""The compiled bfloat16 engine takes a matching step in 2.4 s instead of 16.3 s: 7.0 times less.

Medians of n = 5 interleaved rounds, CIFAR-10 shape, one thread, CPU seconds; torch 2.13.0+cpu,
2-core x86 with AVX512 and AMX, shared and busy (load 3 to 4 throughout), 2026-11-22. Ratios are
medians of the rounds' ratios; the error is of the image gradient, relative to ``autograd``.

    engine                CPU s  (min - max)    ratio  error  cosine   first step, cold / warm  peak
    autograd              16.25  14.69-17.25     1.00                                         534 MB
    one-pass              12.27  11.38-14.22     1.26  4e-7   1.0000                          493 MB
    fused-fp32            17.15  16.07-18.96     0.99  5e-4   1.0000                          948 MB
    fused-bf16            13.27  12.57-15.79     1.24  5e-2   0.9986
    fused-fp32-compiled    6.93   6.32- 7.20     2.33  4e-4   1.0000   +36 s / +14 s          473 MB
    fused-bf16-compiled    2.44   1.95- 2.96     6.97  5e-2   0.9986   +52 s / +13 s          283 MB

The last two columns come from ``--alone`` (n = 1, peak memory above that before the first step).
Compiling earns itself back after 4 steps with an empty cache, 1 to 2 with a filled one. Without a
compiler ``one-pass`` is the faster choice in float32. Not measured: two threads, Fashion-MNIST.

One matching step of MDC, all ten classes: 640 real images (64 a class, weight gradients only) and
400 decoded synthetic images (40 a class) with two sets each, all of them and the first half
(ten images a class, factor 2, n* = 5); squared distance of all convolution kernels; gradient with
respect to the synthetic images. One call of the engine per class for the real images and one for
the synthetic ones, as the reference does it. Network training and augmentation are not in it.

    python benchmarks/inner_step.py                  # CIFAR-10 shape, ConvNet-3 width 128, 1 thread
    python benchmarks/inner_step.py --shape fashion  # 28x28x1, width 64
    python benchmarks/inner_step.py --alone          # compile seconds, peak memory

Engines are interleaved, so that a busy machine slows all of them alike; the time is CPU time of the
process. ``--engines autograd,fused-fp32`` runs without a compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch import Tensor

from condensery.engines import Autograd, OnePass
from condensery.engines.base import Engine
from condensery.engines.fused import Fused
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Groups

CLASSES, REAL, SYNTHETIC, SUBSET = 10, 64, 40, 20  # images a class
SHAPES = {"cifar": (3, 32, "convnet3"), "fashion": (1, 28, "convnet3-w64")}
ENGINES: dict[str, Engine] = {
    "autograd": Autograd(),
    "one-pass": OnePass(),
    "fused-fp32": Fused(),
    "fused-bf16": Fused(precision="bf16"),
    "fused-fp32-compiled": Fused(compile=True),
    "fused-bf16-compiled": Fused(precision="bf16", compile=True),
}


class Step:
    """One matching step with random images: what it costs does not depend on the images."""

    def __init__(self, shape: str) -> None:
        channels, side, network = SHAPES[shape]
        rng = stream(0, "benchmark")
        self.network = build(
            network, channels=channels, classes=CLASSES, side=(side, side), seed=0, path=()
        )
        self.names = [name for name, p in self.network.named_parameters() if p.ndim == 4]
        size = (channels, side, side)
        self.real = torch.randn(CLASSES, REAL, *size, generator=rng)
        self.synthetic = torch.randn(CLASSES, SYNTHETIC, *size, generator=rng)

    def run(self, engine: Engine) -> Tensor:
        """The image gradient, ``[class_, example, channel, height, width]``."""
        every = torch.ones(1, REAL, dtype=torch.bool)
        sets = torch.arange(SYNTHETIC) < torch.tensor([[SYNTHETIC], [SUBSET]])
        found = torch.empty_like(self.synthetic)
        for class_ in range(CLASSES):
            target = self._gradients(engine, self.real[class_], class_, every)
            images = self.synthetic[class_].clone().requires_grad_()
            gradients = self._gradients(engine, images, class_, sets)
            loss = sum(((gradients[k] - target[k].detach()) ** 2).sum() for k in self.names)
            (found[class_],) = torch.autograd.grad(loss, images)
        return found

    def _gradients(
        self, engine: Engine, images: Tensor, class_: int, member: Tensor
    ) -> dict[str, Tensor]:
        groups = Groups(
            member=member, class_=torch.full((len(member),), class_), size=member.sum(dim=1)
        )
        labels = torch.full((len(images),), class_)
        return engine.gradients(self.network, images, labels, groups, names=self.names)


def compare(step: Step, names: list[str], rounds: int) -> None:
    """Print CPU and wall seconds of every engine, medians of interleaved rounds."""
    first = {name: step.run(ENGINES[name]) for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            started, started_wall = time.process_time(), time.perf_counter()
            step.run(ENGINES[name])
            cpu[name].append(time.process_time() - started)
            wall[name].append(time.perf_counter() - started_wall)
    reference = first[names[0]].flatten()
    print(
        f"{'engine':22} {'CPU s':>7} {'(min':>6}-{'max)':>5} {'ratio':>6} "
        f"{'wall s':>7} {'ratio':>6}"
    )
    for name in names:
        ratios = [a / b for a, b in zip(cpu[names[0]], cpu[name], strict=True)]
        walls = [a / b for a, b in zip(wall[names[0]], wall[name], strict=True)]
        found = first[name].flatten()
        error = ((found - reference).norm() / reference.norm()).item()
        cosine = torch.cosine_similarity(found.double(), reference.double(), dim=0).item()
        print(
            f"{name:22} {statistics.median(cpu[name]):7.2f} {min(cpu[name]):6.2f}-"
            f"{max(cpu[name]):5.2f} {statistics.median(ratios):6.2f} "
            f"{statistics.median(wall[name]):7.2f} {statistics.median(walls):6.2f}"
            f"   image gradient: error {error:.0e}, cosine {cosine:.4f}",
            flush=True,
        )


def measure_alone(step: Step, name: str) -> None:
    """Print as JSON what one engine costs in a fresh process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took: list[dict[str, float]] = []
    for _ in range(3):
        started, children = time.process_time(), os.times()
        started_wall = time.perf_counter()
        step.run(ENGINES[name])
        after = os.times()
        took.append(
            {
                "cpu": time.process_time() - started,
                "compiler": (after.children_user - children.children_user)
                + (after.children_system - children.children_system),
                "wall": time.perf_counter() - started_wall,
            }
        )
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"first": took[0], "later": took[-1], "peak_mb": peak}))


def alone(names: list[str], shape: str, threads: int) -> None:
    """Run every engine in a process of its own; compiled ones with an empty and a filled cache."""
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            for state in ("cold", "warm") if name.endswith("compiled") else ("",):
                command = [sys.executable, __file__, "--shape", shape, "--threads", str(threads)]
                done = subprocess.run(
                    [*command, "--one", name],
                    # One compiler at a time, as a child of this process, so that it is counted.
                    env={
                        **os.environ,
                        "TORCHINDUCTOR_CACHE_DIR": cache,
                        "TORCHINDUCTOR_COMPILE_THREADS": "1",
                    },
                    check=True,
                    capture_output=True,
                    text=True,
                )
                cost = json.loads(done.stdout)
                extra = {
                    k: cost["first"][k] - cost["later"][k] for k in ("cpu", "compiler", "wall")
                }
                cpu = extra["cpu"] + extra["compiler"]
                print(
                    f"{name:22} {state:5} first step costs {cpu:6.1f} s CPU "
                    f"({extra['wall']:.1f} s wall) more than a later one "
                    f"({cost['later']['cpu']:.2f} s); peak memory +{cost['peak_mb']:.0f} MB",
                    flush=True,
                )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Time one matching step with every engine.")
    parser.add_argument("--shape", choices=SHAPES, default="cifar")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engines", default=",".join(ENGINES), help="the first is the reference")
    parser.add_argument("--alone", action="store_true", help="compile seconds and peak memory")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = options.engines.split(",")
    if options.alone:
        alone(names, options.shape, options.threads)
    elif options.one:
        measure_alone(Step(options.shape), options.one)
    else:
        compare(Step(options.shape), names, options.rounds)


if __name__ == "__main__":
    main()
