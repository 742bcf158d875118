"""The same comparison as Markdown, CSV and a page."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from condensery.report.published import published
from condensery.report.table import tabulated
from condensery.runs.comparison.content import ComparisonContent, CondensingCost, RowCost
from condensery.runs.comparison.text import csv_text, markdown, page


@pytest.fixture
def content() -> ComparisonContent:
    seen = {
        "mdc": {1: [[0.5, 0.54]], 10: [[0.7, 0.7]]},
        "c": {1: [[0.3, 0.34]], 10: [[0.74, 0.7]]},
        "<odd>": {1: [[0.2, 0.2]]},
    }
    table = tabulated(
        "convnet3", seen, names=list(seen), sizes=(1, 10), condensations=1, reference="c"
    )
    figures = {name: published("cifar10", name, ipc=10) for name in ("mdc", "c")}
    return ComparisonContent(
        title="cifar10, 10 images per class",
        tables=[table],
        published=figures,
        made={"mdc": RowCost(runs=1, stored=10), "c": RowCost(runs=1, stored=10)}
        | {"<odd>": RowCost(runs=0, stored=10)},
        costs=[
            CondensingCost(
                sets=("mdc-ipc10", "idc-ipc10"), seed=3, seconds=125.0, expert_cpu_seconds=61.0
            )
        ],
        conditions=[("Data", "cifar10 & more")],
        base="idc",
        unfinished=0,
        evaluation_seconds=10.0,
    )


def cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if re.match(rf"\| +{re.escape(name)} \|", line)]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_markdown_holds_means_deviations_average_and_difference(content):
    text = markdown(content)
    assert cells(text, "images per class") == ["1", "10", "Avg.", "Diff.", "runs", "stored"]
    assert cells(text, "mdc") == ["52.0 ± 2.8", "70.0 ± 0.0", "61.0 ± 1.4", "+9.0", "1", "10"]
    assert cells(text, "c") == ["32.0 ± 2.8", "72.0 ± 2.8", "52.0 ± 0.0", "0.0", "1", "10"]
    assert cells(text, "<odd>") == ["20.0 ± 0.0", "–", "–", "–", "–", "10"]


def test_published_figures_stand_below_ours_with_their_source(content):
    text = markdown(content)
    # 49.55 and 66.79, average 58.17; C: 27.49 and 67.50, average 47.495
    assert cells(text, "mdc, published, full protocol [1]")[:4] == ["49.6", "66.8", "58.2", "+10.7"]
    assert "[1] He et al. 2024 (MDC)" in text
    assert "do not compare those of a shortened run with them" in text


def test_the_notes_say_what_the_deviations_are_over(content):
    assert "over 2 networks that were trained on one condensation" in markdown(content)
    tables = [replace(table, over="condensations") for table in content.tables]
    assert "over 2 condensations" in markdown(replace(content, tables=tables))


def test_costs_and_conditions_are_told(content):
    text = markdown(content)
    assert cells(text, "3") == ["2 min 5 s", "1 min 1 s", "2", "mdc-ipc10, idc-ipc10"]
    assert "* Data: cifar10 & more" in text


def test_csv_keeps_every_digit(content):
    records = list(csv.DictReader(io.StringIO(csv_text(content))))
    mine = [r for r in records if r["row"] == "mdc" and r["kind"] == "measured"]
    assert [r["size"] for r in mine] == ["1", "10", "average"]
    assert float(mine[2]["accuracy"]) == content.tables[0].rows[0].average.mean
    assert float(mine[2]["difference"]) == content.tables[0].rows[0].difference
    assert mine[0]["over"] == "networks"
    (theirs,) = [r for r in records if (r["row"], r["kind"], r["size"]) == ("c", "published", "1")]
    assert theirs["accuracy"] == "0.2749"
    assert theirs["source"] == "He et al. 2024 (MDC)"


def test_the_page_stands_alone_and_says_the_same(content):
    text = page(content)
    assert page(content) == text
    assert re.search(r'(src|href)="(?!data:|#)|https?:', text) is None
    assert "default-src 'none'" in text
    assert "52.0<small>± 2.8</small>" in text
    assert "published [1]" in text
    assert "Published, by the full protocol: [1] He et al. 2024 (MDC)" in text
    assert "<odd>" not in text
    assert text.count("<tbody data-name=") == 3


def test_columns_are_sorted_by_exact_numbers_and_what_is_unknown_comes_last(content):
    text = page(content)
    row = re.search(r'<tbody data-name="mdc".*?</tr>', text, re.DOTALL)[0]
    mine = content.tables[0].rows[0]
    assert f'data-key="{mine.average.mean!r}"' in row
    assert f'data-key="{mine.difference!r}"' in row
    odd = re.search(r'<tbody data-name="&lt;odd&gt;".*?</tr>', text, re.DOTALL)[0]
    assert odd.count('data-key=""') == 4


def test_the_figure_has_a_line_for_every_row(content):
    text = page(content)
    (figure,) = re.findall(r'<svg role="img".*?</svg>', text, re.DOTALL)
    assert set(re.findall(r'data-line="(\d)"', figure)) == {"0", "1", "2"}
    assert [int(x) for x in re.findall(r'<tbody data-name="[^"]*" data-line="(\d)"', text)] == [
        0,
        1,
        2,
    ]
    assert text.count('<svg class="sample"') == 3


def test_a_page_without_a_measurement_can_be_made(content):
    empty = tabulated("net", {}, names=["mdc"], sizes=(1,), condensations=1, reference=None)
    text = page(replace(content, tables=[empty], costs=[], unfinished=7))
    assert "7 networks are still to be trained" in text
    assert '<svg role="img"' not in text
