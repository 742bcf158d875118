"""A recipe: all parts of one run.

Parts are frozen dataclasses, so a recipe is a value: it is written as JSON into every run folder
and condensed file, and reading gives the same parts again. The registry has the names of parts;
values are read as the types of their fields. Knows nothing about what parts do.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from condensery.augment import Augment
from condensery.condensing.init import Init, RandomImages
from condensery.condensing.objectives import Objective
from condensery.condensing.samplers import Sampler
from condensery.condensing.schedules import Schedule
from condensery.condensing.sizes import SizePolicy
from condensery.condensing.updates import ImageUpdate, Learned
from condensery.data import WHITENINGS
from condensery.errors import ConfigError, nearest
from condensery.parameterizations import Parameterization
from condensery.parts import build, written
from condensery.registry import SLOTS, check_part, name_of
from condensery.training.precision import Compiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the result of a run, except data and seed.

    Attributes:
        method: Name of the method; any name for a recipe of your own.
        preset: Name of the preset of the method.
        ipc: Images per class N of the full set, at least 1.
        iterations: Outer iterations, at least 1.
        network: Name of the matching network (``condensery.networks``) or ``package:factory``;
            ``"none"`` if the schedule has no network.
        parameterization: What is stored, and how it becomes examples.
        augment: How real and synthetic examples are augmented before the network sees them.
        sampler: Which real examples a step sees.
        schedule: Which networks are used, and when the images are updated.
        objective: The distance between synthetic and real data.
        size_policy: Which sizes are matched.
        update: How a gradient changes the images.
        init: The stored images before the first update.
        labels: How labels are learned; None keeps the class of each image.
        learned_lr: How a learning rate for training on the set is learned; None: it is not learned.
        engine: How gradients are computed; ``"auto"`` is the fastest engine that accepts the
            network. ``condense`` replaces it, so that the recipe of a run names its engine.
        engine_reason: The reason of the choice, if the library chose the engine.
        precision: ``"fp32"`` (exact on every device), ``"tf32"`` (on a GPU, factors of products
            are rounded to 10 bits) or ``"bf16"`` (convolutions in bfloat16; weights, statistics
            and loss in float32).
        compiled: Whether network training and the fused engine go through ``torch.compile``;
            ``"graphs"`` also lets a GPU replay the steps of network training as CUDA graphs.
        classes_per_pass: Classes that are matched in one pass, more of the same block if they are
            small. Limits the memory; with the fused engine it changes the result by rounding.
        classes_per_block: Classes that the fused engine may match in one pass if they are small,
            and that several processes do not share out; at least ``classes_per_pass``. Block ``b``
            begins with class ``b * classes_per_block``, so that a pass depends on the recipe
            alone. Changes the result as ``classes_per_pass`` does.
        batch: Images in one pass of the fused engine; None: the engine decides. Limits the memory
            and changes the result by rounding only.
        saved_activations: Number of images whose activations the fused engine saves for the
            gradient of the images; None: all. Limits the memory, as ``batch``.
        whiten: The whitening of standardised images before the network: ``"none"``, ``"zca"`` or
            ``"zca-regularised"`` (``condensery.data.whitened``). Stored images are not whitened.
    """

    method: str = "custom"
    preset: str = "custom"
    ipc: int
    iterations: int
    network: str
    parameterization: Parameterization
    augment: Augment
    sampler: Sampler
    schedule: Schedule
    objective: Objective
    size_policy: SizePolicy
    update: ImageUpdate
    init: Init = field(default_factory=RandomImages)
    labels: Learned | None = None
    learned_lr: Learned | None = None
    engine: Literal["auto", "autograd", "one-pass", "fused"] = "auto"
    engine_reason: str = ""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    compiled: Compiling = False
    classes_per_pass: int = 1
    classes_per_block: int = 1
    batch: int | None = None
    saved_activations: int | None = None
    whiten: Literal["none", "zca", "zca-regularised"] = "none"

    def __post_init__(self) -> None:
        for name in ("ipc", "iterations", "classes_per_pass", "classes_per_block"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}, but it must be at least 1.")
        for name, least in (("batch", 1), ("saved_activations", 0)):
            value: object = getattr(self, name)
            if value is not None and not (type(value) is int and value >= least):
                raise ConfigError(
                    f"{name} = {value!r}, but it is a number of images, at least {least}."
                )
        for slot in _PART_SLOTS:
            part = getattr(self, slot)
            if part is not None or SLOTS[slot].needed:
                check_part(slot, part)
        if not self.augment.shared:
            raise ConfigError(
                f"augment = {name_of('augment', type(self.augment))} would show every image "
                "another draw, but real and synthetic images are compared under the same one. Use "
                "siamese or none."
            )
        if (self.network == "none") == self.schedule.needs_network:
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
    "precision": ("fp32", "tf32", "bf16"),
    "whiten": WHITENINGS,
}


_PART_SLOTS = tuple(
    f.name for f in dataclasses.fields(Recipe) if f.name in SLOTS and SLOTS[f.name].protocol
)
"""Fields of a recipe that contain parts; each has the name of its slot."""


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON values; each part has its ``kind``."""
    return written(recipe)


def from_json(values: Mapping[str, Any]) -> Recipe:
    """Read a recipe that ``to_json`` wrote.

    Raises:
        ConfigError: If a key, kind or value is unknown; names the nearest known name.
    """
    return build("recipe", "", Recipe, values)


def check_readable(recipe: Recipe) -> None:
    """Refuse a recipe that could not be read back from the file of a run.

    Raises:
        ConfigError: If the class of a part cannot be imported, such as a class in a function.
    """
    try:
        same = from_json(json.loads(recipe_text(recipe))) == recipe
    except (TypeError, ValueError):  # a choice that JSON does not know
        same = False
    except ConfigError as error:
        raise ConfigError(
            f"The recipe of this run could not be read again, so it could not go on: {error} Put "
            "the class at the top level of a module."
        ) from error
    if not same:
        raise ConfigError(
            "The recipe of this run reads back as another one, so it could not go on as it began. "
            "The choices of a part must be numbers, words, true or false, lists of these, or parts."
        )


def read_recipe(path: str | Path) -> Recipe:
    """Read a complete recipe from a file.

    Args:
        path: A ``.json`` or ``.toml`` file, as ``condensery recipe`` writes it, or the
            ``recipe.json`` of a run folder.

    Raises:
        ConfigError: If the file does not exist, is not JSON or TOML, or contains no recipe.
    """
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
        toml = path.suffix == ".toml"
        values = msgspec.toml.decode(content) if toml else msgspec.json.decode(content)
    except OSError as error:
        raise ConfigError(
            f"recipe {path}: cannot be read ({error.strerror}). Give a .json or .toml file, such "
            "as `condensery recipe mdc --out recipe.json` writes."
        ) from error
    except msgspec.DecodeError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigError(f"recipe {path}: is no {kind} ({error}).") from error
    if isinstance(values, dict) and "condensery_run" in values:  # the recipe.json of a run
        values = values.get("recipe")
    if not isinstance(values, dict):
        raise ConfigError(f"recipe {path}: is {values!r:.60}, expected the keys of a recipe.")
    try:
        return from_json(values)
    except ConfigError as error:
        raise ConfigError(f"recipe {path}: {error}") from error


def recipe_text(recipe: Recipe) -> str:
    """The JSON text of a recipe file, as ``read_recipe`` reads it."""
    return json.dumps(to_json(recipe), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
