"""What a comparison says, as JSON: tables can be put together from files alone.

Published figures are not kept: they are the library's, not the comparison's. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from condensery.averages import Average
from condensery.errors import ArtifactError
from condensery.report.published import Published
from condensery.report.table import Row, Table
from condensery.runs.comparison.content import Content, Cost, Made

__all__ = ["content_from_json", "content_to_json"]


def content_to_json(content: Content) -> dict[str, Any]:
    """Everything but what is published, as plain JSON values."""
    values = asdict(content)
    values.pop("published")
    return values


def content_from_json(
    values: Mapping[str, Any], *, published: Mapping[str, Published], where: str
) -> Content:
    """Read what ``content_to_json`` wrote.

    Args:
        values: As they were written to a file, and read from it.
        published: By contender.
        where: What is named if they cannot be read.

    Raises:
        ArtifactError: If they cannot.
    """
    try:
        read: dict[str, Any] = {
            **values,
            "tables": [_table(each) for each in values["tables"]],
            "published": published,
            "made": {name: Made(**each) for name, each in values["made"].items()},
            "costs": [_cost(each) for each in values["costs"]],
            "conditions": [(word, value) for word, value in values["conditions"]],
        }
        return Content(**read)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{where}: cannot be read as what a comparison says ({error!r}). Remove the file; the "
            "command that made it writes it again."
        ) from error


def _cost(values: Mapping[str, Any]) -> Cost:
    return Cost(sets=tuple(values["sets"]), seed=values["seed"], seconds=values["seconds"])


def _table(values: Mapping[str, Any]) -> Table:
    rows = tuple(_row(each) for each in values["rows"])
    read: dict[str, Any] = {**values, "sizes": tuple(values["sizes"]), "rows": rows}
    return Table(**read)


def _row(values: Mapping[str, Any]) -> Row:
    cells = {int(size): Average(**cell) for size, cell in values["cells"].items()}
    average = values["average"]
    return Row(
        name=values["name"],
        cells=cells,
        average=None if average is None else Average(**average),
        difference=values["difference"],
    )
