"""``condensery resume``: go on with a run that was stopped, or finish what it lacks."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.parser import duration, setting
from condensery.cli.run_folder import RunFolder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and what may change."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", help="where the same data is now, if it was moved"
    )
    parser.add_argument(
        "--time-budget",
        metavar="TIME",
        type=duration,
        help="another budget for condensing, counted from the run's beginning",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=setting,
        action="append",
        default=[],
        help="change a key of the recipe from here on; the result is then another",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the plan, check the data, do what is missing."""
    folder = RunFolder(arguments.run)
    facts = folder.facts()

    from condensery.cli import work
    from condensery.cli.plan import Plan
    from condensery.cli.preflight import check_device, check_engine, use_threads
    from condensery.cli.progress import note

    plan = Plan.from_json(facts, where=folder.recipe)
    use_threads(plan.threads)
    check_device(plan.device)
    data = plan.load(None if arguments.data is None else tuple(arguments.data))
    changed = arguments.set or arguments.time_budget is not None
    if changed:
        plan = work.change(
            folder,
            plan,
            data.train,
            settings=dict(arguments.set),
            time_budget=arguments.time_budget,
        )
        check_engine(plan.recipe, data.train, seed=plan.seed)
    with folder.locked(note):
        if changed:
            folder.write_facts(plan.to_json())
            folder.outcome.unlink(missing_ok=True)
        return work.work(folder, plan, data)
