"""Several condensed sets in one table, for pages and Markdown.

``condensery report`` of several runs, ``condensery compare`` and ``condensery table`` make
``TableSection`` and ``PageBlock`` objects; ``page`` and ``markdown`` turn them into text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from condensery.averages import Average
from condensery.formatting import (
    NOTHING,
    PLUS_MINUS,
    markdown_table,
    percent,
    points,
    rounded,
)
from condensery.report.charts import lines_over_size, of_table, percent_limits
from condensery.report.drawing import sample, to_svg
from condensery.report.published import PublishedFigures
from condensery.report.table import AccuracyRow, AccuracyTable
from condensery.report.templates import filled

_HEAD = ("images per class", "Avg.", "Diff.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNumber:
    """One number of a table, as text."""

    text: str  # what was measured; a dash where nothing was
    std: str = ""  # its sample deviation; empty where none is known
    published: str = ""  # what a paper says in its place; empty where that is not shown in the cell

    def __str__(self) -> str:
        std = f"{PLUS_MINUS}{self.std}" if self.std else ""
        return self.text + std + (f" [{self.published}]" if self.published else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """The published figures of a set as a row."""

    cells: tuple[str, ...]  # one a size, then average and difference
    source: str  # who published it


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row of the table, as text.

    Attributes:
        name: Name of the set.
        line: Index of its line in the chart.
        cells: One cell for each size, then average and difference.
        extra: Cells of further columns.
        keys: Keys by which the columns are sorted, one for each cell; empty if unknown.
        best: Whether no other row has a higher average.
        published: Published figures of this set, for a row below it.
    """

    name: str
    line: int
    cells: tuple[ShownNumber, ...]
    extra: tuple[str, ...]
    keys: tuple[str, ...]
    best: bool
    published: PublishedRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSection:
    """A table with its chart, caption and notes.

    Attributes:
        title: The setting of the measurement.
        sizes: Images per class.
        rows: One row for each set.
        extra: Headers of further columns.
        chart: An ``<svg>`` element; empty if nothing was measured.
        warning: Text before the table; may be empty.
        caption: How the numbers were measured; may be empty.
        notes: ``{title: sentences}``; the title may be empty.
    """

    title: str
    sizes: tuple[int, ...]
    rows: tuple[ShownRow, ...]
    extra: tuple[str, ...] = ()
    chart: str = ""
    warning: str = ""
    caption: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @property
    def head(self) -> tuple[str, ...]:
        """Headers of all columns."""
        first, *averages = _HEAD
        return (first, *map(str, self.sizes), *averages, *self.extra)

    @property
    def sources(self) -> list[str]:
        """The sources of published figures in the table, each once."""
        rows = (row.published for row in self.rows)
        return list(dict.fromkeys(published.source for published in rows if published is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBlock:
    """A part of the page without a table of accuracies."""

    title: str  # its heading
    charts: Mapping[str, str] = field(default_factory=dict[str, str])  # ``{title: <svg> element}``
    facts: Sequence[tuple[str, str]] = ()  # ``(word, value)``
    head: Sequence[str] = ()  # of a table; empty for none
    rows: Sequence[Sequence[str]] = ()  # of the table, the name of a set or another name first
    lines: Sequence[int] = ()  # which line of the charts each row is; empty where rows are no lines
    note: str = ""  # below the rest; empty for none


def shown_rows(
    table: AccuracyTable,
    *,
    published: Mapping[str, PublishedFigures],
    reference: PublishedFigures | None,
    averaged: Sequence[int] | None = None,
    in_cells: bool = False,
    extra: Mapping[str, tuple[str, ...]] | None = None,
    lines: Sequence[int] | None = None,
) -> tuple[ShownRow, ...]:
    """The rows of a table as text.

    Args:
        table: The numbers.
        published: Published figures by row.
        reference: The row whose published average is subtracted from other published averages.
        averaged: Sizes of the average, if not all sizes of the table.
        in_cells: Whether published figures are in brackets in the cells, not in rows of their own.
        extra: Cells of further columns, by row.
        lines: Index of the line in the chart for each row; ``None``: the order of the rows.
    """
    best = max((row.average.mean for row in table.rows if row.average is not None), default=None)
    shown: list[ShownRow] = []
    for line, row in zip(lines or range(len(table.rows)), table.rows, strict=True):
        figures = published.get(row.name)
        cells = [*_measured(row, table.sizes)]
        below = None
        if figures is not None and figures.says_something(table.sizes):
            texts = _published(figures, reference, table.sizes, averaged or table.sizes)
            if in_cells:
                cells = [
                    ShownNumber(text=cell.text, std=cell.std, published="" if x == NOTHING else x)
                    for cell, x in zip(cells, texts, strict=True)
                ]
            else:
                below = PublishedRow(cells=texts, source=figures.source)
        more = () if extra is None else extra[row.name]
        shown.append(
            ShownRow(
                name=row.name,
                line=line,
                cells=tuple(cells),
                extra=more,
                keys=(*_keys(row, table.sizes), *("" if x == NOTHING else x for x in more)),
                best=row.average is not None and row.average.mean == best,
                published=below,
            )
        )
    return tuple(shown)


def accuracy_chart(
    table: AccuracyTable, *, name: str, title: str, lines: Sequence[int] | None = None
) -> str:
    """Accuracy over size, one line for each row, with bands of one deviation; empty without data.

    Args:
        table: The numbers.
        name: Prefix of the ids in the chart.
        title: Title of the section, for readers who cannot see the chart.
        lines: As in ``shown_rows``.
    """
    traces = of_table(table, lines=lines)
    if not any(trace.sizes for trace in traces):
        return ""
    figure = lines_over_size(
        traces,
        label="test accuracy in %",
        limits=percent_limits(traces),
        named=False,  # the rows of the table show their lines
    )
    return to_svg(
        figure,
        name=name,
        label=f"Line chart: test accuracy over images per class. {title}, {len(traces)} lines. "
        "The table below holds the numbers.",
    )


def spread_note(table: AccuracyTable) -> str:
    """A note that says over what the deviations of a table are."""
    counts = sorted({average.count for row in table.rows for average in row.cells.values()})
    if not counts:
        return "Nothing has been measured yet."
    many = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    if table.over == "condensations":
        return f"± is one sample deviation over {many} condensations, each from its own seed."
    if counts[-1] == 1:
        return "One network was trained for each size: nothing is known of the spread."
    return (
        f"± is one sample deviation over {many} networks that were trained on one condensation: "
        "it does not show how much another condensation would differ."
    )


def page(
    title: str, *, lead: str, sections: Sequence[TableSection], blocks: Sequence[PageBlock]
) -> str:
    """The text of a self-contained page; equal input gives equal text."""
    used = {row.line for section in sections for row in section.rows}
    used.update(line for block in blocks for line in block.lines)
    return filled(
        "compared.html.j2",
        title=title,
        lead=lead,
        sections=sections,
        blocks=blocks,
        samples={line: sample(line) for line in used},
    )


def markdown(sections: Sequence[TableSection], blocks: Sequence[PageBlock] = ()) -> str:
    """The same tables and facts as Markdown, without charts and without a final newline."""
    parts: list[str] = []
    for section in sections:
        parts += [f"## {section.title}", _table(section)]
        parts += [f"[{number}] {source}" for number, source in enumerate(section.sources, start=1)]
        if section.caption:
            parts.append(f"*{section.caption}*")
        for title, sentences in section.notes.items():
            parts += [f"**{title}**"] if title else []
            parts.append(_list(sentences))
    for block in blocks:
        parts.append(f"## {block.title}")
        if block.head:
            parts.append(markdown_table([block.head, *block.rows]))
        if block.facts:
            parts.append(_list([f"{word}: {value}" for word, value in block.facts]))
        if block.note:
            parts.append(block.note)
    return "\n\n".join(parts)


def _table(section: TableSection) -> str:
    rows: list[Sequence[str]] = [section.head]
    sources = section.sources
    for row in section.rows:
        rows.append((row.name, *map(str, row.cells), *row.extra))
        if row.published is not None:
            number = sources.index(row.published.source) + 1
            name = f"{row.name}, published, full protocol [{number}]"
            rows.append((name, *row.published.cells, *("" for _ in row.extra)))
    return markdown_table(rows)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _measured(row: AccuracyRow, sizes: Sequence[int]) -> list[ShownNumber]:
    averages = [*(row.cells.get(size) for size in sizes), row.average]
    gain = NOTHING if row.difference is None else points(100 * row.difference)
    return [*map(_number, averages), ShownNumber(text=gain)]


def _number(average: Average | None) -> ShownNumber:
    if average is None:
        return ShownNumber(text=NOTHING)
    return ShownNumber(
        text=percent(average.mean), std="" if average.std is None else percent(average.std)
    )


def _published(
    figures: PublishedFigures,
    reference: PublishedFigures | None,
    sizes: Sequence[int],
    averaged: Sequence[int],
) -> tuple[str, ...]:
    """Published figures as printed: one for each size, then average and difference."""
    own = figures.average(averaged) if averaged else None
    other = reference.average(averaged) if averaged and reference is not None else None
    return (
        *(rounded(figures.accuracy[n]) if n in figures.accuracy else NOTHING for n in sizes),
        NOTHING if own is None else rounded(own),
        NOTHING if own is None or other is None else points(own - other),
    )


def _keys(row: AccuracyRow, sizes: Sequence[int]) -> list[str]:
    means = [row.cells[size].mean if size in row.cells else None for size in sizes]
    average = None if row.average is None else row.average.mean
    return ["" if x is None else repr(x) for x in (*means, average, row.difference)]
