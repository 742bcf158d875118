r"""A network update takes 2.4 s instead of 14.8 s: 6.3 times less; an evaluation 4.9 times less.

Medians of n = 3 interleaved rounds, CIFAR-10 shape, ConvNet-3 of width 128, one thread, CPU
seconds; 2-core x86 with AVX512 and AMX, shared and busy (load 8 to 12 throughout), torch
2.13.0+cpu, 2026-11-22. Ratios are medians of the rounds' ratios. The limit is the time of the
convolutions' multiplications alone, at the rate of a large bfloat16 matrix product.

    network update            CPU s  (min - max)    ratio  of the limit
    reference (eager fp32)    14.82  13.94-17.04    1.00      4%
    eager bf16                 9.24   8.12-10.18    1.67      6%
    compiled autograd bf16     3.80   3.16- 4.43    3.84     15%
    sweep fp32                 8.00   7.63- 8.18    1.83      7%
    sweep bf16 (ours)          2.35   2.29- 2.44    6.30     24%

    evaluation                CPU s  (min - max)    ratio  of the limit
    reference (eager fp32)     2889   2833-3239     1.00      4%
    sweep bf16 (ours)           589    530- 850     4.91     19%

    network update, Fashion-MNIST shape, width 64 (n = 5 rounds of 4 of the 32 steps)
    reference (eager fp32)     6.63   4.76- 7.15    1.00      2%
    eager bf16                 4.26   3.82- 5.36    1.39      3%
    sweep bf16 (ours)          1.62   1.17- 1.94    3.69      8%

Two threads, wall seconds, a busy neighbour, 2026-11-23:

    network update (n = 7)     9.47                 1.00
    sweep bf16 (ours)          2.26                 4.14   of the shortest 5.25; n = 15: 4.42, 5.82
    evaluation (n = 5)         1706                 1.00
    sweep bf16 (ours)           283                 6.15
    experts (n = 5)            5.21   4.30- 5.37    1.00
    sweep fp32                 2.06   1.65- 2.18    2.55
    sweep bf16 (ours)          0.91   0.87- 0.97    5.76
    experts, Fashion-MNIST     2.13   1.76- 2.21    1.00
    sweep bf16 (ours)          0.43   0.36- 0.45    4.83

An update is 32 steps of batch 64 with augmentation per image and CutMix; images are random. An
evaluation is the protocol "idc" at IPC 10, factor 2 (7000 steps on 400 images), and a test on
10,000 images, extrapolated from 14 steps and 640 images. Experts take epochs of 4 steps of 256
images; seconds are of one, and where sweeps train them, every thread has one. Fresh pages are a
part of the reference's time that an environment can save: with MALLOC_MMAP_THRESHOLD_ and
MALLOC_TRIM_THRESHOLD_ set to 4e9 its gradient took 349 ms instead of 466, ours 63 instead of 86
(prototype of ours, load 4, n = 9).

    python benchmarks/training.py                             # network update, CIFAR-10 shape
    python benchmarks/training.py --what evaluation           # train on IPC 10, test on 10,000
    python benchmarks/training.py --what experts --variants "reference,sweep bf16" --threads 2
    python benchmarks/training.py --shape fashion --threads 2 --steps 4
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from typing import Any

import torch
from torch import nn

from condensery.augment import PerExample
from condensery.data import ImageData
from condensery.experts import Buffer, ExpertTraining
from condensery.networks import build
from condensery.networks.convnet import ConvNet
from condensery.parallel import as_completed
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, accuracy, batches, real_batches

SHAPES = {"cifar": (3, 32, "convnet3"), "fashion": (1, 28, "convnet3-w64")}
STEPS = 32  # of a network update
POOL, LENGTH, TEST = 400, 7000, 10_000  # IPC 10 with factor 2: images, steps of "idc", test images
PEAK = 1.1e12
"""FLOP a second and thread of a bfloat16 product of 1024 x 1024 matrices on this machine."""

VARIANTS: dict[str, dict[str, Any]] = {
    "reference": {"precision": "fp32", "compiled": False},
    "eager bf16": {"precision": "bf16", "compiled": False},
    "compiled autograd bf16": {"precision": "bf16", "compiled": True},
    "sweep fp32": {"precision": "fp32", "compiled": True},
    "sweep bf16": {"precision": "bf16", "compiled": True},
}


@dataclass
class Setting:
    """Random images: what training costs does not depend on them."""

    shape: str

    def __post_init__(self) -> None:
        self.channels, self.side, self.network = SHAPES[self.shape]
        rng = stream(0, "benchmark")
        size = (TEST, self.channels, self.side, self.side)
        self.data = ImageData(
            name="random",
            images=torch.randint(256, size, dtype=torch.uint8, generator=rng),
            labels=torch.randint(10, (TEST,), generator=rng),
            class_names=tuple("0123456789"),
            mean=(0.5,) * self.channels,
            std=(0.25,) * self.channels,
        )

    def limit(self, what: str, threads: int) -> float:
        """Seconds of the convolutions alone, at the rate of a large matrix product."""
        forward, side, inputs = 0, self.side + 4 * (self.channels == 1), self.channels
        backward = 0
        for _ in range(3):
            width = 128 if self.network == "convnet3" else 64
            layer = 2 * 9 * inputs * width * side**2
            forward += layer
            backward += layer if inputs == self.channels else 2 * layer
            inputs, side = width, side // 2
        images = {"update": STEPS * 64, "evaluation": LENGTH * POOL / 7, "experts": 4 * 256}[what]
        tested = TEST if what == "evaluation" else 0
        return (images * (forward + backward) + tested * forward) / (PEAK * threads)

    def fresh(self) -> nn.Module:
        """An untrained network."""
        side = (self.side, self.side)
        return build(self.network, channels=self.channels, classes=10, side=side, seed=0, path=())

    def trainer(self, name: str, choices: SGDTraining) -> Trainer:
        """A trainer of the variant ``name``."""
        network = self.fresh()
        if name.startswith("compiled autograd"):
            network.__class__ = _Stranger
        return Trainer(network, choices, **VARIANTS[name])


class _Stranger(ConvNet):
    """A ConvNet that the library does not know to be one."""


def update(setting: Setting, name: str, *, steps: int = STEPS) -> Callable[[], float]:
    """``steps`` of a network update on real data; gives the seconds of ``STEPS``."""
    choices = SGDTraining()
    trainer = setting.trainer(name, choices)
    rng = stream(1, "benchmark")

    def run() -> float:
        started = clock()
        for batch in real_batches(setting.data, choices, steps=steps, rng=rng):
            trainer.step(batch.images, batch.labels, rng=rng)
        return (clock() - started) * STEPS / steps

    return run


def trial(
    setting: Setting, name: str, *, steps: int = 14, tested: int = 640
) -> Callable[[], float]:
    """Train on a pool and test; gives the seconds of ``LENGTH`` steps and ``TEST`` images.

    Two epochs are run (six full batches and one of 16 images each), and ``tested`` images. As in
    an evaluation, networks that sweeps train have a thread each; the seconds are those of one.
    """
    swept = name.startswith("sweep")
    networks = [
        Trial(setting, name, steps, tested) for _ in range(torch.get_num_threads() if swept else 1)
    ]

    def seconds(do: Callable[[Trial], None]) -> float:
        started = clock()
        tasks = (_task(do, network) for network in networks)
        list(as_completed(tasks) if swept else map(do, networks))
        return (clock() - started) / len(networks)

    return lambda: (seconds(Trial.train) * LENGTH / steps + seconds(Trial.test) * TEST / tested)


def _task(do: Callable[[Trial], None], network: Trial) -> Generator[None]:
    yield do(network)


class Trial:
    """A network that is trained on a pool."""

    def __init__(self, setting: Setting, name: str, steps: int, tested: int) -> None:
        choices = SGDTraining(augment=PerExample(strategy="color_crop_flip_scale_rotate"))
        self._name, self._steps, self._rng = name, steps, stream(1, "benchmark")
        self._trainer = setting.trainer(name, choices)
        data, pool = setting.data, torch.arange(POOL)
        self._images, self._labels = data.normalise(data.pixels(pool)), data.labels[pool]
        self._test = replace(data, images=data.images[:tested], labels=data.labels[:tested])
        self._order = batches(POOL, choices.batch, rng=self._rng)

    def train(self) -> None:
        """A few steps."""
        for index in islice(self._order, self._steps):
            self._trainer.step(self._images[index], self._labels[index], rng=self._rng)

    def test(self) -> None:
        """Part of a test."""
        accuracy(self._trainer.network, self._test, **VARIANTS[self._name])


def experts(setting: Setting, name: str, *, steps: int = 4) -> Callable[[], float]:
    """An epoch of ``steps`` steps of one expert more a call and thread; gives the seconds of one.

    Where experts have a thread each, as many are trained as there are threads.
    """
    training = ExpertTraining(network=setting.network, steps=steps, **VARIANTS[name])
    buffer, epochs = Buffer(training, setting.data, None), count(1)
    together = range(buffer.concurrent() or 1)

    def run() -> float:
        started = clock()
        list(buffer.make(together, next(epochs)))
        return (clock() - started) / len(together)

    return run


def clock() -> float:
    """CPU seconds of the process on one thread, wall seconds on several."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def interleaved(
    what: Callable[[Setting, str], Callable[[], float]],
    setting: Setting,
    names: list[str],
    rounds: int,
) -> dict[str, list[float]]:
    """Seconds of every variant in every round; a first call of each is not counted."""
    runs = {name: what(setting, name) for name in names}
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(run())
    return seconds


