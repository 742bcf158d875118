"""Reranking with progress."""

from __future__ import annotations

from functools import partial
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.reranking import rerank, rerank_steps
from condensery.runs.listener import Reporter


def rerank_with_progress(
    condensed: CondensedSet,
    data: Data | None,
    *,
    reporter: Reporter,
    by: str = "lbpe",
    epochs: int = 100,
    networks: int = 1,
    **choices: Any,  # noqa: ANN401 - those of ``rerank``
) -> CondensedSet:
    """``rerank`` with a report of its training steps; raises the errors of ``rerank``."""
    order = partial(rerank, condensed, data, by=by, epochs=epochs, networks=networks, **choices)
    steps = rerank_steps(condensed, by=by, epochs=epochs, networks=networks)
    if not steps:
        return order()
    with reporter.task(f"rerank by {by}", total=steps) as task:
        return order(on_step=lambda: task.step("training"))
