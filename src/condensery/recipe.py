"""A recipe: the complete choice of parts that makes one run.

Parts are frozen dataclasses, so a recipe is a value: it is written as JSON into every run folder
and condensed file, and read back to the same parts. Knows the names of parts, not what they do.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from condensery.augment import Identity, PerExample, Siamese
from condensery.data import WHITENINGS
from condensery.errors import ConfigError, nearest
from condensery.kernels import RBF, FullyConnected
from condensery.objectives import (
    DistributionMatching,
    FeatureRegression,
    GradientMatching,
    Objective,
    RidgeRegression,
    TrajectoryMatching,
)
from condensery.parameterizations import MultiFormation, Parameterization, Pixels
from condensery.samplers import KMeansPerClass, RandomPerClass, Sampler
from condensery.schedules import Experts, NoNetwork, Pool, Redraw, Schedule, TrainOnSynthetic
from condensery.sizes import AllSizes, MostLearnable, OneSize, RandomSize, SizePolicy, period_of
from condensery.starts import FirstImages, HerdedImages, KMeansImages, Noise, RandomImages, Start
from condensery.training import SGDTraining
from condensery.updates import SGD, Adam, ImageUpdate, LearnedLabels, LearnedStep, OnSimplex

__all__ = ["PARTS", "Recipe", "changed", "from_json", "read_part", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the result of a run, except data and seed.

    Attributes:
        method: Name of the method that the parts stand for.
        preset: Name of the row of that method's presets.
        ipc: Images per class N of the full set, at least 1.
        iterations: Outer iterations, at least 1.
        network: Name of the matching network (``condensery.networks``) or ``package:factory``;
            ``"none"`` where the schedule has no network.
        parameterization: What is stored, and how it becomes examples.
        augment: What real and synthetic examples go through before the network sees them.
        sampler: Which real examples a step sees.
        schedule: Which networks, and when the images are updated.
        objective: What "look alike" means.
        sizes: Which sizes are matched.
        update: How a gradient changes the images.
        start: What the stored images are before the first update.
        labels: How labels are learned; None keeps the class of each image.
        step: How a step size for whoever trains on the set is learned; None learns none.
        engine: How gradients are computed; ``"auto"`` takes the fastest that accepts the network.
            ``condense`` settles it, so that a recipe that ran names the engine that ran.
        engine_reason: Why, where the library chose.
        precision: ``"fp32"`` or ``"bf16"`` (convolutions in bfloat16; weights, statistics and
            loss in float32).
        compiled: Whether network training and the fused engine go through ``torch.compile``.
        classes_per_pass: Classes matched in one pass, more where they are small; bounds memory,
            never changes the result.
        batch: Images at once in the fused engine, None as many as it likes; bounds memory, never
            changes the result beyond rounding.
        kept: Images whose maps the fused engine keeps on the way back, None all; likewise.
        whiten: What happens to images between their standardisation and the network:
            ``"none"``, ``"zca"`` or ``"zca-regularised"`` (``condensery.data.whitened``). Stored
            images stay as they are.
    """

    method: str
    preset: str
    ipc: int
    iterations: int
    network: str
    parameterization: Parameterization
    augment: Identity | Siamese | PerExample
    sampler: Sampler
    schedule: Schedule
    objective: Objective
    sizes: SizePolicy
    update: ImageUpdate
    start: Start = field(default_factory=RandomImages)
    labels: LearnedLabels | None = None
    step: LearnedStep | None = None
    engine: Literal["auto", "autograd", "one-pass", "fused"] = "auto"
    engine_reason: str = ""
    precision: Literal["fp32", "bf16"] = "fp32"
    compiled: bool = False
    classes_per_pass: int = 1
    batch: int | None = None
    kept: int | None = None
    whiten: Literal["none", "zca", "zca-regularised"] = "none"

    def __post_init__(self) -> None:
        for name in ("ipc", "iterations", "classes_per_pass"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}, but it must be at least 1.")
        for name, least in (("batch", 1), ("kept", 0)):
            value: object = getattr(self, name)
            if value is not None and not (type(value) is int and value >= least):
                raise ConfigError(
                    f"{name} = {value!r}, but it is a number of images, at least {least}."
                )
        if isinstance(self.augment, PerExample):
            raise ConfigError(
                "augment = per-example would show every image another draw, but real and synthetic "
                "images are compared under the same one. Use siamese or none."
            )
        if (self.network == "none") != isinstance(self.schedule, NoNetwork):
            raise ConfigError(
                f"network = {self.network!r} does not go with schedule = {self.schedule}: network "
                "none and schedule no-network belong together, and there is no network to choose."
            )
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                given = getattr(self, name)
                raise ConfigError(
                    f"{name} = {given!r} is unknown; known are {', '.join(known)}."
                    f"{nearest(str(given), known)}"
                )


