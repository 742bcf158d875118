"""The parts under law: one list a slot. A new part is tested by being added here.

A test goes through ``small.every("objective", "engine")``: all pairs of entries of the two lists.
Of three or more lists it goes through as few combinations as hold every pair of entries of any two
lists (``pairwise``). ``begun`` are initialisations, and ``asked`` are the policies that ask for
different sets.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import pytest
import torch

from condensery import networks
from condensery.augment import Siamese
from condensery.condensing.init import FirstImages, HerdedImages, KMeansImages, Noise, RandomImages
from condensery.condensing.loop import run
from condensery.condensing.objectives import (
    Calibrated,
    CharacteristicFunction,
    DistributionMatching,
    FeatureRegression,
    GradientMatching,
    KernelMMD,
    RidgeRegression,
)
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import KMeansPerClass, RandomPerClass
from condensery.condensing.schedules import Pool, Redraw, TrainOnSynthetic
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize, RandomSize
from condensery.condensing.updates import SGD, Adam
from condensery.data import ImageData
from condensery.engines import Autograd, OnePass
from condensery.engines.fused import Fused
from condensery.parameterizations import MultiFormation, Pixels
from condensery.rng import stream
from condensery.training import SGDTraining
from condensery.types import StepContext, nested


def pairwise(*lists):
    """Few combinations, one entry of every list each, that hold every pair of any two lists.

    For one list these are its entries, for two lists all pairs. Greedy: a combination begins with
    a pair that is still missing, and takes of every other list the entry that adds most pairs.
    """
    places = range(len(lists))
    missing = {(i, a, j, b) for i, j in combinations(places, 2) for a in lists[i] for b in lists[j]}
    if len(lists) == 1:
        return [(entry,) for entry in lists[0]]
    found = []
    while missing:
        i, a, j, b = min(missing, key=lambda m: (m[0], lists[m[0]].index(m[1]), m[2], m[3]))
        chosen = {i: a, j: b}
        for place in places:
            if place not in chosen:
                ways = [{**chosen, place: entry} for entry in lists[place]]
                chosen = max(ways, key=lambda way: len(_pairs(way) & missing))
        missing -= _pairs(chosen)
        found.append(tuple(chosen[place] for place in places))
    return found


def _pairs(chosen):
    return {(i, chosen[i], j, chosen[j]) for i, j in combinations(sorted(chosen), 2)}


PARTS = {
    "objective": {
        "gradient-mse": GradientMatching(metric="mse", parameters="conv"),
        "gradient-l1": GradientMatching(metric="l1", parameters="all"),
        "gradient-cosine": GradientMatching(metric="cosine", parameters="all"),
        "gradient-whole-cosine": GradientMatching(metric="whole-cosine", parameters="all"),
        "distribution": DistributionMatching(),
        "characteristic-function": CharacteristicFunction(frequencies=5, amplitude=0.3),
        "m3d": KernelMMD(widths=3),
        "calibrated": Calibrated(under="network"),
        # with fewer features than images, a ridge of 1e-6 makes 1e-8 of the rounding of engines
        "feature-regression": FeatureRegression(regularisation=1e-3),
        "ridge-regression": RidgeRegression(),
    },
    "engine": {"autograd": Autograd(), "one-pass": OnePass(), "fused": Fused()},
    "parameterization": {
        "pixels": Pixels(),
        "formation-2-image": MultiFormation(factor=2, order="image"),
        "formation-2-crop": MultiFormation(factor=2, order="crop"),
        "formation-3-image": MultiFormation(factor=3, order="image"),  # 8 = 3 + 3 + 2: padded
    },
    "size_policy": {
        "one": OneSize(),
        "all": AllSizes(),
        "random": RandomSize(),
        "most-learnable": MostLearnable(period=1),
        "most-learnable-classwise": MostLearnable(period=1, classwise=True),
        "most-learnable-slow": MostLearnable(period=2),
        "most-learnable-released": MostLearnable(period=1, freeze="released", decimals=2),
        "most-learnable-free": MostLearnable(period=1, freeze="none"),
    },
}
PARTS["update"] = {"sgd": SGD(lr=0.05, momentum=0.9), "adam": Adam(lr=0.02)}
PARTS["sampler"] = {
    "random-per-class": RandomPerClass(batch=3),
    "kmeans-per-class": KMeansPerClass(batch=3, every=2),
    "kmeans-of-a-pool": KMeansPerClass(batch=3, every=1, pool=6, normalised=False),
}
_TRAINING = SGDTraining(batch=4)
PARTS["schedule"] = {
    "redraw": Redraw(inner=2, steps=1, pretrain=1, training=_TRAINING),
    "redraw-never-trained": Redraw(inner=1, steps=0),
    "train-on-synthetic": TrainOnSynthetic(inner=3, epochs=2, training=_TRAINING),
    "pool": Pool(networks=2, oldest=2, inner=7, training=_TRAINING),
}
PARTS["begun"] = {
    "random": RandomImages(),
    "first": FirstImages(),
    "noise": Noise(like="data"),
    "kmeans": KMeansImages(),
    "herded": HerdedImages(candidates=4, networks=2, sample=5),
}
PARTS["engine_name"] = {name: name for name in PARTS["engine"]}
# A match sees the profiles of a policy alone: policies that ask for the full set and one smaller
# one come once.
_ALIKE = ("random", "most-learnable-slow", "most-learnable-released", "most-learnable-free")
PARTS["asked"] = {name: part for name, part in PARTS["size_policy"].items() if name not in _ALIKE}


class Small:
    """Small data, small networks, and the parts bound to one moment."""

    classes = 2
    ipc = 3
    seed = 11

    def data(self, *, channels=3, side=(8, 8), counts=(9, 9)):
        """Images that differ by class, shuffled."""
        rng = stream(self.seed, "data", channels, *side)
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        labels = labels[torch.randperm(len(labels), generator=rng)]
        shape = (len(labels), channels, *side)
        images = torch.randint(0, 140, shape, generator=rng) + 50 * labels[:, None, None, None]
        return ImageData(
            name="small",
            images=images.to(torch.uint8),
            labels=labels,
            class_names=tuple("abcdef"[: len(counts)]),
            mean=(0.4,) * channels,
            std=(0.3,) * channels,
        )

    def recipe(self, **changes):
        """A recipe of two image updates an outer iteration, with all the randomness there is."""
        training = SGDTraining(batch=4)
        return replace(
            Recipe(
                method="law",
                preset="law",
                ipc=self.ipc,
                iterations=3,
                network="convnet2-w4",
                parameterization=Pixels(),
                augment=Siamese(),
                sampler=RandomPerClass(batch=3),
                schedule=Redraw(inner=2, steps=1, pretrain=1, training=training),
                objective=GradientMatching(),
                size_policy=OneSize(),
                update=SGD(lr=0.05, momentum=0.5),
                engine="one-pass",
                classes_per_pass=2,
            ),
            **changes,
        )

    def run(self, recipe, data=None, **more):
        """All progress of a run."""
        return list(run(recipe, self.data() if data is None else data, seed=self.seed, **more))

    @staticmethod
    def every(*slots):
        """The parts of one slot; of several, as few combinations as hold every pair."""
        for names in pairwise(*(list(PARTS[slot]) for slot in slots)):
            found = tuple(PARTS[slot][name] for slot, name in zip(slots, names, strict=True))
            yield found if len(slots) > 1 else found[0]

    engine = OnePass()
    short = Redraw(inner=1, steps=0, pretrain=1, training=SGDTraining(batch=4))

    def network(self, *, channels=3, side=(8, 8), classes=2, dtype=torch.float64):
        """A ConvNet away from the special values that scales and shifts start at."""
        rng = stream(self.seed, "scales")
        network = networks.build(
            "convnet2-w4",
            channels=channels,
            classes=classes,
            side=side,
            seed=self.seed,
            path=("network",),
        ).to(dtype)
        with torch.no_grad():
            for p in network.parameters():
                p += 0.1 * torch.randn(p.shape, generator=rng, dtype=dtype)
        return network

    def examples(self, parameterization, data=None, *, counts=(3, 3)):
        """Decoded synthetic examples in float64; none equals a real one, where l1 has its kink."""
        data = self.data() if data is None else data
        stored = RandomImages().make(
            parameterization,
            data,
            counts=torch.tensor(counts),
            rng=stream(self.seed, "init"),
            network=pytest.fail,
        )
        decoded = parameterization.decode(stored)
        noise = torch.rand(decoded.images.shape, generator=stream(self.seed), dtype=torch.float64)
        return decoded.with_images(0.8 * decoded.images.double() + 0.2 * noise)

    def view(self, augment=None):
        """Normalised and augmented, one draw."""
        draw = (Siamese() if augment is None else augment).draw(rng=stream(self.seed, "augment"))
        data = self.data()
        return lambda examples: draw(data.normalise(examples.images))

    def bind(self, objective, engine, *, classes_per_pass=1, network=None, real=None, view=None):
        """A match in float64, and what it is matched to."""
        moment = StepContext(at=(0, 0), network=self.network() if network is None else network)
        real = self.real() if real is None else real
        view = self.view() if view is None else view
        return objective.bind(moment, real, view, engine=engine, classes_per_pass=classes_per_pass)

    def real(self, data=None):
        """A real batch of unequal classes in float64."""
        data = self.data(counts=(9, 2)) if data is None else data
        real = RandomPerClass(batch=4).draw(data, rng=stream(self.seed, "real"))
        return real.with_images(real.images.double())

    def sets(self, sizes, *, counts=(3, 3)):
        """Profiles of a policy that has had the time to choose; sizes as they come."""
        counts, rng = torch.tensor(counts), stream(self.seed, "probe")
        state = sizes.init(counts)
        for outer in range(4):
            if sizes.measures(outer):
                drawn = torch.rand(len(counts), int(counts.max()), generator=rng)
                state = sizes.observe(state, drawn)
            state = sizes.close(state, outer=outer)
        return sizes.sets(state, outer=4, rng=rng).images

    def groups(self, sizes, examples, *, all_classes=False):
        """The groups that a size policy asks for."""
        return nested(examples, self.sets(sizes), all_classes=all_classes)

    @cache  # noqa: B019 - one object a session
    def evaluated(self, objective, engine, parameterization, sizes):
        """A match, what it is asked, and what it says: losses and the gradient of their sum."""
        examples = self.examples(parameterization)
        groups = self.groups(sizes, examples, all_classes=objective.all_classes)
        match = self.bind(objective, engine, classes_per_pass=self.classes)
        return match, examples, groups, *self.losses_and_gradient(match, examples, groups)

    @staticmethod
    def losses_and_gradient(match, examples, groups):
        leaf = examples.images.detach().clone().requires_grad_()
        losses = match(examples.with_images(leaf), groups)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradient

    @staticmethod
    def near(found, expected, tolerance=1e-9):
        """Equal up to the rounding of float64, relative to the largest entry."""
        error = (found - expected).abs().max()
        return bool(error <= tolerance * expected.abs().max().clamp(min=1e-12))


@pytest.fixture(scope="session")
def small():
    return Small()
