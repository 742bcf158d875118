"""``compare``: several methods in one folder; and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensery.data import Data
from condensery.devices import usable
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import Observation, read_observations
from condensery.parallel import THREADS, Pool, pool_of
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
        """The files of the table by ending: ``md``, ``csv`` and ``html``."""
        return {ending: self.path / f"table.{ending}" for ending in ("md", "csv", "html")}

    def table(self) -> str:
        """The table as Markdown; empty if nothing has been evaluated yet."""
        file = self.tables["md"]
        return file.read_text(encoding="utf-8") if file.exists() else ""


class Comparison(TablesFolder):
    """The folder of a finished or stopped comparison.

    Attributes:
        path: The folder.
        outlook: The remaining work when ``compare`` opened the folder; otherwise empty.
    """

    def __init__(self, path: str | Path, *, outlook: str = "") -> None:
        """A folder that ``compare`` created or will create."""
        self.path, self.outlook = Path(path), outlook
        self._folder = ComparisonFolder(self.path)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The content of ``comparison.json``: rows, sizes, options, recipes, versions.

        Raises:
            ArtifactError: If there is no comparison in the folder.
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
        """Tables, costs and conditions as objects; ``None`` if nothing has been evaluated yet."""
        file = self._folder.content
        return read_content(file) if file.exists() else None

    @property
    def observations(self) -> list[Observation]:
        """One observation for every trained network; equal sets are evaluated once."""
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
    on: str | Pool | None = None,
    evaluation: GivenEvaluation = None,
    dry_run: bool = False,
    progress: Listener | None = None,
) -> Comparison:
    """Condense with several methods, evaluate all with the same networks, and write one table.

    This is ``condensery compare``. Work whose result is in the folder is not repeated: the same
    call continues a stopped comparison, and a call with more methods, sizes or condensations does
    only the new work.

    Args:
        data: As in ``run``; the same data is given again to continue.
        out: Folder of the comparison.
        methods: Rows: names of methods, ``"METHOD:POLICY"`` such as ``"idc:all"``, the baselines
            ``"a"`` (a run for every size), ``"b"`` (runs of one image per class) and ``"c"`` (one
            run whose smaller sizes are prefixes), and selection rules. ``"random"`` is always
            added.
        ipc: Images per class of the full sets, at least 1.
        preset: Preset of all methods, and of the evaluation.
        base: The method of the baselines a, b and c.
        network: Another matching network.
        settings: Recipe keys of all methods, or of one: ``{"mdc:update.lr": 0.01}``.
        condensations: Number of seeds with which everything is condensed; deviations are then over
            these seeds.
        seed: The first seed.
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU if there is one.
        threads: As in ``run``; on a cluster the threads of each task, 1 by default.
        on: Where sets are condensed and networks are trained: ``None`` on threads of this process,
            ``"ray"`` or ``"ray:ADDRESS"`` on a cluster, or a pool (see ``condensery.parallel``).
        evaluation: How all rows are evaluated; ``None``: as the preset says; a function changes
            that plan. Its ``baselines`` are not used, because they are rows.
        dry_run: Whether only ``outlook`` is made; nothing is written.
        progress: As in ``run``.

    Raises:
        ConfigError, DataError, ArtifactError: If something cannot work; before any work.
        NonFiniteLoss, KeyboardInterrupt: Say how to continue.

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
        Path(out),
        lambda: load_source(data)[1],
        options,
        evaluation=evaluated,
        threads=threads,
        pool=pool_of(on, device=device, threads=threads),
    )
    text = prepared.outlook()
    if not dry_run:
        reporter.notice(describe(prepared.data))
        reporter.notice(text)
        prepared.work(reporter)
    return Comparison(out, outlook=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedComparison:
    """A comparison whose options are checked; nothing is written yet."""

    folder: ComparisonFolder  # of the comparison
    plan: ComparisonPlan  # with what was begun there
    data: Data  # loaded
    pool: Pool  # where tasks run; connected when the work begins

    def outlook(self) -> str:
        """The remaining work and the existing results, in words."""
        with machine.torch_threads(self.plan.threads):
            return outlook(self.folder, self.plan, self.data)

    def estimate(self, reporter: Reporter) -> Estimate:
        """The time of the remaining work, estimated by a short probe."""
        with machine.torch_threads(self.plan.threads):
            return estimate(self.folder, self.plan, self.data, reporter)

    def work(self, reporter: Reporter) -> None:
        """Do the remaining work, and write the tables; raises as ``compare``."""
        with machine.torch_threads(self.plan.threads):
            work(self.folder, self.plan, self.data, reporter, pool=self.pool)


def prepare(
    path: Path,
    load: Callable[[], Data],
    options: ComparisonOptions,
    *,
    evaluation: EvaluationPlan,
    threads: int | None,
    pool: Pool = THREADS,
) -> PreparedComparison:
    """Prepare a new or existing comparison.

    Raises:
        ConfigError, ArtifactError, DataError: If something cannot work.
    """
    if options.condensations < 1:
        raise ConfigError(f"condensations = {options.condensations}, but it must be at least 1.")
    if pool.device is None:
        options = replace(options, device=usable(options.device))
    methods = tuple(dict.fromkeys((*options.methods, "random")))
    options = replace(options, methods=methods, sizes=tuple(sorted(set(options.sizes))))
    folder = ComparisonFolder(path)
    begun = folder.facts()
    with machine.torch_threads(pool.threads or threads or (begun or {}).get("threads")) as used:
        data = load()
        plan = make_plan(
            data,
            options,
            threads=used,
            evaluation=shared_choices(
                evaluation, data, device=pool.device or options.device, begun=begun
            ),
            created=machine.now(),
        )
        if begun is not None:
            plan = joined(plan, begun, data.train, where=path)
        check(plan, data)
    return PreparedComparison(folder=folder, plan=plan, data=data, pool=pool)


def usual_evaluation(preset: str) -> EvaluationPlan:
    """The evaluation plan of a preset.

    Raises:
        ConfigError: If the preset is unknown.
    """
    if preset not in EVALUATIONS:
        raise ConfigError(f"preset {preset!r} is unknown; known are {', '.join(EVALUATIONS)}.")
    return replace(EVALUATIONS[preset], baselines=("random",))  # others are rows


def check_evaluation(evaluation: EvaluationPlan, options: ComparisonOptions) -> None:
    """Refuse an evaluation plan that is not possible in a comparison.

    Raises:
        ConfigError: If the plan has baselines, which are rows here, sizes that no set has, or all
            images.
    """
    others = [each for each in evaluation.baselines if each != "random"]
    if others:
        raise ConfigError(
            "--evaluate-baselines (baselines=): whatever is compared is named in --methods "
            f"(methods=), such as --methods {','.join((*options.methods, *others))}."
        )
    if evaluation.whole is not False:
        raise ConfigError(
            "--evaluate-whole (whole=): a comparison trains no networks on all images. `condensery "
            "evaluate FILE --whole` shows what share of their accuracy a set has."
        )
    if any(size > options.ipc for size in evaluation.sizes or ()):
        raise ConfigError(
            f"--evaluate-sizes {max(evaluation.sizes or ())}: the sets hold {options.ipc} images "
            f"per class. Evaluate sizes 1..{options.ipc}, or make larger sets."
        )


def settings_as_text(settings: Mapping[str, object] | None) -> tuple[tuple[str, str], ...]:
    """Recipe keys as text, as in ``--set``, for the folder of a comparison.

    Raises:
        ConfigError: If a value cannot be written as text.
    """
    for key, value in (settings or {}).items():
        if not isinstance(value, (str, int, float)):
            raise ConfigError(
                f"settings[{key!r}] is a {type(value).__name__}, but a comparison takes text, "
                "numbers, True and False. Name a part of your own as 'package.module:Class'."
            )
    return tuple((key, str(value)) for key, value in (settings or {}).items())