_WORDS: Mapping[str, tuple[str, ...]] = {
    "engine": ("auto", "autograd", "one-pass", "fused"),
    "precision": ("fp32", "bf16"),
    "whiten": WHITENINGS,
}

_AUGMENTS: Mapping[str, type] = {"none": Identity, "siamese": Siamese, "per-example": PerExample}

_OBJECTIVES: Mapping[str, type] = {
    "gradient": GradientMatching,
    "distribution": DistributionMatching,
    "feature-regression": FeatureRegression,
    "ridge-regression": RidgeRegression,
    "trajectory": TrajectoryMatching,
}

PARTS: Mapping[str, Mapping[str, type]] = {
    "parameterization": {"pixels": Pixels, "multi-formation": MultiFormation},
    "augment": _AUGMENTS,
    "sampler": {"random-per-class": RandomPerClass, "kmeans-per-class": KMeansPerClass},
    "schedule": {
        "experts": Experts,
        "no-network": NoNetwork,
        "pool": Pool,
        "redraw": Redraw,
        "train-on-synthetic": TrainOnSynthetic,
    },
    "objective": _OBJECTIVES,
    "sizes": {
        "one": OneSize,
        "most-learnable": MostLearnable,
        "all": AllSizes,
        "random": RandomSize,
    },
    "update": {"sgd": SGD, "adam": Adam, "on-simplex": OnSimplex},
    "start": {
        "random": RandomImages,
        "first": FirstImages,
        "noise": Noise,
        "kmeans": KMeansImages,
        "herded": HerdedImages,
    },
    "labels": {"learned": LearnedLabels},
    "step": {"learned": LearnedStep},
    # inside other parts
    "training": {"sgd": SGDTraining},
    "probe": _OBJECTIVES,
    "kernel": {"fully-connected": FullyConnected, "rbf": RBF},
}
"""``{slot: {kind: part}}``: every part that a recipe can name."""

