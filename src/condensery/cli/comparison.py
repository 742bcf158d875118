"""All that decides a comparison, and whether it may go on with what was begun.

Knows nothing about where files lie, nor about how the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from condensery.api import Condensation
from condensery.comparison import Asked, Part, Run, Subject, contender, measurement, parts_of
from condensery.data import Data, ImageData
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import usual_protocol
from condensery.init import RandomImages
from condensery.recipe import to_json
from condensery.registry import names
from condensery.runs.data_source import facts_of_data
from condensery.runs.evaluation import EvaluationPlan
from condensery.runs.machine import check_engine, versions
from condensery.selection import random_selection, steps_of

__all__ = ["Plan", "check", "choices_of", "joined", "plan"]

_GROWS = "More methods, sizes and condensations can be added to it; for anything else give another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A comparison.

    Attributes:
        data: What was read, ``facts_of_data``.
        asked: What all runs have in common.
        base: The method of A, B and C.
        methods: Words of ``--methods``, one a row.
        sizes: Images per class of the table, ascending.
        condensations: How many seeds everything is condensed from.
        seed: The first of them.
        device: Such as ``"cpu"``.
        threads: Of torch on the CPU; the same bits need the same number.
        evaluation: Arguments of ``evaluate`` but sizes and what stands beside.
        created: The text that condensed files get, so that the same run writes the same bytes.
        parts: The sets that all of it needs.
    """

    data: Mapping[str, Any]
    asked: Asked
    base: str
    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    condensations: int
    seed: int
    device: str
    threads: int
    evaluation: Mapping[str, Any]
    created: str
    parts: tuple[Part, ...]

    @property
    def runs(self) -> dict[str, Run]:
        """Every condensation of one seed, once, by name."""
        return {run.name: run for part in self.parts for run in part.runs}

    @property
    def seeds(self) -> range:
        """Of the condensations."""
        return range(self.seed, self.seed + self.condensations)

    @property
    def condensed(self) -> list[Part]:
        """The sets that have a file: random images are chosen anew for every network."""
        return [part for part in self.parts if part.contender.name != "random"]

    @property
    def reference(self) -> str | None:
        """The row that stands for C: itself, or the base method where that is the same run."""
        for part in self.parts:
            own = part.runs[0] if part.contender.kind == "prefixes" else None
            if own is not None and (own.recipe.method, own.policy) == (self.base, "one"):
                return part.contender.name
        return None

    def parts_of(self, name: str) -> list[Part]:
        """Those of a contender."""
        return [part for part in self.parts if part.contender.name == name]

    def fixed(self) -> dict[str, Any]:
        """What may not change once the comparison was begun, by the words of the command line."""
        evaluation = {
            f"evaluate-{name}": list(value) if isinstance(value, tuple) else value
            for name, value in self.evaluation.items()
            if name not in ("sizes", "beside")
        }
        return {
            **{f"data {name}": value for name, value in self.data.items()},
            "ipc": self.asked.ipc,
            "preset": self.asked.preset,
            "network": self.asked.network,
            "set": [f"{key}={value}" for key, value in self.asked.settings],
            "base": self.base,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            **evaluation,
        }

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
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


def choices_of(evaluation: EvaluationPlan, data: Data) -> dict[str, Any]:
    """Arguments of ``evaluate`` that all rows share: by the usual protocol if none was given."""
    protocol = evaluation.protocol or usual_protocol(max(data.train.side))
    return asdict(replace(evaluation, protocol=protocol, sizes=None, beside=()))


def plan(
    data: Data,
    *,
    methods: Sequence[str],
    asked: Asked,
    base: str,
    sizes: Sequence[int],
    condensations: int,
    seed: int,
    device: str,
    threads: int,
    evaluation: Mapping[str, Any],
    created: str,
) -> Plan:
    """A plan with the sets that it needs.

    Raises:
        ConfigError: If a contender is unknown, or its recipe cannot be made.
    """
    return Plan(
        data=facts_of_data(data),
        asked=asked,
        base=base,
        methods=tuple(methods),
        sizes=tuple(sorted(set(sizes))),
        condensations=condensations,
        seed=seed,
        device=device,
        threads=threads,
        evaluation=evaluation,
        created=created,
        parts=_parts(data.train, methods, asked, base=base, sizes=sizes),
    )


def joined(own: Plan, begun: Mapping[str, Any], data: ImageData, *, where: Path) -> Plan:
    """The plan with everything that was begun in the folder, too.

    Args:
        own: What is asked for now.
        begun: What the folder says, ``Plan.to_json`` of earlier.
        data: Real training images.
        where: The folder.

    Raises:
        ConfigError: If anything differs that cannot grow, naming it with both values.
        ArtifactError: If what the folder says cannot be read.
    """
    try:
        fixed, recipes = begun["fixed"], begun["recipes"]
        methods = tuple(dict.fromkeys((*begun["methods"], *own.methods)))
        sizes = sorted({*begun["sizes"], *own.sizes})
        condensations = max(begun["condensations"], own.condensations)
        created = str(begun["created"])
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
    found = replace(
        own,
        methods=methods,
        sizes=tuple(sizes),
        condensations=condensations,
        created=created,
        parts=_parts(data, methods, own.asked, base=own.base, sizes=sizes),
    )
    for name, run in found.runs.items():
        was, now = recipes.get(name), _recipe(run)
        differ = [key for key in now if was is not None and was.get(key) != now[key]]
        if was is not None and differ:
            key = differ[0]
            raise ConfigError(
                f"--out {where}: {name} was begun with {key} = {was.get(key)!r}, but now {key} is "
                f"{now[key]!r}. The library or the machine is another one; give another folder."
            )
    return found


def check(plan: Plan, data: Data) -> None:
    """Find out what cannot work before any work: engines, networks, protocol, sizes.

    What is tested are the beginnings from random images: they have the shape of the results.

    Raises:
        ConfigError, DataError, UnsupportedNetwork: Naming the contender.
    """
    train = data.train
    beginnings: dict[tuple[str, str], Subject] = {}
    for part in plan.parts:
        name = part.contender.name
        if not part.runs:
            steps_of(part.contender.method, train)
            images = random_selection(train, ipc=plan.asked.ipc, seed=plan.seed)
            beginnings.setdefault(("", ""), _beginning(name, images))
            continue
        run = part.runs[0]
        if (run.recipe.method, run.policy) not in beginnings:
            check_engine(run.recipe, train, seed=plan.seed)
            recipe = replace(run.recipe, init=RandomImages())
            images = Condensation(recipe, train, seed=plan.seed).so_far(created="")
            beginnings[run.recipe.method, run.policy] = _beginning(name, images)
    measurement(
        list(beginnings.values()), data, seed=plan.seed, choices={**plan.evaluation, "seeds": 1}
    )


def _beginning(name: str, images: Any) -> Subject:  # noqa: ANN401 - a condensed set
    return Subject(contender=name, condensation=0, sizes=(1,), images=lambda _: images)


def _parts(
    data: ImageData, methods: Sequence[str], asked: Asked, *, base: str, sizes: Sequence[int]
) -> tuple[Part, ...]:
    # What condenses comes first, as in the tables of the papers.
    words = sorted(methods, key=lambda word: word in names("selection"))
    rows = [contender(word, base=base) for word in words]
    return tuple(part for row in rows for part in parts_of(row, data, asked, sizes=sizes))


def _recipe(run: Run) -> dict[str, Any]:
    """The run's recipe, without the words about its engine."""
    recipe = to_json(run.recipe)
    recipe.pop("engine_reason")
    return recipe
