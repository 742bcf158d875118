r"""What a set of many classes costs: 10, 100 and 1,000 synthetic classes at 64 pixels, IPC 10.

docs/scale.md has the numbers. Mean features are matched (DM) under untrained networks. Each case
runs in a process of its own:

    python benchmarks/many_classes.py [--classes 10,100,1000] [--kept] [--json FILE]

``update_s`` are the CPU seconds of an update in float32, not compiled, without the first one, in
which ``--kept`` computes the mean features of real images that all updates use then.
``memory_mb`` is the peak of the process up to the end of condensing, ``data_mb`` the part of it
that the training images take. ``page_mb`` is the page of the set;
``evaluate_s`` is a training of 5 steps with its test on one image of each class.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

import condensery
from condensery.checkpoint import save_checkpoint
from condensery.data import Data, ImageData
from condensery.report import write_report
from condensery.rng import stream

SIDE, IPC, REAL = 64, 10, 16


def peak() -> float:
    """Peak memory of this process in MB, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def split(classes: int, each: int) -> ImageData:
    """Noise; images of a class have its brightness."""
    labels = torch.arange(classes).repeat_interleave(each)
    shape = (len(labels), 3, SIDE, SIDE)
    images = torch.randint(0, 128, shape, generator=stream(0, "pixels"), dtype=torch.uint8)
    images += (labels % 128).to(torch.uint8)[:, None, None, None]
    names = tuple(f"class {c}" for c in range(classes))
    return ImageData(
        name="noise",
        images=images,
        labels=labels,
        class_names=names,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
    )


def condensing(data: Data, network: str, updates: int, *, kept: bool) -> condensery.Condensation:
    """A run of one update under each network, or of all under one whose means are kept."""
    settings: dict[str, object] = {
        "iterations": 1,
        "sampler.batch": REAL,
        "schedule": "interpolated",
        "schedule.trajectories": 0,
        "schedule.networks": updates,
        "compiled": False,
        "precision": "fp32",
    }
    if kept:
        settings |= {"sampler": "kept-means", "schedule.fixed": 1, "augment": "none"}
        del settings["sampler.batch"]
    return condensery.condense(data, method="dm", ipc=IPC, network=network, settings=settings)


def measured(classes: int, network: str, *, kept: bool) -> dict[str, Any]:
    """One case, in this process."""
    data = Data(name="noise", train=split(classes, REAL), test=split(classes, 1))
    updates = 2 if classes > 100 else 6
    run, took = condensing(data, network, updates, kept=kept), list[float]()
    begin = time.process_time()
    for progress in run:
        if not progress.boundary:
            took.append(time.process_time() - begin)
        begin = time.process_time()
    memory = peak()
    found = {
        "classes": classes,
        "kept": kept,
        "first_update_s": took[0],
        "update_s": median(took[1:]),
        "memory_mb": memory,
        "data_mb": data.train.images.nbytes / 1e6,
    }
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        file = save_checkpoint(folder, step=1, tensors=run.state.tensors(), facts={})
        found |= {"checkpoint_s": time.process_time() - begin}
        found |= {"checkpoint_mb": file.stat().st_size / 1e6}
        condensed, path = run.result(created=""), Path(folder, "set.safetensors")
        condensed.save(path)
        begin = time.process_time()
        page = write_report(Path(folder, "page.html"), condensed=path)
        found |= {"page_s": time.process_time() - begin, "page_mb": page.stat().st_size / 1e6}
    begin = time.process_time()
    tested = condensery.evaluate(
        condensed, data, sizes=[IPC], networks=[network], seeds=1, steps=5, baselines=()
    )
    tested.run()
    found |= {"evaluate_s": time.process_time() - begin, "whole_mb": peak()}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Measure every case asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description="What a set of many classes costs.")
    parser.add_argument("--classes", default="10,100,1000")
    parser.add_argument("--network", default="convnet4-w8")
    parser.add_argument("--kept", action="store_true", help="keep mean features of real images")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    cases, found = [int(word) for word in given.classes.split(",")], list[dict[str, Any]]()
    if given.here:
        print(json.dumps(measured(cases[0], given.network, kept=given.kept)))
        return
    for classes in cases:
        own = [__file__, "--here", "--classes", str(classes), "--network", given.network]
        own += ["--kept"] if given.kept else []
        done = subprocess.run(
            [sys.executable, *own], check=True, stdout=subprocess.PIPE, encoding="utf-8"
        )
        print(done.stdout.splitlines()[-1], flush=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
