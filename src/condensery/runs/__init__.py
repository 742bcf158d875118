"""Runs in folders: condensing that can be resumed, comparisons, tables of papers, reports.

Modules are imported when a name is first used, so that a report needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condensery.runs.api import Run, resume, run
    from condensery.runs.comparison.api import Comparison, compare
    from condensery.runs.condensed_file import FileEvaluation, evaluate_file
    from condensery.runs.data_source import DataSource
    from condensery.runs.evaluation import EVALUATIONS, EvaluationPlan
    from condensery.runs.extending import extend
    from condensery.runs.listener import Event, Listener, ProgressBars, Reporter
    from condensery.runs.report import WrittenPage, write_page
    from condensery.runs.tables.api import ReproducedTable, table
    from condensery.runs.tables.papers import TABLES, PaperTable
    from condensery.runs.tracking import Tracker

__all__ = [
    "EVALUATIONS",
    "TABLES",
    "Comparison",
    "DataSource",
    "EvaluationPlan",
    "Event",
    "FileEvaluation",
    "Listener",
    "PaperTable",
    "ProgressBars",
    "Reporter",
    "ReproducedTable",
    "Run",
    "Tracker",
    "WrittenPage",
    "compare",
    "evaluate_file",
    "extend",
    "resume",
    "run",
    "table",
    "write_page",
]

_MODULES = {
    "EVALUATIONS": "evaluation",
    "TABLES": "tables.papers",
    "ProgressBars": "listener",
    "Comparison": "comparison.api",
    "DataSource": "data_source",
    "EvaluationPlan": "evaluation",
    "Event": "listener",
    "FileEvaluation": "condensed_file",
    "Listener": "listener",
    "WrittenPage": "report",
    "PaperTable": "tables.papers",
    "Reporter": "listener",
    "ReproducedTable": "tables.api",
    "Tracker": "tracking",
    "Run": "api",
    "compare": "comparison.api",
    "evaluate_file": "condensed_file",
    "extend": "extending",
    "resume": "api",
    "run": "api",
    "table": "tables.api",
    "write_page": "report",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name in _MODULES:
        return getattr(import_module(f"condensery.runs.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'condensery.runs' has no attribute {name!r}")
