"""Looking at a condensed set: the contact sheet, the curves, the page. Imports no torch."""

from condensery.report.condensed_file import CondensedFile, from_arrays, read_condensed
from condensery.report.contact_sheet import contact_sheet
from condensery.report.page import write_report

__all__ = ["CondensedFile", "contact_sheet", "from_arrays", "read_condensed", "write_report"]
