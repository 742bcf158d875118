"""An example of a run for every registered part; the laws go through ``REGISTERED``.

A part runs as it is by default where that can be, else as ``EXAMPLES`` says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from condensery.augment import Identity
from condensery.condensing.objectives import (
    Calibrated,
    FeatureRegression,
    RidgeRegression,
    TrajectoryMatching,
)
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import KeptMeans
from condensery.condensing.schedules import (
    Experts,
    Interpolated,
    NoNetwork,
    Pool,
    Redraw,
    Staged,
    TrainOnSynthetic,
)
from condensery.condensing.sizes import AllSizes, MostLearnable, RandomSize
from condensery.condensing.updates import SGD, Adam, LearnedLabels, LearnedLR, OnSimplex
from condensery.parts import required
from condensery.registry import SLOTS, parts
from condensery.training import AdamWTraining, SGDTraining

PART_SLOTS = [slot for slot, kind in SLOTS.items() if kind.protocol]
REGISTERED = [(slot, name) for slot in PART_SLOTS for name in parts(slot)]

SMALL = SGDTraining(batch=4)
RIDGE = {"network": "none", "schedule": NoNetwork(inner=2), "engine": "auto"}
EXPERTS = {
    "schedule": Experts(trajectories=1, max_start_epoch=2, span=1, steps=2, training=SMALL),
    "objective": TrajectoryMatching(steps=2),
    "learned_lr": LearnedLR(initial=0.1, update=SGD(lr=1e-4)),
}
INTERPOLATED = {
    "schedule": Interpolated(trajectories=1, epochs=2, steps=2, inner=2, training=SMALL)
}
LABELS = {"objective": FeatureRegression(regularisation=1e-3)}

EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("objective", "calibrated"): {**INTERPOLATED, "objective": Calibrated(alternate=True)},
    ("objective", "ridge-regression"): {**RIDGE, "objective": RidgeRegression()},
    ("objective", "trajectory"): EXPERTS,
    ("objective", "feature-regression"): LABELS,
    ("schedule", "experts"): EXPERTS,
    ("schedule", "interpolated"): {**INTERPOLATED, "objective": Calibrated()},
    ("schedule", "staged"): {
        "schedule": Staged(trajectories=1, epochs=2, steps=2, window=2, training=SMALL),
        "objective": Calibrated(),
    },
    ("schedule", "no-network"): {**RIDGE, "objective": RidgeRegression()},
    ("schedule", "pool"): {"schedule": Pool(networks=2, oldest=2, inner=3, training=SMALL)},
    ("schedule", "redraw"): {"schedule": Redraw(inner=2, steps=1, pretrain=1, training=SMALL)},
    ("schedule", "train-on-synthetic"): {
        "schedule": TrainOnSynthetic(inner=2, epochs=1, training=SMALL)
    },
    ("sampler", "kept-means"): {
        "sampler": KeptMeans(),
        "schedule": Interpolated(trajectories=0, networks=3, fixed=2),
        "objective": Calibrated(under="network"),
        "augment": Identity(),
    },
    ("size_policy", "all"): {"size_policy": AllSizes(weights="inverse")},
    ("size_policy", "random"): {"size_policy": RandomSize(weights="proportional")},
    ("size_policy", "most-learnable"): {"size_policy": MostLearnable(period=1, weights="inverse")},
    ("update", "adam"): {"update": Adam(lr=0.02, final_drop=2)},
    ("update", "sgd"): {"update": SGD(lr=0.05, momentum=0.9)},
    ("update", "on-simplex"): {**LABELS, "labels": LearnedLabels(update=OnSimplex())},
    ("labels", "learned"): {**LABELS, "labels": LearnedLabels(update=SGD(lr=0.1))},
    ("learned_lr", "learned"): EXPERTS,
    ("training", "sgd"): {"schedule": Redraw(inner=2, steps=2, training=SMALL)},
    ("training", "adamw"): {"schedule": Redraw(inner=2, steps=2, training=AdamWTraining(batch=4))},
}


def recipe_with(small, slot: str, name: str) -> Recipe:
    """A small recipe in which the part takes part."""
    part = parts(slot)[name]
    if (slot, name) in EXAMPLES:
        return small.recipe(**EXAMPLES[slot, name])
    needed = required(part)
    assert not needed, f"{slot} {name} needs {needed}: give it an example in {__name__}"
    if slot == "kernel":
        return small.recipe(**RIDGE, objective=RidgeRegression(kernel=part()))
    if slot == "augment" and not part.shared:
        training = replace(SMALL, augment=part())
        return small.recipe(schedule=Redraw(inner=2, steps=1, training=training))
    return small.recipe(**{slot: part()})
