"""``compare``: several methods in one folder, and what lies there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensery.data import Data
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import Observation, read_observations
from condensery.runs import machine
from condensery.runs.comparison.content import ComparisonContent, read_content
from condensery.runs.comparison.driver import work
from condensery.runs.comparison.estimate import Estimate, estimate
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.comparison.plan import (
    ComparisonPlan,
    check,
    joined,
    make_plan,
    shared_choices,
)
from condensery.runs.comparison.sets import ComparisonOptions
from condensery.runs.comparison.status import outlook
from condensery.runs.data_source import describe, load_source
from condensery.runs.evaluation import (
    EVALUATIONS,
    EvaluationPlan,
    GivenEvaluation,
    chosen_sizes,
    evaluation_of,
)
from condensery.runs.listener import Listener, Reporter


class TablesFolder:
    """A folder with tables in three forms."""

    path: Path

    @property
    def tables(self) -> Mapping[str, Path]:
        """The files of the table: ``md``, ``csv`` and ``html``."""
        return {ending: self.path / f"table.{ending}" for ending in ("md", "csv", "html")}

    def table(self) -> str:
        """The table as Markdown; empty if nothing was evaluated yet."""
        file = self.tables["md"]
        return file.read_text(encoding="utf-8") if file.exists() else ""


class Comparison(TablesFolder):
    """The folder of a comparison: finished, or stopped on the way.

    Attributes:
        path: The folder.
        outlook: What was still to be done when it was opened by ``compare``; else empty.
    """

    def __init__(self, path: str | Path, *, outlook: str = "") -> None:
        """Name a folder that ``compare`` made, or would make."""
        self.path, self.outlook = Path(path), outlook
        self._folder = ComparisonFolder(self.path)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What ``comparison.json`` says: rows, sizes, options, recipes, versions.

        Raises:
            ArtifactError: If no comparison was begun there.
        """
        facts = self._folder.facts()
        if facts is None:
            raise ArtifactError(
                f"{self.path}: holds no comparison yet. condensery.compare(data, "
                f"{str(self.path)!r}, ...) makes one."
            )
        return facts

    @property
    def content(self) -> ComparisonContent | None:
        """Tables, costs and conditions as objects; ``None`` if nothing was evaluated yet."""
        file = self._folder.content
        return read_content(file) if file.exists() else None

    @property
    def observations(self) -> list[Observation]:
        """One for every trained network; sets that are the same are evaluated once."""
        return read_observations(self._folder.observations)

    def __repr__(self) -> str:
        content = self.content
        if content is None:
            return f"<Comparison {self.path}: nothing was evaluated yet>"
        unfinished = content.unfinished
        state = f"{unfinished} networks are still to be trained" if unfinished else "finished"
        return f"<Comparison {self.path}: {content.title}; {state}, page {self.tables['html']}>"


