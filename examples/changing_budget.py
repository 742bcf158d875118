"""A device whose budget changes: one file, and another size while the training goes on.

    condensery condense fashion-mini --method nested --ipc 10 --out RUN --no-evaluate
    python examples/changing_budget.py fashion-mini RUN/condensed.safetensors --sizes 10,1,3,10

One network is trained without interruption. At each phase the device has another budget, and the
training goes on with another prefix of the same file: nothing is loaded or condensed again. Prints
the accuracy after each phase, mean and deviation over networks, and that of trainings on real
images of the same number: random ones, and those that k-means chooses anew for every size, for
which the device would have to keep all images.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
from torch.nn.functional import cross_entropy

import condensery
from condensery import networks
from condensery.averages import average
from condensery.formatting import markdown_table


def main() -> None:
    """Train with the condensed and with random images, and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("file", help="a condensed file")
    parser.add_argument("--sizes", default="10,1,3,10", help="images per class of each phase")
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps of a phase")
    parser.add_argument("--network", default="convnet3-w32")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each set")
    arguments = parser.parse_args()

    data = condensery.load_data(arguments.data)
    condensed = condensery.CondensedSet.load(arguments.file)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    sets = {"condensed": {size: condensed.take(size) for size in sizes}}
    for rule in ("random", "k-means"):
        sets[rule] = {size: condensery.select(data, by=rule, ipc=size) for size in set(sizes)}
    rows: list[list[str]] = []
    for name, own in sets.items():
        runs = [trained(own, data, sizes, arguments, seed) for seed in range(arguments.seeds)]
        rows.append([name, *(str(average(phase)) for phase in zip(*runs, strict=True))])
    kept = [f"size {size}, {condensed.bytes_of(size):,} bytes" for size in sizes]
    print(markdown_table([["after the phase with", *kept], *rows]))


def trained(
    sets: Mapping[int, condensery.CondensedSet],
    data: condensery.Data,
    sizes: list[int],
    arguments: argparse.Namespace,
    seed: int,
) -> list[float]:
    """Test accuracy after each phase of one training."""
    condensed = sets[sizes[0]]
    channels, height, width = condensed.shape
    network = networks.build(
        arguments.network,
        channels=channels,
        classes=condensed.classes,
        side=(height, width),
        seed=seed,
        path=(),
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    found: list[float] = []
    for size in sizes:
        loader = sets[size].as_dataloader(size, batch_size=64, normalise=True)
        taken = 0
        while taken < arguments.steps:
            for images, labels in loader:
                optimiser.zero_grad()
                cross_entropy(network(images), labels).backward()
                optimiser.step()
                taken += 1
        found.append(accuracy(network, condensed, data.test))
    return found


def accuracy(
    network: torch.nn.Module, condensed: condensery.CondensedSet, test: condensery.ImageData
) -> float:
    """Share of correct test images, normalised as the training images are."""
    mean = torch.tensor(condensed.mean).view(1, -1, 1, 1)
    std = torch.tensor(condensed.std).view(1, -1, 1, 1)
    correct = 0
    with torch.no_grad():
        for place in torch.arange(len(test)).split(256):
            images = (test.images[place].float() / 255 - mean) / std
            correct += int((network(images).argmax(1) == test.labels[place]).sum())
    return correct / len(test)


if __name__ == "__main__":
    main()
