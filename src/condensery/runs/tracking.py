"""Experiment trackers: numbers and pictures of runs and evaluations go to TensorBoard and others.

A tracker is any object with the methods of ``Tracker``. The files of a run are complete without
one. A tracker that fails during the work is left out from then on, with a notice, so that no run is
lost because of it.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from condensery.errors import ConfigError, nearest


class Tracker(ABC):
    """What a tracker of experiments does. Numbers come in the order of the work."""

    @abstractmethod
    def begin(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """Begin, or continue after an interruption.

        Args:
            name: A name for people: that of the folder of the run, or of the evaluated file.
            folder: The folder of the run or of the condensed file.
            facts: Everything that decides the work, as JSON values: data, recipe, seed, evaluation.
        """

    @abstractmethod
    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """Take numbers.

        Args:
            values: By name, such as ``"loss/size 5"``.
            axis: ``"update"``: ``at`` is the number of image updates. ``"size"``: ``at`` is the
                number of images per class.
            at: The position on the axis.
        """

    @abstractmethod
    def picture(self, name: str, file: Path, *, at: int) -> None:
        """Take a picture of the images after ``at`` image updates, in a PNG file."""

    @abstractmethod
    def end(self, *, failed: bool) -> None:
        """End. ``failed`` says that the work was interrupted or ended by an error."""


class TensorBoardTracker(Tracker):
    """Event files for TensorBoard, in ``where`` or in ``tensorboard/`` in the folder of the run."""

    def __init__(self, where: str) -> None:
        self._module = _module("torch.utils.tensorboard", of="tensorboard")
        self._where = where

    def begin(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """See ``Tracker.begin``."""
        place = Path(self._where) / name if self._where else folder / "tensorboard"
        self._writer = self._module.SummaryWriter(str(place))
        text = json.dumps(facts, indent=2, default=str)
        self._writer.add_text("facts", f"```\n{text}\n```")

    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """See ``Tracker.log``."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, at)

    def picture(self, name: str, file: Path, *, at: int) -> None:
        """See ``Tracker.picture``."""
        self._writer.add_image(name, _pixels(file), at, dataformats="HWC")

    def end(self, *, failed: bool) -> None:
        """See ``Tracker.end``."""
        self._writer.close()


