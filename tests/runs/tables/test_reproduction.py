"""A paper's table: in every cell what was measured and what was printed, and what follows."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from condensery.errors import ArtifactError
from condensery.report.published import published
from condensery.report.table import tabulated
from condensery.runs.comparison.content import (
    ComparisonContent,
    CondensingCost,
    RowCost,
    read_content,
)
from condensery.runs.tables.papers import paper_table
from condensery.runs.tables.reproduction import Reproduction, printed_in
from condensery.runs.tables.text import csv_text, markdown, page

TABLE = paper_table("mdc-1a")
ROWS = ("mdc", "c", "random")


@pytest.fixture
def content() -> ComparisonContent:
    seen = {
        "mdc": {1: [[0.50], [0.54], [0.52]], 10: [[0.70], [0.70], [0.70]]},
        "c": {1: [[0.30], [0.34], [0.32]], 10: [[0.70], [0.72], [0.71]]},
        "random": {1: [[0.2], [0.2], [0.2]]},
    }
    return ComparisonContent(
        title="cifar10",
        tables=[tabulated("net", seen, names=ROWS, sizes=(1, 10), condensations=3, reference="c")],
        published=printed_in(TABLE, "cifar10", ROWS),
        made={name: RowCost(runs=int(name != "random"), stored=10) for name in ROWS},
        costs=[CondensingCost(sets=("mdc", "c"), seed=0, seconds=65.0)],
        conditions=[
            ("Data", "cifar10, 500 training and 50 test images, fingerprint 12"),
            ("Condensed by", "preset quick"),
            ("Condensation seeds", "0, 1, 2"),
            ("Tested by", "protocol idc, 2 optimiser steps"),
            ("Network seeds", "1 per condensation, from 0 to 2"),
            ("Machine", "a computer"),
            ("Versions", "1.0"),
            ("Begun", "then"),
        ],
        base="idc",
        unfinished=0,
        evaluation_seconds=5.0,
    )


@pytest.fixture
def found(content: ComparisonContent) -> Reproduction:
    missing = {"svhn": "Give --data svhn=<PATH>."}
    return Reproduction(paper=TABLE, budget="quick", parts={"cifar10": content}, missing=missing)


def cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if re.match(rf"\| +{re.escape(name)} \|", line)]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_cell_holds_what_was_measured_and_what_was_printed(found):
    text = markdown(found)
    # printed: 49.55, 66.79, 58.17 on average; c 27.49, 67.50, 47.495
    assert cells(text, "mdc") == [
        "52.0 ± 2.0 [49.6]",
        "70.0 ± 0.0 [66.8]",
        "61.0 ± 1.0 [58.2]",
        "+9.5 [+10.7]",
        "1",
        "10",
    ]
    assert cells(text, "c")[3] == "0.0 [0.0]"
    assert cells(text, "random") == ["20.0 ± 0.0", "–", "–", "–", "–", "10"]


def test_the_caption_says_protocol_seeds_budget_machine_and_cost(found):
    text = markdown(found)
    assert (
        "*cifar10, 500 training and 50 test images. Condensed by budget quick; seeds 0, 1, 2. "
        "Tested by protocol idc, 2 optimiser steps; networks 1 per condensation, from 0 to 2. "
        "a computer, 1.0. Condensing took 1 min 5 s, testing 5.0 s.*"
    ) in text
    assert "In brackets: what He et al. 2024 (MDC) prints." in text
    assert "do not compare those of a shortened run with them" in text


def test_the_relations_are_told_with_their_noise(found):
    text = markdown(found)
    assert "* mdc − c: +9.5 ± 1.0 points here, +10.7 in the paper. Agrees." in text
    assert "over 3 condensations" in text
    assert "mdc − random" not in text  # it has no average


def test_figures_of_other_papers_do_not_stand_in_it():
    assert published("cifar10", "random", ipc=10) is not None
    assert printed_in(TABLE, "cifar10", ("random", "mdc")).keys() == {"mdc"}


def test_nothing_is_said_of_brackets_where_there_are_none(found, content):
    alone = replace(found, parts={"mine": replace(content, published={})})
    text = markdown(alone)
    assert "brackets" not in text
    assert "not printed in the paper. Larger than the noise." in text


def test_what_is_missing_is_told_with_how_to_give_it(found):
    assert "* svhn: Give --data svhn=<PATH>." in markdown(found)
    assert "Give --data svhn=&lt;PATH&gt;." in page(found)


def test_csv_has_both_numbers_in_a_record_and_every_digit(found, content):
    records = list(csv.DictReader(io.StringIO(csv_text(found))))
    mine = [record for record in records if record["row"] == "mdc"]
    assert [record["size"] for record in mine] == ["1", "10", "average"]
    assert [record["published"] for record in mine] == ["0.4955", "0.6679", "0.5817"]
    assert float(mine[2]["accuracy"]) == content.tables[0].rows[0].average.mean
    assert {record["data"] for record in records} == {"cifar10"}
    (random,) = [record for record in records if record["row"] == "random"]
    assert (random["published"], random["source"]) == ("", "")


def test_the_page_stands_alone_and_says_the_same(found):
    text = page(found)
    assert page(found) == text
    assert re.search(r'(src|href)="(?!data:|#)|https?:', text) is None
    assert "default-src 'none'" in text
    assert '52.0<small>± 2.0</small><small class="published">[49.6]</small>' in text
    assert "mdc − c: +9.5 ± 1.0 points here" in text
    assert text.count("<tbody data-name=") == 3
    (figure,) = re.findall(r'<svg role="img".*?</svg>', text, re.DOTALL)
    assert len(set(re.findall(r'data-line="(\d)"', figure))) == 3


def test_a_content_is_read_as_it_was_written(content, tmp_path):
    file = tmp_path / "content.json"
    file.write_text(content.to_json())
    assert read_content(file, lambda names: content.published) == content


def test_a_content_that_cannot_be_read_is_named(content, tmp_path):
    file = tmp_path / "content.json"
    values = json.loads(content.to_json())
    del values["made"]["mdc"]["runs"]
    file.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=r"content\.json: cannot be read"):
        read_content(file)
