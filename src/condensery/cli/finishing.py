"""The second half of a run: evaluate the condensed file, write what was seen into it, report.

Does only what is missing, so that an interrupted second half goes on and a finished run is left
as it is.
"""

from __future__ import annotations

from condensery.artifact import CondensedSet
from condensery.cli.evaluating import merged, train
from condensery.cli.pictures import sheet
from condensery.cli.plan import Plan
from condensery.cli.reporting import report
from condensery.cli.run_folder import RunFolder
from condensery.cli.watching import proxy_line
from condensery.data import Data
from condensery.evaluation import summary, table

__all__ = ["finish"]

_SHEET = "contact-sheet.png"


def finish(folder: RunFolder, plan: Plan, data: Data) -> bool:
    """Evaluate, and write observations, contact sheet and report.

    Returns:
        Whether anything was missing.
    """
    condensed = CondensedSet.load(folder.condensed)
    fresh = False
    if plan.evaluation is not None:
        seen = train(condensed, data, plan.evaluation, device=plan.device, path=folder.observations)
        records = merged(condensed.observations, summary(seen))
        if records != condensed.observations:
            condensed = condensed.with_observations(records)
            condensed.save(folder.condensed)
            fresh = True
    if fresh or not (folder.pictures / _SHEET).exists():
        sheet(folder, condensed, name=_SHEET)
        fresh = True
    if fresh or not folder.report.exists():
        report(folder)
        fresh = True
    if condensed.observations:
        print(table(condensed.observations))
        print()
    if measured := proxy_line(folder.proxy):
        print(measured)
    print(f"Condensed file: {folder.condensed}")
    print(f"Report: {folder.report}")
    return fresh