class WandbTracker(Tracker):
    """A run of Weights & Biases, in the project ``where`` (``condensery`` by default)."""

    def __init__(self, where: str) -> None:
        self._wandb = _module("wandb", of="wandb")
        self._project = where or "condensery"

    def begin(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """See ``Tracker.begin``."""
        self._run = self._wandb.init(
            project=self._project,
            name=name,
            id=_identity(name, folder, facts),
            resume="allow",
            config=dict(facts),
        )
        self._axes: set[str] = set()

    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """See ``Tracker.log``."""
        # Steps of Weights & Biases must not fall, so that the axis is a number of its own.
        for name in values.keys() - self._axes:
            self._run.define_metric(name, step_metric=axis)
        self._axes |= values.keys()
        self._run.log({**values, axis: at})

    def picture(self, name: str, file: Path, *, at: int) -> None:
        """See ``Tracker.picture``."""
        self._run.log({name: self._wandb.Image(str(file)), "update": at})

    def end(self, *, failed: bool) -> None:
        """See ``Tracker.end``."""
        self._run.finish(exit_code=int(failed))


class MlflowTracker(Tracker):
    """A run of MLflow, in the experiment ``where`` (``condensery`` by default).

    ``MLFLOW_TRACKING_URI`` says where MLflow stores it.
    """

    def __init__(self, where: str) -> None:
        self._mlflow = _module("mlflow", of="mlflow")
        self._experiment = where or "condensery"

    def begin(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """See ``Tracker.begin``."""
        self._mlflow.set_experiment(self._experiment)
        nested = self._mlflow.active_run() is not None
        self._mlflow.start_run(run_name=name, nested=nested)
        self._mlflow.log_dict(dict(facts), "facts.json")
        self._mlflow.log_params(_parameters(facts))

    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """See ``Tracker.log``."""
        self._mlflow.log_metrics(dict(values), step=at)

    def picture(self, name: str, file: Path, *, at: int) -> None:
        """See ``Tracker.picture``."""
        self._mlflow.log_artifact(str(file), name)

    def end(self, *, failed: bool) -> None:
        """See ``Tracker.end``."""
        self._mlflow.end_run("FAILED" if failed else "FINISHED")


class TrackioTracker(Tracker):
    """A run of Trackio, in the project ``where`` (``condensery`` by default)."""

    def __init__(self, where: str) -> None:
        self._trackio = _module("trackio", of="trackio")
        self._project = where or "condensery"

    def begin(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """See ``Tracker.begin``."""
        own = f"{name}-{_identity(name, folder, facts)}"
        self._trackio.init(
            project=self._project, name=own, config=_parameters(facts), resume="allow"
        )

    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """See ``Tracker.log``."""
        self._trackio.log({**values, axis: at})

    def picture(self, name: str, file: Path, *, at: int) -> None:
        """See ``Tracker.picture``."""
        self._trackio.log({name: self._trackio.Image(_pixels(file)), "update": at})

    def end(self, *, failed: bool) -> None:
        """See ``Tracker.end``."""
        self._trackio.finish()


TRACKERS: Mapping[str, Callable[[str], Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
    "mlflow": MlflowTracker,
    "trackio": TrackioTracker,
}
"""The trackers by the name of their extra; each is created with the text after the colon."""

GivenTrackers: TypeAlias = str | Tracker | Sequence[str | Tracker] | None
"""The type of ``track=``: names such as ``"wandb:PROJECT"``, or trackers."""


def trackers(given: GivenTrackers) -> list[Tracker]:
    """The trackers of ``track=``, whose packages are imported now.

    Raises:
        ConfigError: If a name is unknown, or its package is not installed.
    """
    if given is None:
        return []
    return [
        each if isinstance(each, Tracker) else _named(each)
        for each in ([given] if isinstance(given, str | Tracker) else given)
    ]


def tracker_name(word: str) -> str:
    """A checked name such as ``"wandb:PROJECT"``, without importing its package.

    Raises:
        ConfigError: If there is no such tracker.
    """
    name = word.partition(":")[0]
    if name not in TRACKERS:
        raise ConfigError(
            f"track = {word!r}: there is no tracker {name!r}; known are {', '.join(TRACKERS)}, "
            f"such as wandb or wandb:PROJECT.{nearest(name, tuple(TRACKERS))}"
        )
    return word


def _named(word: str) -> Tracker:
    name, _, where = tracker_name(word).partition(":")
    return TRACKERS[name](where)


class Trackers:
    """All trackers of some work; one that fails is left out from then on.

    Args:
        each: The trackers.
        notice: Gets the failures, in whole sentences.
    """

    def __init__(self, each: Sequence[Tracker], notice: Callable[[str], None]) -> None:
        self._each, self._notice = list(each), notice

    def __bool__(self) -> bool:
        return bool(self._each)

    def tell(self, use: Callable[[Tracker], None]) -> None:
        """Call ``use`` with every tracker."""
        for each in tuple(self._each):
            self._tell(each, use)

    def _tell(self, one: Tracker, use: Callable[[Tracker], None]) -> None:
        try:
            use(one)
        except Exception as error:
            self._each.remove(one)
            self._notice(
                f"{type(one).__name__} failed and is left out from now on: {error!r}. The files of "
                "the run are complete without it."
            )

    def log(self, values: Mapping[str, float], *, axis: str, at: int) -> None:
        """See ``Tracker.log``."""
        self.tell(lambda each: each.log(values, axis=axis, at=at))

    def picture(self, name: str, file: Path, *, at: int) -> None:
        """See ``Tracker.picture``."""
        self.tell(lambda each: each.picture(name, file, at=at))


@contextmanager
def tracking(all_: Trackers, name: str, folder: Path, facts: Mapping[str, Any]) -> Generator[None]:
    """Begin and end trackers around the work in a folder."""
    all_.tell(lambda each: each.begin(name, folder, facts))
    failed = True
    try:
        yield
        failed = False
    finally:
        all_.tell(lambda each: each.end(failed=failed))


def _module(name: str, *, of: str) -> Any:  # noqa: ANN401 - a module without types here
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"track = {of!r} needs the package {of}, which cannot be imported ({error}): "
            f"pip install 'condensery[{of}]'."
        ) from error


def _identity(name: str, folder: Path, facts: Mapping[str, Any]) -> str:
    """The same text whenever this run is continued, and another one for other runs."""
    known = (name, str(folder.absolute()), facts.get("created"), facts.get("seed"))
    return hashlib.blake2b(repr(known).encode(), digest_size=6).hexdigest()


def _parameters(facts: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Nested facts as one level, ``recipe.update.lr``; long texts are cut at 250 characters."""
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        inner = f"{name}.{key}" if name else str(key)
        if isinstance(value, Mapping):
            flat |= _parameters(value, inner)  # pyright: ignore[reportUnknownArgumentType]
        else:
            plain = value is None or isinstance(value, bool | int | float)
            flat[inner] = value if plain else str(value)[:250]
    return flat


def _pixels(file: Path) -> Any:  # noqa: ANN401 - an array [height, width, 3]
    import numpy as np
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))
