"""Everything that decides a run, for ``recipe.json``: data source, recipe, seed, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from condensery.condensing.machine_choices import with_engine
from condensery.condensing.recipe import Recipe, from_json, to_json
from condensery.data import ImageData
from condensery.errors import ArtifactError, CondenseryError, ConfigError
from condensery.parts import changed, differences
from condensery.runs import machine
from condensery.runs.data_source import DataSource
from condensery.runs.evaluation import EvaluationPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything that decides the result of a run.

    Attributes:
        source: Source of the data; ``None`` if it is not in files.
        data: ``facts_of_data``, which are checked when the run continues.
        recipe: The complete recipe.
        seed: Seed of all draws.
        device: Such as ``"cpu"``.
        threads: Threads of torch on the CPU; equal bits need an equal number.
        time_budget: Seconds for condensing, or ``None``.
        evaluation: How the result is evaluated; ``None``: not at all.
        created: The text for the condensed file, which is fixed so that a resumed run writes the
            same bytes.
        patience: Number of measures without a better mean that end condensing, or ``None``.
        changes: The changes of ``resume``, in order.
        deterministic: Whether a GPU computes the same bits each time (``devices.deterministic``).
    """

    source: DataSource | None
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
    deterministic: bool = False

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "created": self.created,
            "source": None if self.source is None else asdict(self.source),
            "data": dict(self.data),
            "seed": self.seed,
            "device": self.device,
            "deterministic": self.deterministic,
            "threads": self.threads,
            "time_budget": self.time_budget,
            "patience": self.patience,
            "recipe": to_json(self.recipe),
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
            "changes": [dict(change) for change in self.changes],
            "versions": machine.versions(),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any], *, where: Path) -> RunPlan:
        """Read a plan that ``to_json`` wrote.

        Raises:
            ArtifactError: If a key is missing or cannot be read.
        """
        try:
            source, evaluation = values["source"], values["evaluation"]
            return RunPlan(
                source=None if source is None else DataSource(**_tuples(source)),
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
                deterministic=bool(values.get("deterministic")),
            )
        except (KeyError, TypeError, ValueError, CondenseryError) as error:
            raise ArtifactError(
                f"{where}: cannot be read as a run ({error}). Another version of condensery may "
                "have written it; condense anew."
            ) from error

    def changed(
        self, data: ImageData, *, settings: Mapping[str, object], time_budget: float | None
    ) -> RunPlan:
        """The plan of an unfinished run with other recipe keys or another budget from now on.

        Raises:
            ConfigError: If the images would have another shape, or a key or value cannot work.
        """
        recipe = self.recipe
        for key, value in settings.items():
            recipe = changed(recipe, key, value)
        recipe = with_engine(recipe, data)
        if recipe.engine == self.recipe.engine:  # for the reason for which it was chosen
            recipe = replace(recipe, engine_reason=self.recipe.engine_reason)
        for name in ("method", "ipc", "parameterization", "size_policy"):
            if getattr(recipe, name) != getattr(self.recipe, name):
                raise ConfigError(
                    f"--set {name}: the images of this run have the shape of another {name}, so it "
                    "cannot change in the middle of the run. Condense anew into another folder."
                )
        given = {key: value if _plain(value) else str(value) for key, value in settings.items()}
        record = {"time": machine.now(), "set": given, "time_budget": time_budget}
        return replace(
            self,
            recipe=recipe,
            time_budget=self.time_budget if time_budget is None else time_budget,
            changes=(*self.changes, record),
        )


def check_same_plan(begun: RunPlan, now: RunPlan, *, where: Path) -> None:
    """Refuse to continue a run by another plan; the device, the time and the data's place may vary.

    Raises:
        ConfigError: Names the keys that differ.
    """
    said = differences(_decides(begun), _decides(now))
    if said:
        raise ConfigError(
            f"{where} holds another run: {said}. Only the same run is continued there: give "
            "another --out (out=)."
        )


def _decides(plan: RunPlan) -> dict[str, Any]:
    """The keys of a plan that decide its result."""
    facts = plan.to_json()
    facts["recipe"].pop("engine_reason")
    names = ("data", "seed", "threads", "deterministic", "time_budget", "patience", "evaluation")
    return {
        **{name: facts[name] for name in names},
        **facts["recipe"],  # by the names of --set
        "changes": facts["changes"],
    }


def check_limits(*, time_budget: float | None = None, patience: int | None = None) -> None:
    """Refuse limits without any time.

    Raises:
        ConfigError: Names the limit.
    """
    if time_budget is not None and not time_budget > 0:
        raise ConfigError(
            f"time_budget = {time_budget}, but it is a number of seconds above 0 (--time-budget "
            "10m is time_budget=600)."
        )
    if patience is not None and patience < 1:
        raise ConfigError(f"patience = {patience}, but it is a number of measures, at least 1.")


def _plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