def _record(name: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    reference, ours = seconds["reference"], seconds["sweep bf16"]
    return {
        "name": name,
        "reference": statistics.median(reference),
        "ours": statistics.median(ours),
        "ratio": statistics.median(a / b for a, b in zip(reference, ours, strict=True)),
        "ratio_of_least": min(reference) / min(ours),
        "unit": "s",
        "n": len(ours),
    }


def network_update(rounds: int) -> dict[str, Any]:
    """``STEPS`` steps of batch 64 on real images: the eager fp32 trainer, and the fast one."""
    names = ["reference", "sweep bf16"]
    return _record("network_update", interleaved(update, Setting("cifar"), names, rounds))


def evaluation(rounds: int) -> dict[str, Any]:
    """One network trained on 400 images for 7000 steps and tested on 10,000 (see ``trial``)."""
    names = ["reference", "sweep bf16"]
    return _record("evaluation", interleaved(trial, Setting("cifar"), names, rounds))


WHAT = {"update": update, "evaluation": trial, "experts": experts}


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Time network training with every variant.")
    parser.add_argument("--what", choices=WHAT, default="update")
    parser.add_argument("--shape", choices=SHAPES, default="cifar")
    parser.add_argument("--steps", type=int, default=STEPS, help="of an update that are run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variants", default=",".join(VARIANTS), help="the first is the reference")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    setting = Setting(options.shape)
    names = options.variants.split(",")
    if options.what == "experts" and any(name.startswith("compiled autograd") for name in names):
        parser.error("experts of a known network are swept when compiled: choose other --variants")
    what = WHAT[options.what]
    if what is update:
        what = partial(update, steps=options.steps)
    seconds = interleaved(what, setting, names, options.rounds)
    limit = setting.limit(options.what, options.threads)
    print(f"{'variant':24} {'s':>8} {'(min':>8}-{'max)':>8} {'ratio':>6} {'of the limit':>12}")
    for name, own in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[names[0]], own, strict=True))
        print(
            f"{name:24} {statistics.median(own):8.2f} {min(own):8.2f}-{max(own):8.2f} "
            f"{ratio:6.2f} {limit / statistics.median(own):12.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
