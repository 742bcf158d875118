"""The folder of a comparison: what lies where, what is known, and what is missing.

Knows nothing about how that is done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from condensery.artifact import CondensedSet
from condensery.checkpoint import Checkpoint, load_latest
from condensery.cli import comparison
from condensery.cli.compared import networks_of, outlook
from condensery.cli.comparison import Plan
from condensery.comparison import Asked, Group, Measurement, Part, Run, Subject, groups, measurement
from condensery.data import Data
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import Protocol, read_observations
from condensery.recipe import Recipe
from condensery.runs import machine
from condensery.runs.comparison_files import FORMAT, MARK, ComparisonFiles
from condensery.runs.evaluation import EvaluationPlan
from condensery.runs.files import check_room, holds_files, locked
from condensery.runs.folder import has_line
from condensery.selection import random_selection

__all__ = ["ComparisonFolder", "Pending", "prepared", "quietly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A group of runs that is not finished.

    Attributes:
        group: The runs.
        seed: Of the condensation.
        checkpoint: Where it goes on; ``None`` from the beginning.
    """

    group: Group
    seed: int
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class ComparisonFolder(ComparisonFiles):
    """What a comparison has, and what is missing."""

    def run(self, run: Run, seed: int) -> Path:
        """The condensed file of one run."""
        return self.path / "runs" / f"{run.name}-seed{seed}.safetensors"

    def set(self, part: Part, seed: int) -> Path:
        """The condensed file of a contender."""
        return self.set_file(part.file, seed)

    def checkpoints(self, run: Run, seed: int) -> Path:
        """States of the unfinished group whose first run this is."""
        return self.path / "checkpoints" / f"{run.name}-seed{seed}"

    def experts(self, recipe: Recipe) -> Path:
        """Trajectories that a recipe draws from; recipes with the same experts share them."""
        own = (recipe.whiten, recipe.schedule.expert_training(recipe.network))
        kind = hashlib.blake2b(repr(own).encode(), digest_size=4).hexdigest()
        return self.path / "experts" / f"{recipe.network.replace(':', '-')}-{kind}"

    def facts(self) -> dict[str, Any] | None:
        """What ``comparison.json`` says, or ``None`` where a comparison can be begun.

        A comparison that ended before it had anything is begun anew, also with other options.

        Raises:
            ConfigError: If there is something else, or nothing can be written.
            ArtifactError: If it is of a newer format.
        """
        check_room(self.path)
        if not self.plan.exists():
            if holds_files(self.path, parts_of=self.plan.name):
                raise ConfigError(
                    f"--out {self.path}: is a folder that holds other things, and no "
                    f"{self.plan.name}. Give another folder."
                )
            return None
        try:
            facts = json.loads(self.plan.read_text(encoding="utf-8"))
            found = facts[MARK]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self.plan}: is not a comparison ({error!r}). Give another folder."
            ) from error
        if found != FORMAT:
            raise ArtifactError(
                f"{self.plan}: is of comparison format {found!r}, this library reads {FORMAT}. "
                "Use the version of condensery that wrote it."
            )
        return facts if self.has_progress() else None

    def has_progress(self) -> bool:
        """Whether there is a set, a state to go on from, an expert or a trained network."""
        folders = (self.path / name for name in ("runs", "sets", "checkpoints", "experts"))
        return has_line(self.observations) or any(
            folder.is_dir() and any(folder.rglob("*.safetensors")) for folder in folders
        )

    def locked(self, notice: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let only one process work in the folder; arguments and errors as ``files.locked``."""
        return locked(self.path, notice)

    def pending(self, plan: Plan, notice: Callable[[str], None] = print) -> list[Pending]:
        """What is still to be condensed: groups with a checkpoint, then new groups."""
        found: list[Pending] = []
        for seed in plan.seeds:
            runs = plan.runs
            left = {name: run for name, run in runs.items() if not self.run(run, seed).exists()}
            for first in runs.values():
                checkpoint = load_latest(self.checkpoints(first, seed), notice)
                if checkpoint is not None:
                    own = tuple(runs[name] for name in checkpoint.facts["runs"])
                    found.append(Pending(group=Group(runs=own), seed=seed, checkpoint=checkpoint))
                    left = {name: run for name, run in left.items() if run not in own}
            found.extend(Pending(group=group, seed=seed) for group in groups(left.values()))
        return found

    def subjects(self, plan: Plan, data: Data) -> list[Subject]:
        """The sets that are there, to be tested; random real images are always there."""
        found: list[Subject] = []
        random = cache(partial(_random, data, ipc=plan.asked.ipc))
        for number, seed in enumerate(plan.seeds):
            for part in plan.parts:
                path = self.set(part, seed)
                if part not in plan.condensed:
                    images = random
                elif path.exists():
                    images = _constant(CondensedSet.load(path))
                else:
                    continue
                found.append(
                    Subject(
                        contender=part.contender.name,
                        condensation=number,
                        sizes=part.sizes,
                        images=images,
                    )
                )
        return found

    def outlook(self, plan: Plan, data: Data) -> str:
        """What will run, and what is there already; writes nothing."""
        trained, networks = self.networks(plan, data)
        return outlook(plan, self.pending(plan, quietly), trained=trained, networks=networks)

    def networks(self, plan: Plan, data: Data) -> tuple[int, int]:
        """How many networks are trained, of how many; sets that are not there count, too."""
        known = read_observations(self.observations)
        there = self.measurement(plan, data, known=known)
        found, left = len(there.evaluation.planned), len(there.evaluation)
        whole = all(self.set(part, seed).exists() for seed in plan.seeds for part in plan.condensed)
        return found - left, found if whole else networks_of(plan)

    def protocol(self, plan: Plan, data: Data) -> Protocol:
        """How the networks are trained."""
        return self.measurement(plan, data, known=()).evaluation.protocol

    def measurement(self, plan: Plan, data: Data, *, known: Sequence[Any]) -> Measurement:
        """All networks of the sets that are there."""
        on = replace(data, test=data.test.to(plan.device))
        subjects = self.subjects(plan, data)
        return measurement(subjects, on, seed=plan.seed, choices=plan.evaluation, known=known)


def prepared(
    path: Path,
    load: Callable[[], Data],
    arguments: argparse.Namespace,
    *,
    methods: Sequence[str],
    ipc: int,
    base: str,
    network: str | None,
    sizes: Sequence[int],
    evaluation: EvaluationPlan,
) -> tuple[ComparisonFolder, Plan, Data]:
    """A comparison that can be worked on, begun or new; all is checked, nothing is written.

    Args:
        path: Of its folder.
        load: Reads the data, once the folder is known to be fit.
        arguments: Preset, settings, seeds, device and threads, as ``compare`` and ``table`` have
            them.
        methods: Rows; random images are added.
        ipc: Images per class.
        base: The method of A, B and C.
        network: Matching network; ``None`` is the preset's.
        sizes: Images per class of the table.
        evaluation: How all rows are tested.

    Raises:
        ConfigError, ArtifactError, DataError: Whatever cannot work.
    """
    folder = ComparisonFolder(path)
    begun = folder.facts()
    threads = arguments.threads or (begun or {}).get("threads")
    if threads is not None:
        torch.set_num_threads(threads)
    threads = torch.get_num_threads()
    data = load()
    plan = comparison.plan(
        data,
        methods=tuple(dict.fromkeys((*methods, "random"))),
        asked=Asked(
            ipc=ipc,
            preset=arguments.preset,
            network=network,
            settings=tuple(arguments.set),
            device=arguments.device,
        ),
        base=base,
        sizes=sizes,
        condensations=arguments.condensations,
        seed=arguments.seed,
        device=arguments.device,
        threads=threads,
        evaluation=comparison.choices_of(evaluation, data),
        created=machine.now(),
    )
    if begun is not None:
        plan = comparison.joined(plan, begun, data.train, where=path)
    comparison.check(plan, data)
    return folder, plan, data


def _constant(images: CondensedSet) -> Callable[[int], CondensedSet]:
    return lambda seed: images


def _random(data: Data, seed: int, *, ipc: int) -> CondensedSet:
    return random_selection(data.train, ipc=ipc, seed=seed)


def quietly(text: str) -> None:
    """A notice to nobody."""
    del text