_OPTIONAL = ("labels", "step")


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON values; each part says its ``kind``."""
    return _fields(recipe)


def _fields(part: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    return {f.name: _value(f.name, getattr(part, f.name)) for f in dataclasses.fields(part)}


def _value(slot: str, value: Any) -> Any:  # noqa: ANN401
    if dataclasses.is_dataclass(value):
        kinds = {part: kind for kind, part in PARTS[slot].items()}
        kind = kinds.get(type(value))  # pyright: ignore[reportArgumentType]
        if kind is None:
            raise ConfigError(
                f"{slot} = {value!r} has no name that a file could say. Put its class into "
                f"condensery.recipe.PARTS[{slot!r}], before the run."
            )
        return {"kind": kind, **_fields(value)}
    return list(value) if isinstance(value, tuple) else value


def from_json(values: Mapping[str, Any]) -> Recipe:
    """Read what ``to_json`` wrote.

    Raises:
        ConfigError: For an unknown key, kind or value, with the nearest known name.
    """
    return _build("recipe", Recipe, values)


def _build(where: str, part: type, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    fields = {f.name: f for f in dataclasses.fields(part)}
    known = [name for name, f in fields.items() if f.init]
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{where} has no key {name!r}; it has {', '.join(known) or 'none'}."
                f"{nearest(name, known)}"
            )
    parts = {name: read_part(name, value) for name, value in values.items()}
    try:
        return part(**parts)
    except TypeError as error:
        raise ConfigError(f"{where} cannot be built from {dict(values)}: {error}.") from error


def read_part(slot: str, value: Any) -> Any:  # noqa: ANN401
    """One part of a recipe, from what ``to_json`` wrote in a slot; other values as they are.

    Raises:
        ConfigError: As ``from_json``.
    """
    if slot in _OPTIONAL and value is None:
        return None
    if slot in PARTS:
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{slot} = {value!r} is no part; a part is an object with its kind, such as "
                f"{{'kind': {next(iter(PARTS[slot]))!r}}}."
            )
        rest = dict(value)
        kind = rest.pop("kind", None)
        return _build(f"{slot} {kind!r}", _kind(slot, kind), rest)
    return tuple(value) if isinstance(value, list) else value


def _kind(slot: str, kind: object) -> type:
    if kind not in PARTS[slot]:
        raise ConfigError(
            f"{slot} = {kind!r} is unknown; known are {', '.join(PARTS[slot])}."
            f"{nearest(str(kind), PARTS[slot])}"
        )
    return PARTS[slot][str(kind)]


def changed(recipe: Recipe, key: str, value: str) -> Recipe:
    """The recipe with one key set, as ``--set key=value`` does.

    Args:
        recipe: Left as it is.
        key: Dotted path such as ``update.lr``, ``schedule.training.batch`` or, to exchange a
            whole part for another one with its defaults, ``sizes``; what has no default (a step
            size) stays.
        value: JSON, or a bare word.

    Raises:
        ConfigError: For an unknown key, or a value of the wrong type.
    """
    values = to_json(recipe)
    *path, last = key.split(".")
    inside = values
    for depth, step in enumerate(path):
        inside = inside.get(step) if isinstance(inside.get(step), dict) else None
        if inside is None:
            raise ConfigError(
                f"The recipe has no part {'.'.join(path[: depth + 1])!r} to set {key!r} in."
                f"{nearest(step, values)}"
            )
    known = [name for name in inside if name != "kind"]
    if last not in known:
        raise ConfigError(
            f"The recipe has no key {key!r}; {'.'.join(path) or 'it'} has {', '.join(known)}."
            f"{nearest(last, known)}"
        )
    if last in PARTS:
        if last in _OPTIONAL and value == "none":
            inside[last] = None
        else:
            kept = _required(last, value, inside[last] or {})
            inside[last] = {"kind": value, **kept, **_fitting(last, value, values)}
    else:
        inside[last] = _parsed(key, value, inside[last])
    return from_json(values)


def _required(slot: str, kind: str, current: Mapping[str, Any]) -> dict[str, Any]:
    """What a part must be told and has no default for, as the part that it replaces has it."""
    missing = dataclasses.MISSING
    needed = [
        f.name
        for f in dataclasses.fields(_kind(slot, kind))
        if f.default is missing and f.default_factory is missing
    ]
    return {name: current[name] for name in needed if name in current}


def _fitting(slot: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a part that is put into a run takes from it, in place of its defaults."""
    if (slot, kind) != ("sizes", "most-learnable"):
        return {}
    period = period_of(values["iterations"])
    if values["network"] == "none":  # no features to compare
        return {"period": period, "probe": values["objective"]}
    return {"period": period}


def _parsed(key: str, value: str, current: object) -> object:
    try:
        parsed: object = json.loads(value)
    except json.JSONDecodeError:
        parsed = value
    if isinstance(current, float) and type(parsed) is int:
        parsed = float(parsed)
    if isinstance(current, str):
        parsed = value
    if current is not None and type(parsed) is not type(current):
        raise ConfigError(
            f"{key} = {value!r} is no {type(current).__name__}; it is {current!r} now."
        )
    return parsed
