"""What a GPU does with the library, in ten minutes: agreement with the CPU, time, memory, accuracy.

    python benchmarks/gpu.py --json gpu.json                           # on a GPU
    python benchmarks/gpu.py --device cpu --small --json small.json    # the script itself, anywhere

The file is written after every measurement, so a script that was killed leaves what it has found. A
measurement that fails writes its error, and the others go on. Stages, the most useful first; a
stage begins if half a minute is left:

* ``facts``: device, versions, how torch rounds by default.
* ``parity``: every method on small digits, in ieee and in TF32: how far images are from those of
  the CPU, and whether two runs have the same bits.
* ``matching``: an inner step of MDC and of feature matching, without network steps, in the setting
  of CIFAR-10, for engines, precisions and classes in a pass: milliseconds, TFLOP/s by formula
  (``flops.py``), peak memory, kernels, copies, waits.
* ``training``: 32 network steps of batch 64: as they are, compiled, in CUDA graphs.
* ``networks``: 1, 4, 16 networks at once by ``torch.func.vmap``.
* ``classes``: an inner step with 10, 100 and 1,000 classes.
* ``accuracy``: with ``--data`` (CIFAR-10): ``nested`` and ``mdc`` with 10 images per class for
  ``--seconds`` each, then networks on sizes 1 and 10 and on random images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import flops
import torch
from steps import images, mdc
from torch import Tensor

import condensery
from condensery import networks
from condensery.condensing.loop import initial_state, run_together
from condensery.condensing.objectives import DistributionMatching
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.registry import names
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, real_batches

STAGES = ("facts", "parity", "matching", "training", "networks", "classes", "accuracy")


class Report:
    """What was found so far, by stage, in a file that is written at every entry."""

    def __init__(self, path: Path, *, minutes: float) -> None:
        self._path, self._found = path, dict[str, list[dict[str, Any]]]()
        self._end = time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()

    def add(self, stage: str, **facts: Any) -> None:
        """Enter a measurement."""
        self._found.setdefault(stage, []).append(facts)
        self._path.write_text(json.dumps(self._found, indent=1, default=str), encoding="utf-8")
        print(stage, json.dumps(facts, default=str), flush=True)

    @contextmanager
    def entry(self, stage: str, **what: Any) -> Iterator[dict[str, Any]]:
        """Enter what the body finds, or its error."""
        found: dict[str, Any] = {}
        try:
            yield found
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {error}"[:400]
        self.add(stage, **what, **found)


class Bench:
    """The stages; each reads ``--device`` and is smaller with ``--small``."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = torch.device(arguments.device)
        self.cuda = self.device.type == "cuda"
        self.small: bool = arguments.small
        self.arguments = arguments
        self.report = Report(arguments.json, minutes=arguments.minutes)
        self.network = "convnet2-w8" if self.small else "convnet3-w128"
        self.shape = {"side": 8, "width": 8, "depth": 2} if self.small else {}
        self.shape = {"side": 32, "channels": 3, "width": 128, "depth": 3, **self.shape}
        self.rounds = 2 if self.small else 15

    def data(self, *, classes: int = 10, each: int = 100) -> ImageData:
        """Random images with the shape of CIFAR-10."""
        return images(side=self.shape["side"], classes=classes, each=each)

    def wait(self) -> None:
        """Wait until the device has finished."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def timed(self, do: Callable[[], object], *, rounds: int | None = None) -> dict[str, Any]:
        """Median milliseconds, and the peak memory of the device in MB."""
        do()
        self.wait()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        took: list[float] = []
        for _ in range(rounds or self.rounds):
            begin = time.perf_counter()
            do()
            self.wait()
            took.append(1e3 * (time.perf_counter() - begin))
        peak = torch.cuda.max_memory_allocated(self.device) if self.cuda else 0
        return {"ms": round(median(took), 2), "peak_mb": round(peak / 1e6)}

    def traced(self, do: Callable[[], object]) -> dict[str, Any]:
        """Kernels, copies and waits of one call; nothing on a CPU."""
        if not self.cuda:
            return {}
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
            do()
            self.wait()
        events = list(seen.events())
        there = [e for e in events if e.device_type == torch.autograd.DeviceType.CUDA]
        copies = [e for e in there if "Memcpy" in e.name]
        return {
            "kernels": len([e for e in there if "Memcpy" not in e.name and "Memset" not in e.name]),
            "copies_to_device": len([e for e in copies if "HtoD" in e.name]),
            "copies_to_host": len([e for e in copies if "DtoH" in e.name]),
            "waits": len([e for e in events if "Synchronize" in e.name]),
            "device_ms": round(sum(e.device_time_total for e in there) / 1e3, 2),
        }

    def facts(self) -> None:
        """What runs here."""
        with self.report.entry("facts") as found:
            found["device"] = torch.cuda.get_device_name(self.device) if self.cuda else "cpu"
            found["torch"], found["cuda"] = torch.__version__, torch.version.cuda
            found["condensery"] = condensery.__version__
            if self.cuda:
                found["memory_gb"] = round(torch.cuda.mem_get_info(self.device)[1] / 1e9, 1)
                found["cudnn"] = torch.backends.cudnn.version()

    def parity(self) -> None:
        """How far the images of every method are from those of the CPU, in levels of 255."""
        data = condensery.load_data("digits")
        methods = ("mdc", "dm", "kip") if self.small else names("method")
        for method, precision in product(methods, ("fp32", "tf32") if self.cuda else ("fp32",)):
            with self.report.entry("parity", method=method, precision=precision) as found:
                settings = {"classes_per_pass": "1", "iterations": "2"}
                if method == "mdc":
                    settings["size_policy.period"] = "1"

                def run(device: str, kind: str, *, own: Any = (method, settings)) -> Tensor:
                    name, keys = own
                    return (
                        condensery.condense(
                            data,
                            method=name,
                            ipc=2,
                            preset="smoke",
                            device=device,
                            settings={**keys, "precision": kind},
                        )
                        .result(created="")
                        .images.int()
                    )

                here = run("cpu", "fp32")
                there, again = (run(str(self.device), precision) for _ in range(2))
                found["largest_difference"] = int((there - here).abs().max())
                found["share_of_differing_values"] = float((there != here).float().mean())
                found["two_runs_have_the_same_bits"] = bool(torch.equal(there, again))

    def step(self, recipe: Recipe, data: ImageData) -> Callable[[], object]:
        """One inner step of a run."""
        states = [initial_state(recipe, data, seed=0)]
        steps = run_together([recipe], data, seed=0, states=states, device=str(self.device))
        return lambda: next(steps)

    def matching(self) -> None:
        """An inner step for engines, precisions and classes in a pass."""
        data = self.data()
        shape = {**self.shape, "classes": 10}
        work = {
            "gradients": 640 * flops.training(**shape) + 400 * flops.matching(**shape),
            "features": 640 * flops.forward(**shape) + 400 * flops.training(**shape),
        }
        ways = [("autograd", "fp32", False), ("one-pass", "fp32", False), ("fused", "fp32", False)]
        if self.cuda:
            ways += [("one-pass", "tf32", False), ("fused", "tf32", False), ("fused", "tf32", True)]
        ways += [("fused", "bf16", False)] + ([("fused", "bf16", True)] if self.cuda else [])
        for what, (engine, precision, compiled), at_once in product(work, ways, (10, 1)):
            if self.report.left() < 60 or (engine == "autograd" and at_once == 10):
                continue
            how = {
                "what": what,
                "engine": engine,
                "precision": precision,
                "compiled": compiled,
                "classes_per_pass": at_once,
            }
            with self.report.entry("matching", **how) as found:
                del how["what"]
                recipe = replace(mdc(data, steps=0), network=self.network, **how)
                if what == "features":
                    recipe = replace(recipe, objective=DistributionMatching())
                step = self.step(recipe, data)
                found |= self.timed(step)
                found["tflops"] = round(work[what] / found["ms"] / 1e9, 3)
                found |= self.traced(step)

    def training(self) -> None:
        """32 steps of a network on real images."""
        data = self.data()
        data = data.to(self.device)
        ways = [("fp32", False), ("bf16", False)]
        ways += [("tf32", False), ("bf16", True)] if self.cuda else []
        for precision, compiled in ways:
            how = {"how": "library", "precision": precision, "compiled": compiled}
            with self.report.entry("training", **how) as found:
                network = self._new(0)
                trainer = Trainer(network, SGDTraining(), precision=precision, compiled=compiled)

                def steps(trainer: Trainer = trainer) -> None:
                    rng = stream(0, "order")
                    for batch in real_batches(data, trainer.choices, steps=32, rng=rng):
                        trainer.step(batch.images, batch.labels.to(self.device), rng=rng)

                found |= {**self.timed(steps, rounds=3), **self.traced(steps)}
        side = self.shape["side"]
        x = torch.rand(64, 3, side, side, device=self.device)
        y = torch.arange(64, device=self.device) % 10
        for how in ("plain", "reduce-overhead") if self.cuda else ("plain",):
            with self.report.entry("training", how=f"one batch of bf16, {how}") as found:
                network = self._new(0)
                found |= self.timed(self._graphed(network, x, y, how=how), rounds=3)

    def _graphed(self, network: Any, x: Tensor, y: Tensor, *, how: str) -> Callable[[], object]:
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

        def loss() -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16):
                return torch.nn.functional.cross_entropy(network(x), y)

        one = torch.compile(loss, mode=how) if how != "plain" else loss

        def steps() -> None:
            for _ in range(32):
                optimiser.zero_grad(set_to_none=False)
                one().backward()
                optimiser.step()

        return steps

    def _new(self, seed: int) -> Any:
        side = self.shape["side"]
        return networks.build(
            self.network, channels=3, classes=10, side=(side, side), seed=seed, path=("gpu",)
        ).to(self.device)

    def networks(self) -> None:
        """Several networks of one architecture that take a step at once."""
        from torch.func import functional_call, grad, stack_module_state, vmap

        side, count = self.shape["side"], 4 if self.small else 20
        for many in (1, 4) if self.small else (1, 4, 16):
            with self.report.entry("networks", networks=many) as found:
                made = [self._new(seed) for seed in range(many)]
                parameters, buffers = stack_module_state(made)
                parameters = {name: p.detach() for name, p in parameters.items()}
                x = torch.rand(many, 64, 3, side, side, device=self.device)
                y = (torch.arange(64, device=self.device) % 10).expand(many, -1)

                def loss(p: Any, b: Any, x: Tensor, y: Tensor, *, first: Any = made[0]) -> Tensor:
                    logits = functional_call(first, (p, b), (x,))
                    return torch.nn.functional.cross_entropy(logits, y)

                step = vmap(grad(loss))

                def steps(step: Any = step, given: Any = (parameters, buffers, x, y)) -> None:
                    for _ in range(count):
                        step(*given)

                found |= self.timed(steps, rounds=3)
                found["network_steps_a_second"] = round(1e3 * many * count / found["ms"])

    def classes(self) -> None:
        """An inner step with more classes."""
        best = {"engine": "fused", "precision": "bf16"}
        for classes, at_once in product((10, 20) if self.small else (10, 100, 1000), (10, 100)):
            if self.report.left() < 45 or at_once > classes:
                continue
            how = {"classes": classes, "classes_per_pass": at_once}
            with self.report.entry("classes", **how) as found:
                data = self.data(classes=classes, each=66)
                recipe = mdc(data, steps=0, ipc=2 if self.small else 10)
                recipe = replace(recipe, network=self.network, classes_per_pass=at_once, **best)
                step = self.step(recipe, data)
                found |= {**self.timed(step, rounds=3), **self.traced(step)}

    def accuracy(self) -> None:
        """What is reached on real images in a given time."""
        if self.arguments.data is None:
            self.report.add("accuracy", skipped="--data names no data set, such as cifar10")
            return
        data = condensery.load_data(self.arguments.data)
        for method in ("nested", "mdc"):
            with self.report.entry("accuracy", method=method, ipc=10) as found:
                run = condensery.condense(
                    data, method=method, ipc=10, preset="quick", device=str(self.device)
                )
                begin, updates = time.monotonic(), 0
                for progress in run:
                    updates += not progress.boundary
                    if time.monotonic() - begin > self.arguments.seconds:
                        break
                found["seconds"], found["updates"] = round(time.monotonic() - begin, 1), updates
                tested = condensery.evaluate(
                    run.snapshot(),
                    data,
                    sizes=[1, 10],
                    networks=[self.network],
                    seeds=1 if self.small else 3,
                    steps=2 if self.small else 500,
                    device=str(self.device),
                )
                found["summary"] = tested.summary()


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="what was found")
    parser.add_argument("--small", action="store_true", help="a small form, to try the script")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for everything")
    parser.add_argument("--only", default=",".join(STAGES), help=", ".join(STAGES))
    parser.add_argument("--data", help="real images for the stage accuracy, such as cifar10")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a run of that stage")
    arguments = parser.parse_args()
    if unknown := set(arguments.only.split(",")) - set(STAGES):
        parser.error(f"--only {','.join(sorted(unknown))}: stages are {', '.join(STAGES)}")
    bench = Bench(arguments)
    begin = time.monotonic()
    for stage in arguments.only.split(","):
        if bench.report.left() < 30:
            bench.report.add(stage, skipped="no time was left")
            continue
        try:
            getattr(bench, stage)()
        except Exception as error:
            bench.report.add(stage, error=f"{type(error).__name__}: {error}"[:400])
    bench.report.add("done", seconds=round(time.monotonic() - begin, 1))


if __name__ == "__main__":
    main()