def compare(
    data: object,
    out: str | Path,
    *,
    methods: Sequence[str] = ("mdc", "c", "random"),
    ipc: int = 10,
    preset: str = "quick",
    base: str = "idc",
    network: str | None = None,
    settings: Mapping[str, object] | None = None,
    condensations: int = 1,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    evaluation: GivenEvaluation = None,
    dry_run: bool = False,
    progress: Listener | None = None,
) -> Comparison:
    """Condense by several methods, evaluate all by the same networks, and write one table by size.

    As ``condensery compare``. What the folder holds already is not done again: the same call goes
    on with a comparison that was stopped, and one with more methods, sizes or condensations does
    only these.

    Args:
        data: As ``run``; the same is given again to go on.
        out: Folder of the comparison.
        methods: Rows: names of methods, ``"METHOD:POLICY"`` such as ``"idc:all"``, the baselines
            ``"a"`` (a run for every size), ``"b"`` (runs of one image per class) and ``"c"`` (one
            run whose smaller sizes are prefixes), and selection rules. ``"random"`` is always
            added.
        ipc: Images per class of the full sets, at least 1.
        preset: Of all methods, and of the evaluation.
        base: The method of a, b and c.
        network: Another matching network.
        settings: Recipe keys of all methods, or of one: ``{"mdc:update.lr": 0.01}``.
        condensations: From how many seeds everything is condensed; deviations are then over these.
        seed: The first seed.
        device: Such as ``"cpu"`` or ``"cuda"``.
        threads: As ``run``.
        evaluation: How all rows are evaluated; ``None`` as the preset says, a function of that for
            something similar. Its ``baselines`` is not used: whatever is compared is a row.
        dry_run: Whether only ``outlook`` is made; nothing is written.
        progress: As ``run``.

    Raises:
        ConfigError, DataError, ArtifactError: For anything that cannot work, before any work.
        NonFiniteLoss, KeyboardInterrupt: With how to go on.

    Example:
        ``condensery.compare("digits", "COMPARISON", methods=["mdc", "c"]).table()``
    """
    reporter = Reporter(progress)
    evaluated = evaluation_of(evaluation, usual_evaluation(preset))
    options = ComparisonOptions(
        methods=tuple(methods),
        ipc=ipc,
        preset=preset,
        base=base,
        network=network,
        settings=settings_as_text(settings),
        sizes=evaluated.sizes or chosen_sizes(ipc, preset=preset),
        condensations=condensations,
        seed=seed,
        device=device,
    )
    check_evaluation(evaluated, options)
    prepared = prepare(
        Path(out), lambda: load_source(data)[1], options, evaluation=evaluated, threads=threads
    )
    text = prepared.outlook()
    if not dry_run:
        reporter.notice(describe(prepared.data))
        reporter.notice(text)
        prepared.work(reporter)
    return Comparison(out, outlook=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedComparison:
    """A comparison that can be worked on; everything about it is checked, nothing is written."""

    folder: ComparisonFolder  # of the comparison
    plan: ComparisonPlan  # with what was begun there
    data: Data  # loaded

    def outlook(self) -> str:
        """What will run, and what is there already."""
        with machine.torch_threads(self.plan.threads):
            return outlook(self.folder, self.plan, self.data)

    def estimate(self, reporter: Reporter) -> Estimate:
        """How long the rest takes, from a short probe."""
        with machine.torch_threads(self.plan.threads):
            return estimate(self.folder, self.plan, self.data, reporter)

    def work(self, reporter: Reporter) -> None:
        """Do what is missing, and write the tables; raises as ``compare``."""
        with machine.torch_threads(self.plan.threads):
            work(self.folder, self.plan, self.data, reporter)


def prepare(
    path: Path,
    load: Callable[[], Data],
    options: ComparisonOptions,
    *,
    evaluation: EvaluationPlan,
    threads: int | None,
) -> PreparedComparison:
    """A comparison, begun or new.

    Raises:
        ConfigError, ArtifactError, DataError: Whatever cannot work.
    """
    if options.condensations < 1:
        raise ConfigError(f"condensations = {options.condensations}, but it must be at least 1.")
    machine.check_device(options.device)
    methods = tuple(dict.fromkeys((*options.methods, "random")))
    options = replace(options, methods=methods, sizes=tuple(sorted(set(options.sizes))))
    folder = ComparisonFolder(path)
    begun = folder.facts()
    with machine.torch_threads(threads or (begun or {}).get("threads")) as used:
        data = load()
        plan = make_plan(
            data,
            options,
            threads=used,
            evaluation=shared_choices(evaluation, data),
            created=machine.now(),
        )
        if begun is not None:
            plan = joined(plan, begun, data.train, where=path)
        check(plan, data)
    return PreparedComparison(folder=folder, plan=plan, data=data)


def usual_evaluation(preset: str) -> EvaluationPlan:
    """How a preset evaluates.

    Raises:
        ConfigError: If there is no such preset.
    """
    if preset not in EVALUATIONS:
        raise ConfigError(f"preset {preset!r} is unknown; known are {', '.join(EVALUATIONS)}.")
    return EVALUATIONS[preset]


def check_evaluation(evaluation: EvaluationPlan, options: ComparisonOptions) -> None:
    """Refuse what no comparison can evaluate.

    Raises:
        ConfigError: For baselines, which are rows here, and sizes that no set has.
    """
    others = [each for each in evaluation.baselines if each != "random"]
    if others:
        raise ConfigError(
            "--evaluate-baselines (baselines=): whatever is compared is named in --methods "
            f"(methods=), such as --methods {','.join((*options.methods, *others))}."
        )
    if any(size > options.ipc for size in evaluation.sizes or ()):
        raise ConfigError(
            f"--evaluate-sizes {max(evaluation.sizes or ())}: the sets hold {options.ipc} images "
            f"per class. Evaluate sizes 1..{options.ipc}, or make larger sets."
        )


def settings_as_text(settings: Mapping[str, object] | None) -> tuple[tuple[str, str], ...]:
    """Recipe keys as ``--set`` has them; the folder of a comparison names them.

    Raises:
        ConfigError: For a value that text cannot give.
    """
    for key, value in (settings or {}).items():
        if not isinstance(value, (str, int, float)):
            raise ConfigError(
                f"settings[{key!r}] is a {type(value).__name__}, but a comparison takes text, "
                "numbers, True and False. Name a part of your own as 'package.module:Class'."
            )
    return tuple((key, str(value)) for key, value in (settings or {}).items())
