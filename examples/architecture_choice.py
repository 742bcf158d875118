"""Choose an architecture by training on a small set instead of all images: does the order agree?

    condensery condense fashion-mini --method nested --ipc 10 --out RUN --no-evaluate
    python examples/architecture_choice.py fashion-mini RUN/condensed.safetensors --size 10

Trains each network on the condensed set, on random and on k-means images of the same number, and on
all images, and prints Spearman's rank correlation of the accuracies with those of all images, and
what the choice costs: by how many points the network that comes first on a small set is worse, when
it is trained on all images, than the best one. The results on all images are kept in the cache.
Needs scipy (`pip install 'condensery[mat]'`).
"""

from __future__ import annotations

import argparse
import statistics

from scipy.stats import spearmanr

import condensery
from condensery.formatting import markdown_table

NETWORKS = (
    *(f"convnet{depth}-w{width}" for depth in (1, 2, 3) for width in (8, 16, 32)),
    *(f"convnet{depth}-w{width}-bn" for depth in (1, 2, 3) for width in (8, 16)),
    *("convnet1-w64", "convnet2-w64"),
    *("mlp", "lenet", "alexnet"),
)
"""Twenty networks of the library that a CPU trains in seconds."""


def main() -> None:
    """Train all networks on all sets, and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("file", help="a condensed file")
    parser.add_argument("--size", type=int, default=10, help="images per class")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--seeds", type=int, default=1, help="networks of each architecture")
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--steps", type=int, help="training steps on a small set")
    parser.add_argument("--whole-steps", type=int, default=3000, help="steps on all images")
    arguments = parser.parse_args()

    data = condensery.load_data(arguments.data)
    names = arguments.networks.split(",")
    observed = condensery.evaluate(
        condensery.CondensedSet.load(arguments.file),
        data,
        sizes=[arguments.size],
        networks=names,
        seeds=arguments.seeds,
        protocol=arguments.protocol,
        steps=arguments.steps,
        baselines=("random", "k-means"),
        whole=arguments.whole_steps,
    ).run()
    accuracy = {
        each: [
            statistics.fmean(o.accuracy for o in observed if (o.set, o.network) == (each, name))
            for name in names
        ]
        for each in ("condensed", "k-means", "random", "whole")
    }
    seconds = {
        each: statistics.fmean(o.seconds for o in observed if o.set == each) for each in accuracy
    }
    whole = accuracy.pop("whole")
    for name, *values in zip(names, *accuracy.values(), whole, strict=True):
        print(name, *(f"{100 * value:.1f}" for value in values))
    rows = [
        [
            each,
            f"{spearmanr(values, whole)[0]:.2f}",
            f"{100 * (max(whole) - whole[values.index(max(values))]):.1f}",
            f"{seconds[each]:.1f}",
        ]
        for each, values in accuracy.items()
    ]
    head = ["trained on", "Spearman", "points below the best", "seconds a network"]
    print(markdown_table([head, *rows]))
    print(f"All images: {seconds['whole']:.1f} seconds a network.")


if __name__ == "__main__":
    main()
