"""Several methods on the same data, tested by the same networks: the table of a paper."""

from condensery.comparison.assemble import assembled
from condensery.comparison.contenders import BASELINES, Contender, contender
from condensery.comparison.content import Content, Cost, Made
from condensery.comparison.lockstep import Group, begin, groups
from condensery.comparison.measure import Measurement, Subject, measurement, network_seeds
from condensery.comparison.page import render
from condensery.comparison.runs import Asked, Part, Run, parts_of
from condensery.comparison.text import csv_text, markdown
from condensery.report.published import Published, published
from condensery.report.table import Cell, Row, Table, tabulated

__all__ = [
    "BASELINES",
    "Asked",
    "Cell",
    "Contender",
    "Content",
    "Cost",
    "Group",
    "Made",
    "Measurement",
    "Part",
    "Published",
    "Row",
    "Run",
    "Subject",
    "Table",
    "assembled",
    "begin",
    "contender",
    "csv_text",
    "groups",
    "markdown",
    "measurement",
    "network_seeds",
    "parts_of",
    "published",
    "render",
    "tabulated",
]
