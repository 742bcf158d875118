r"""Is the training time that ``condensery take --seconds`` predicts the time that it takes?

RESULT

CPU seconds of 300 epochs of ConvNet-3 of width 32, protocol idc, on the digits' 8 x 8 pixels:

    images per class    1     5     7     10
    predicted          1.86  4.31  6.43  7.67
    taken             1.86  4.41  5.86  7.80

n = 1, one thread of a 2-core x86 beside several other processes, torch 2.13, 2026-11-22.

    python benchmarks/training_time.py demo-run/condensed.safetensors digits \
        --network convnet3-w32 --epochs 300
"""

from __future__ import annotations

import argparse
import time

import torch

from condensery import CondensedSet, load_data
from condensery.evaluation import TrainingTimer
from condensery.evaluation.trial import fresh, pool, train


def main() -> None:
    """Predict, train, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="a condensed file")
    parser.add_argument("data", help="the data it was condensed from")
    parser.add_argument("--network", default="convnet3")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--sizes", default="1,5,7,10")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    whole, test = CondensedSet.load(arguments.file), load_data(arguments.data).test
    choices = {"network": arguments.network, "epochs": arguments.epochs}
    timer = TrainingTimer(whole, **choices, clock=time.process_time)
    for size in map(int, arguments.sizes.split(",")):
        predicted = timer.of(size).seconds
        on = pool(whole, size, test=test)
        network = fresh(arguments.network, test, size=size, seed=0)
        begin = time.process_time()
        train(network, on, protocol=timer.protocol, seed=0)
        print(
            f"size {size}: {predicted:.2f} s predicted, {time.process_time() - begin:.2f} s taken"
        )


if __name__ == "__main__":
    main()
