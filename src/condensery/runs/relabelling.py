"""Relabelling with progress."""

from __future__ import annotations

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.evaluation import ExpertLabels, relabel
from condensery.evaluation.normalisation import normalised_train
from condensery.runs.listener import Reporter


def relabel_with_progress(
    condensed: CondensedSet,
    data: Data,
    *,
    labels: ExpertLabels,
    reporter: Reporter,
    device: str = "cpu",
) -> CondensedSet:
    """``relabel`` with a report of the epochs of its experts; raises the errors of ``relabel``."""
    missing = labels.trained_on(normalised_train(condensed, data)).missing
    if not missing:
        return relabel(condensed, data, labels=labels, device=device)
    with reporter.task("experts", total=missing, unit="epoch") as task:
        return relabel(
            condensed, data, labels=labels, device=device, on_epoch=lambda: task.step("training")
        )
