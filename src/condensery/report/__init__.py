"""Reports of condensed sets: contact sheets, the page of a run, the page of several runs."""

from condensery.report.contact_sheet import contact_sheet
from condensery.report.run_page import write_report

__all__ = ["contact_sheet", "write_report"]
