"""All that decides a run, as ``recipe.json`` keeps it: data source, recipe, seed, evaluation.

Knows nothing about where it is written.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from condensery import __version__
from condensery.cli.evaluation import EvaluationPlan
from condensery.data import Data, load_data
from condensery.data.known import KNOWN
from condensery.data.store import IMAGE_MEMORY
from condensery.errors import ArtifactError, CondenseryError
from condensery.recipe import Recipe, from_json, to_json

__all__ = ["Plan", "Source", "facts_of_data", "versions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Arguments of ``load_data`` as the user gave them.

    Attributes:
        data: A name, a path, or several paths.
        test: Where the test split is, if elsewhere.
        size: Side in pixels to bring images to.
        skip_corrupt: Whether to go on without images that cannot be read.
        name: Of the data set, if not the source's own.
        folder: Relative paths begin here.
        data_dir: Where data sets that are given by name lie.
        download: Whether one that is not there is fetched.
        classes: Class folders to read, of a folder of images; ``None`` is all.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.
        image_memory: Bytes of decoded images that memory holds; larger sets go into a file.
        cache_dir: Of such files; ``None`` is beside the data.
    """

    data: tuple[str, ...]
    test: str | None = None
    size: int | None = None
    skip_corrupt: bool = False
    name: str | None = None
    folder: str = "."
    data_dir: str = "."
    download: bool = False
    classes: tuple[str, ...] | None = None
    value_range: tuple[float, float] | None = None
    image_memory: int = IMAGE_MEMORY
    cache_dir: str | None = None

    def load(self) -> Data:
        """Read it; raises what ``load_data`` raises."""
        paths = [self._path(text) for text in self.data]
        return load_data(
            paths[0] if len(paths) == 1 else paths,
            size=self.size,
            skip_corrupt=self.skip_corrupt,
            name=self.name,
            test=None if self.test is None else self._path(self.test),
            data_dir=self._path(self.data_dir),
            download=self.download,
            classes=self.classes,
            value_range=self.value_range,
            image_memory=self.image_memory,
            cache_dir=None if self.cache_dir is None else self._path(self.cache_dir),
        )

    def _path(self, text: str) -> str:
        here = Path.cwd() == Path(self.folder).resolve()
        plain = (
            here or text in KNOWN or text == "digits" or text.startswith("~") or os.path.isabs(text)
        )
        return text if plain else os.path.join(self.folder, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run.

    Attributes:
        source: Where the data is.
        data: What was found there, ``facts_of_data``; checked when the run goes on.
        recipe: Resolved.
        seed: Of every draw.
        device: Such as ``"cpu"``.
        threads: Of torch on the CPU; the same bits need the same number.
        time_budget: Seconds for condensing, or ``None``.
        patience: Measures of the sizes without a better mean that end condensing, or ``None``.
        evaluation: Of the result; ``None`` for none.
        created: The text that the condensed file gets: fixed, so that a resumed run writes the
            same bytes.
        changes: What ``resume`` was told to change, in order.
    """

    source: Source
    data: Mapping[str, Any]
    recipe: Recipe
    seed: int
    device: str
    threads: int
    time_budget: float | None
    evaluation: EvaluationPlan | None
    created: str
    patience: int | None = None
    changes: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "created": self.created,
            "source": asdict(self.source),
            "data": dict(self.data),
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            "time_budget": self.time_budget,
            "patience": self.patience,
            "recipe": to_json(self.recipe),
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
            "changes": [dict(change) for change in self.changes],
            "versions": versions(),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any], *, where: Path) -> Plan:
        """Read what ``to_json`` wrote.

        Raises:
            ArtifactError: If a key is missing or cannot be read.
        """
        try:
            evaluation = values["evaluation"]
            return Plan(
                source=Source(**_tuples(values["source"])),
                data=values["data"],
                recipe=from_json(values["recipe"]),
                seed=int(values["seed"]),
                device=values["device"],
                threads=int(values["threads"]),
                time_budget=values["time_budget"],
                patience=values.get("patience"),
                evaluation=None if evaluation is None else EvaluationPlan(**_tuples(evaluation)),
                created=values["created"],
                changes=tuple(values["changes"]),
            )
        except (KeyError, TypeError, ValueError, CondenseryError) as error:
            raise ArtifactError(
                f"{where}: cannot be read as a run ({error}). Another version of condensery may "
                "have written it; condense anew."
            ) from error

    def load(self, moved: tuple[str, ...] | None) -> Data:
        """Load the run's data again and make sure that it is the same.

        Args:
            moved: Where the data is now, if no longer where it was.

        Raises:
            ArtifactError: If other images or labels are found.
        """
        # The name decides the published mean: it stays, wherever the data lies.
        source = replace(self.source, name=self.data["name"])
        if moved is not None:
            source = replace(source, data=moved, folder=str(Path.cwd()))
        data = source.load()
        for key, found in facts_of_data(data).items():
            if found != self.data[key]:
                raise ArtifactError(
                    f"{' '.join(source.data)}: {key} is {found!r}, but the run was begun with "
                    f"{self.data[key]!r}. The data has changed: bring it back, say where it is "
                    "with --data, or condense anew."
                )
        return data


def facts_of_data(data: Data) -> dict[str, Any]:
    """What identifies the data of a run."""
    return {
        "name": data.name,
        "images": len(data.train),
        "test_images": len(data.test),
        "classes": data.train.classes,
        "fingerprint": data.train.fingerprint,
        "test_fingerprint": data.test.fingerprint,
        "mean": list(data.train.mean),
        "std": list(data.train.std),
    }


def versions() -> dict[str, str]:
    """Of what takes part in the numbers."""
    return {
        "condensery": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
