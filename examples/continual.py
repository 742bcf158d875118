"""Class-incremental learning with a replay memory of fixed size: condensed against real images.

    python examples/continual.py fashion-mini --step 2 --budget 40k --orders 3
    python examples/continual.py cifar10 --data-dir DIR --step 2 --budget 160k --orders 3

The data need a test split of their own. Classes arrive in steps, in a random order. After each step
a network is trained from scratch on the memory alone, by a protocol of the library, and tested on
all classes that were seen. Every memory has the same number of bytes; the sets that fill it see
only the images of their own step. Prints the accuracy after each step: mean and deviation over the
orders.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

import condensery
from condensery.averages import average
from condensery.condensed.artifact import CondensedSet
from condensery.formatting import markdown_table
from condensery.registry import names
from condensery.rng import stream


def main() -> None:
    """Measure all memories for all orders, and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--data-dir")
    parser.add_argument("--step", type=int, default=2, help="classes that arrive together")
    parser.add_argument("--budget", default="40k", help="bytes of the memory")
    parser.add_argument("--orders", type=int, default=3, help="orders of the classes")
    parser.add_argument("--ipc", type=int, default=20, help="images per class of a new step")
    parser.add_argument("--memories", default="nested,herding,random,k-means")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipe")
    parser.add_argument("--network", default="convnet3-w32")
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--steps", type=int, help="training steps, where the protocol is long")
    arguments = parser.parse_args()

    where: dict[str, Any] = {"data_dir": arguments.data_dir} if arguments.data_dir else {}
    whole = condensery.load_data(arguments.data, **where)
    memories = arguments.memories.split(",")
    steps: list[list[str]] = []
    accuracy: dict[str, list[list[float]]] = {name: [] for name in memories}
    sizes: dict[str, list[int]] = {}
    seconds = dict.fromkeys(memories, 0.0)
    for order in range(arguments.orders):
        known = whole.train.class_names
        places = torch.randperm(len(known), generator=stream(order, "order of the classes"))
        classes = [known[place] for place in places.tolist()]
        steps = [classes[i : i + arguments.step] for i in range(0, len(classes), arguments.step)]
        for name in memories:
            memory, found = condensery.ReplayMemory(arguments.budget), []
            for number, own in enumerate(steps):
                task = condensery.load_data(whole, classes=own)
                began = time.process_time()
                memory.add(images_of(name, task, arguments, seed=order))
                seconds[name] += time.process_time() - began
                sizes.setdefault(name, []).append(memory.ipc)
                if number:  # one step alone needs no memory
                    found.append(tested(memory, whole, arguments, seed=order))
                    print(f"order {order}, {name}, {memory}: {100 * found[-1]:.1f}", flush=True)
            accuracy[name].append(found)
    seen = [arguments.step * (number + 1) for number in range(1, len(steps))]
    rows = [
        [
            name,
            *(str(average(order[i] for order in accuracy[name])) for i in range(len(seen))),
            str(average(statistics.fmean(order) for order in accuracy[name])),
            str(sizes[name][len(steps) - 1]),
            f"{seconds[name] / arguments.orders:.0f}",
        ]
        for name in memories
    ]
    head = ["memory", *(f"{count} classes" for count in seen), "average", "last IPC", "CPU s"]
    print(markdown_table([head, *rows]))


def images_of(
    name: str, task: condensery.Data, arguments: argparse.Namespace, *, seed: int
) -> CondensedSet:
    """The images of one step: condensed, or chosen from the real ones."""
    if name not in names("selection"):
        return condensery.condense(
            task,
            method=name,
            ipc=arguments.ipc,
            preset=arguments.preset,
            network=arguments.network,
            settings=dict(entry.split("=", 1) for entry in arguments.set),
            seed=seed,
        ).result()
    return condensery.select(task, by=name, ipc=arguments.ipc, seed=seed)


def tested(
    memory: condensery.ReplayMemory,
    whole: condensery.Data,
    arguments: argparse.Namespace,
    *,
    seed: int,
) -> float:
    """Accuracy on all classes seen so far of a network that was trained on the memory alone."""
    seen = condensery.load_data(whole, classes=memory.class_names)
    (observation,) = condensery.evaluate(
        memory.condensed,
        seen,
        sizes=[memory.ipc],
        networks=[arguments.network],
        protocol=arguments.protocol,
        steps=arguments.steps,
        seeds=1,
        seed=seed,
        baselines=(),
    ).run()
    return observation.accuracy


if __name__ == "__main__":
    main()
