"""The report of a run folder, drawn from its files alone. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensery.cli.metrics import read_metrics
from condensery.cli.run_folder import RunFolder
from condensery.errors import ArtifactError
from condensery.report import write_report

__all__ = ["about", "check_condensed", "read_seen", "report"]

_SEEN = ("set", "size", "network", "seed", "protocol", "accuracy")


def report(folder: RunFolder, out: Path | None = None) -> Path:
    """Draw the report of everything that the folder holds.

    Args:
        folder: With a condensed file.
        out: Where to; in the folder if ``None``.

    Raises:
        ArtifactError: If it is no run folder, nothing is condensed yet, or a file is damaged.
    """
    facts = folder.facts()
    check_condensed(folder)
    return write_report(
        out or folder.report,
        condensed=folder.condensed,
        observations=read_seen(folder.observations),
        metrics=read_metrics(folder.metrics),
        proxy=read_metrics(folder.proxy),
        run=about(folder, facts),
    )


def read_seen(path: Path) -> list[dict[str, Any]]:
    """The lines of ``observations.jsonl``; none if there is no file.

    Raises:
        ArtifactError: If one is damaged; it is named.
    """
    found = read_metrics(path)
    for number, line in enumerate(found, start=1):
        missing = [key for key in _SEEN if key not in line]
        if missing:
            raise ArtifactError(
                f"{path}, line {number} is no observation: it has no {missing[0]!r}. Remove the "
                "line to go on without it."
            )
    return found


def check_condensed(folder: RunFolder) -> None:
    """Refuse a run that was stopped before it wrote its condensed file."""
    if not folder.condensed.exists():
        raise ArtifactError(
            f"{folder.path}: has no {folder.condensed.name} yet, so there is nothing to report on. "
            f"`condensery resume {folder.path}` goes on with the run."
        )


def about(folder: RunFolder, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the report says of how the file was made; what is not known is left out."""
    outcome: Mapping[str, Any] = {}
    if folder.outcome.exists():
        outcome = json.loads(folder.outcome.read_text(encoding="utf-8"))
    versions = dict(facts.get("versions") or {})
    machine, threads = versions.pop("machine", None), facts.get("threads")
    words = [machine, facts.get("device")]
    if threads is not None:
        words.append(f"{threads} thread" + ("" if threads == 1 else "s"))
    return {
        "recipe": facts.get("recipe"),
        "data": facts.get("data"),
        "seed": facts.get("seed"),
        "versions": versions,
        "machine": ", ".join(str(word) for word in words if word),
        "seconds": outcome.get("seconds"),
        "peak_memory_mb": outcome.get("peak_memory_mb"),
        "ended": _ended(outcome),
    }


def _ended(outcome: Mapping[str, Any]) -> str | None:
    """How condensing ended, in words."""
    if not outcome:
        return None
    done, whole = outcome.get("iterations"), outcome.get("of")
    if outcome.get("reason") == "complete":
        return f"after all {whole} iterations"
    beyond = outcome.get("steps_beyond") or 0
    more = f" and {beyond} image updates" if beyond else ""
    return f"by its {outcome.get('reason')}, after {done} of {whole} iterations{more}"
