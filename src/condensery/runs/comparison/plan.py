"""Everything that decides a comparison, and the check whether it can continue an existing one.

Knows nothing about how the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from condensery.api import Condensation
from condensery.condensing.init import RandomImages
from condensery.condensing.recipe import to_json
from condensery.data import Data, ImageData
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import usual_protocol
from condensery.runs.comparison.measurement import MeasuredSet, measurement
from condensery.runs.comparison.sets import ComparisonOptions, PlannedRun, PlannedSet, all_sets
from condensery.runs.data_source import facts_of_data
from condensery.runs.evaluation import EvaluationPlan
from condensery.runs.machine import check_engine, versions
from condensery.selection import random_selection, steps_of
from condensery.training import suited_precision

_GROWS = "More methods, sizes and condensations can be added to it; for anything else give another"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan(ComparisonOptions):
    """The options of a comparison, and everything that follows from them."""

    data: Mapping[str, Any]  # what was read, ``facts_of_data``
    threads: int  # of torch on the CPU; the same bits need the same number
    evaluation: Mapping[str, Any]  # arguments of ``evaluate`` but sizes and ``baselines``
    created: str  # the text that condensed files get, so that the same run writes the same bytes
    sets: tuple[PlannedSet, ...]  # all that the rows need

    @property
    def runs(self) -> dict[str, PlannedRun]:
        """Every condensation of one seed by name."""
        return {run.name: run for each in self.sets for run in each.runs}

    @property
    def seeds(self) -> range:
        """The seeds of the condensations."""
        return range(self.seed, self.seed + self.condensations)

    @property
    def condensed(self) -> list[PlannedSet]:
        """The sets with a file: all except random images, which differ for every network."""
        return [each for each in self.sets if each.row.name != "random"]

    @property
    def reference(self) -> str | None:
        """The row of baseline c, or of the base method if it has the same run."""
        for each in self.sets:
            cut = each.row.kind == "prefixes" and not each.row.reranked
            own = each.runs[0] if cut else None
            if own is not None and (own.recipe.method, own.policy) == (self.base, "one"):
                return each.row.name
        return None

    def sets_of(self, name: str) -> list[PlannedSet]:
        """The sets of a row."""
        return [each for each in self.sets if each.row.name == name]

    def fixed(self) -> dict[str, Any]:
        """The options that must not change in an existing comparison, with their names."""
        evaluation = {
            f"evaluate-{name}": list(value) if isinstance(value, tuple) else value
            for name, value in self.evaluation.items()
            if name not in ("sizes", "baselines")
        }
        return {
            **{f"data {name}": value for name, value in self.data.items()},
            **{name: getattr(self, name) for name in ("ipc", "preset", "network")},
            "set": [f"{key}={value}" for key, value in self.settings],
            **{name: getattr(self, name) for name in ("base", "seed", "device")},
            "threads": self.threads,
            **evaluation,
        }

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "created": self.created,
            "methods": list(self.methods),
            "sizes": list(self.sizes),
            "condensations": self.condensations,
            "threads": self.threads,
            "fixed": self.fixed(),
            "recipes": {name: _recipe(run) for name, run in self.runs.items()},
            "versions": versions(),
        }


def shared_choices(
    evaluation: EvaluationPlan,
    data: Data,
    *,
    device: str,
    begun: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Arguments of ``evaluate`` for all rows, with the usual protocol by default.

    The precision ``"auto"`` is that of the existing comparison ``begun`` (its ``to_json``), or that
    of this machine.
    """
    protocol = evaluation.protocol or usual_protocol(max(data.train.side))
    earlier = (begun or {}).get("fixed", {}).get("evaluate-precision")
    chosen = evaluation.precision
    precision = suited_precision(earlier if earlier and chosen == "auto" else chosen, device)
    plan = replace(evaluation, protocol=protocol, precision=precision, sizes=None, baselines=())
    return asdict(plan)


def make_plan(
    data: Data,
    options: ComparisonOptions,
    *,
    threads: int,
    evaluation: Mapping[str, Any],
    created: str,
) -> ComparisonPlan:
    """Make a plan with all sets.

    Raises:
        ConfigError: If a row is unknown, or its recipe cannot be made.
    """
    return ComparisonPlan(
        **{each.name: getattr(options, each.name) for each in fields(options)},
        data=facts_of_data(data),
        threads=threads,
        evaluation=evaluation,
        created=created,
        sets=all_sets(data.train, options),
    )


def joined(
    own: ComparisonPlan, begun: Mapping[str, Any], data: ImageData, *, where: Path
) -> ComparisonPlan:
    """The plan together with that of the existing comparison in the folder (its ``to_json``).

    Raises:
        ConfigError: If a fixed option differs; names it with both values.
        ArtifactError: If the files of the folder cannot be read.
    """
    try:
        fixed, recipes = begun["fixed"], begun["recipes"]
        plan = replace(
            own,
            methods=tuple(dict.fromkeys((*begun["methods"], *own.methods))),
            sizes=tuple(sorted({*begun["sizes"], *own.sizes})),
            condensations=max(begun["condensations"], own.condensations),
            created=str(begun["created"]),
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{where}: its comparison.json cannot be read ({error!r}). Give another folder."
        ) from error
    for key, value in own.fixed().items():
        if fixed.get(key) != value:
            raise ConfigError(
                f"--out {where}: holds a comparison with {key} = {fixed.get(key)!r}, but now "
                f"{key} is {value!r}. {_GROWS} folder."
            )
    plan = replace(plan, sets=all_sets(data, plan))
    for name, run in plan.runs.items():
        was, now = recipes.get(name), _recipe(run)
        differ = [key for key in now if was is not None and was.get(key) != now[key]]
        if was is not None and differ:
            key = differ[0]
            raise ConfigError(
                f"--out {where}: {name} was begun with {key} = {was.get(key)!r}, but now {key} is "
                f"{now[key]!r}. The library or the machine is another one; give another folder."
            )
    return plan


def check(plan: ComparisonPlan, data: Data) -> None:
    """Check engines, networks, protocol and sizes before any work.

    The check uses runs before their first step, with random images, which have the shape of the
    results.

    Raises:
        ConfigError, DataError, UnsupportedNetwork: Name the row.
    """
    train = data.train
    beginnings: dict[tuple[str, str], MeasuredSet] = {}
    for each in plan.sets:
        name = each.row.name
        if not each.runs:
            steps_of(each.row.method, train)
            images = random_selection(train, ipc=plan.ipc, seed=plan.seed)
            beginnings.setdefault(("", ""), _beginning(name, images))
            continue
        run = each.runs[0]
        if (run.recipe.method, run.policy) not in beginnings:
            check_engine(run.recipe, train, seed=plan.seed)
            recipe = replace(run.recipe, init=RandomImages())
            images = Condensation(recipe, train, seed=plan.seed).snapshot(created="")
            beginnings[run.recipe.method, run.policy] = _beginning(name, images)
    measurement(
        list(beginnings.values()),
        data,
        seed=plan.seed,
        choices={**plan.evaluation, "seeds": 1},
    )


def _beginning(name: str, images: Any) -> MeasuredSet:  # noqa: ANN401 - a condensed set
    return MeasuredSet(row=name, condensation=0, sizes=(1,), images=lambda _: images)


def _recipe(run: PlannedRun) -> dict[str, Any]:
    """The recipe of the run, without the reason of its engine."""
    recipe = to_json(run.recipe)
    recipe.pop("engine_reason")
    return recipe
