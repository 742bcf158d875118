"""Several methods on the same data, tested by the same networks: the table of a paper."""

from condensery.comparison.assemble import assembled
from condensery.comparison.contenders import BASELINES, Contender, contender
from condensery.comparison.content import Content, Cost, Made
from condensery.comparison.estimate import EvaluationCost, GroupCost, evaluation_cost, group_cost
from condensery.comparison.kept import content_from_json, content_to_json
from condensery.comparison.lockstep import Group, begin, groups
from condensery.comparison.measure import Measurement, Subject, measurement, network_seeds
from condensery.comparison.page import render
from condensery.comparison.papers import TABLES, PaperTable, paper_table
from condensery.comparison.relations import Relation, relations
from condensery.comparison.reproduction import Reproduction, printed_in
from condensery.comparison.reproduction_page import reproduction_page
from condensery.comparison.reproduction_text import reproduction_csv, reproduction_markdown
from condensery.comparison.runs import Asked, Part, Run, parts_of
from condensery.comparison.text import csv_text, markdown
from condensery.report.published import Published, published
from condensery.report.table import Row, Table, tabulated

__all__ = [
    "BASELINES",
    "TABLES",
    "Asked",
    "Contender",
    "Content",
    "Cost",
    "EvaluationCost",
    "Group",
    "GroupCost",
    "Made",
    "Measurement",
    "PaperTable",
    "Part",
    "Published",
    "Relation",
    "Reproduction",
    "Row",
    "Run",
    "Subject",
    "Table",
    "assembled",
    "begin",
    "contender",
    "content_from_json",
    "content_to_json",
    "csv_text",
    "evaluation_cost",
    "group_cost",
    "groups",
    "markdown",
    "measurement",
    "network_seeds",
    "paper_table",
    "parts_of",
    "printed_in",
    "published",
    "relations",
    "render",
    "reproduction_csv",
    "reproduction_markdown",
    "reproduction_page",
    "tabulated",
]
