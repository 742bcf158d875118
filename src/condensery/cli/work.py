"""What ``condense`` and ``resume`` share: do the work in a folder, say how it went.

Knows nothing about arguments but those that say where data is.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from condensery.api import Condensation, settled
from condensery.cli.condensing import condense
from condensery.cli.finishing import finish
from condensery.cli.plan import Plan, Source
from condensery.cli.process import raise_if_signalled
from condensery.cli.run_folder import RunFolder
from condensery.data import Data, ImageData
from condensery.data.skipped import by_reason, in_words
from condensery.errors import ConfigError, NonFiniteLoss
from condensery.recipe import changed

__all__ = ["change", "introduce", "now", "source_of", "work"]


def now() -> str:
    """The time, as files say it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def source_of(arguments: argparse.Namespace, data: Sequence[str]) -> Source:
    """The arguments of ``add_data``, with paths that hold from here."""
    return Source(
        data=tuple(data),
        test=arguments.test,
        size=arguments.size,
        skip_corrupt=arguments.skip_corrupt,
        name=arguments.name,
        folder=str(Path.cwd()),
        data_dir=arguments.data_dir,
        download=arguments.download,
        classes=arguments.classes,
        value_range=arguments.value_range,
        image_memory=arguments.image_memory,
        cache_dir=arguments.cache_dir,
    )


def introduce(data: Data) -> None:
    """Say what was read, and what was left out."""
    raise_if_signalled()
    train = data.train
    height, width = train.side
    kind = {1: "grey", 3: "colour"}.get(train.channels, f"{train.channels}-channel")
    print(
        f"{data.name}: {len(train):,} {kind} images of {height} x {width} pixels in "
        f"{train.classes} classes to condense, {len(data.test):,} to test on",
        file=sys.stderr,
    )
    if data.mapped is not None:
        print(f"decoded images are kept in {data.mapped}", file=sys.stderr)
    if data.skipped:
        lines = "; ".join(in_words(by_reason(data.skipped)))
        print(f"Left out {len(data.skipped)} images or files: {lines}", file=sys.stderr)


def work(folder: RunFolder, plan: Plan, data: Data, *, run: Condensation | None = None) -> int:
    """Do what is missing of a run, in a folder whose lock is held.

    Raises:
        NonFiniteLoss: With what can be done about it.
        KeyboardInterrupt: With the command that goes on.
    """
    named = shlex.quote(str(folder.path))
    try:
        missing = not (folder.condensed.exists() and folder.outcome.exists())
        if missing:
            condense(folder, plan, data, run=run)
        missing = finish(folder, plan, data) or missing
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"{error} The run is in {folder.path}: condensery resume {named} --set KEY=VALUE"
        ) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Nothing that was finished is lost: condensery resume {named}"
        ) from None
    if not missing:
        print("This run was finished already; nothing was missing.", file=sys.stderr)
    return 0


def change(
    folder: RunFolder,
    plan: Plan,
    data: ImageData,
    *,
    settings: Mapping[str, str],
    time_budget: float | None,
) -> Plan:
    """The plan of a run that is not complete, with another recipe or budget from here on.

    Raises:
        ConfigError: If condensing is complete: nothing is left that a change could reach.
    """
    if _is_complete(folder):
        raise ConfigError(
            f"{folder.path}: condensing is complete, so --set and --time-budget have nothing to "
            "change. Resume without them, or condense anew into another folder."
        )
    recipe = plan.recipe
    for key, value in settings.items():
        recipe = changed(recipe, key, value)
    recipe = settled(recipe, data)
    if recipe.engine == plan.recipe.engine:  # for the reason for which it was taken
        recipe = replace(recipe, engine_reason=plan.recipe.engine_reason)
    for name in ("method", "ipc", "parameterization", "sizes"):
        if getattr(recipe, name) != getattr(plan.recipe, name):
            raise ConfigError(
                f"--set {name}: the images of this run have the shape of another {name}, so it "
                "cannot change on the way. Condense anew into another folder."
            )
    record = {"time": now(), "set": dict(settings), "time_budget": time_budget}
    return replace(
        plan,
        recipe=recipe,
        time_budget=plan.time_budget if time_budget is None else time_budget,
        changes=(*plan.changes, record),
    )


def _is_complete(folder: RunFolder) -> bool:
    """Whether condensing took all of its iterations."""
    if not folder.outcome.exists():
        return False
    return json.loads(folder.outcome.read_text(encoding="utf-8"))["reason"] == "complete"
