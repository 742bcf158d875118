from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest

from condensery.report.accuracy import compare
from condensery.report.charts import (
    SizeLine,
    accuracy_traces,
    bytes_over_size,
    lines_over_size,
    of_table,
    percent_limits,
    time_over_size,
)
from condensery.report.drawing import (
    dash,
    line_colour,
    mark,
    sample,
    to_svg,
)
from condensery.report.history import distances_of, history_of
from condensery.report.history_charts import distance_chart, history_chart
from condensery.report.table import tabulated


def accuracy_chart(observations):
    traces = accuracy_traces(compare(observations)[0])
    return lines_over_size(traces, label="accuracy", limits=(0, 100))


@pytest.fixture
def charts(observations, metrics, proxy):
    return {
        "accuracy": lambda: accuracy_chart(observations),
        "bytes": lambda: bytes_over_size([612, 1224, 1632, 2040]),
        "history": lambda: history_chart(history_of(metrics)),
        "time": lambda: time_over_size(compare(observations)),
        "distance": lambda: distance_chart(distances_of(proxy, inner=2)),
    }


NAMES = ["accuracy", "bytes", "history", "time", "distance"]


def test_the_same_numbers_give_the_same_bytes(each, charts):
    for name in each(NAMES):
        first, second = (to_svg(charts[name](), name="a", label="b") for _ in range(2))
        assert first == second


def test_a_page_chart_takes_all_its_colours_from_the_page(each, charts):
    for name in each(NAMES):
        text = to_svg(charts[name](), name="a", label="b")
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", text)) == set()
        assert "var(--ours)" in text
        assert all(
            "fill:" in part for part in re.findall(r"<text[^>]*>", text)
        )  # none black by default


def test_an_element_is_well_formed_and_its_ids_are_its_own(each, charts):
    for name in each(NAMES):
        text = to_svg(charts[name](), name="mine", label='"quoted" & <b>')
        root = ET.fromstring(text)
        assert root.tag == "svg"
        assert root.get("aria-label") == '"quoted" & <b>'
        assert root.get("width") is None
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids)) > 10
        assert all(found.startswith("mine-") for found in ids)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', text)) <= set(ids)
        assert "http" not in text


def test_bands_reach_one_deviation_to_either_side(observations):
    figure = accuracy_chart(observations)
    ours, random = figure.axes[0].collections
    for band, mean in ((ours, 50.0), (random, 30.0)):
        heights = [y for x, y in band.get_paths()[0].vertices if x == 1]
        assert np.allclose([min(heights), max(heights)], [mean - 2, mean + 2])


def test_settings_of_the_user_neither_matter_nor_change(charts):
    plain = to_svg(charts["accuracy"](), name="a", label="b")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        assert to_svg(charts["accuracy"](), name="a", label="b") == plain
        assert dict(matplotlib.rcParams) == before


def test_a_wide_range_of_sizes_is_labelled_without_crowding(pets):
    seen = [pets.observation(size=size) for size in (1, 2, 3, 5, 7, 10, 20, 45, 50)]
    axes = accuracy_chart(seen).axes[0]
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "5", "10", "20", "50"]


def test_a_run_without_a_choice_has_one_part():
    lines = [{"outer": i, "inner": 0, "loss": 1.0, "losses": {"4": 1.0}} for i in range(3)]
    assert len(history_chart(history_of(lines)).axes) == 1


def test_the_axis_holds_every_band_and_nothing_that_is_impossible():
    def limits(*pairs):
        traces = [
            SizeLine(name="", line=0, sizes=(1,), values=(value,), spread=(spread,))
            for value, spread in pairs
        ]
        return percent_limits(traces)

    assert limits((52.0, 3.0), (71.0, 0.5)) == (40.0, 75.0)
    assert limits((3.0, 9.0), (98.0, 9.0)) == (0.0, 100.0)
    assert limits((10.4, 0.0), (13.9, 0.0)) == (0.0, 15.0)
    assert limits((10.4, 0.0), (14.9, 0.0)) == (0.0, 20.0)
    assert limits() == (0.0, 100.0)


def test_lines_of_a_table_can_be_told_apart_and_are_found_in_the_page():
    seen = {f"set {i}": {1: [[0.1 * i, 0.1 * i + 0.05]]} for i in range(9)}
    table = tabulated("net", seen, names=list(seen), sizes=(1,), condensations=1, reference=None)
    traces = of_table(table)
    text = to_svg(lines_over_size(traces, label="", limits=(0, 100)), name="a", label="b")
    assert re.findall(r'data-line="(\d+)"', text).count("8") == 2  # the line and its band
    looks = {(line_colour(i), mark(i), str(dash(i))) for i in range(9)}
    assert len(looks) == 9
    assert len({sample(i) for i in range(9)}) == 9
    assert ET.fromstring(sample(3)).get("class") == "sample"
