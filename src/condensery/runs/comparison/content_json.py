"""The content of a comparison as JSON: tables of papers are put together from such files.

Published figures are left out: they belong to the library, not to the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import msgspec

from condensery.errors import ArtifactError
from condensery.report.published import Published
from condensery.runs.comparison.content import Content


def content_to_json(content: Content) -> dict[str, Any]:
    """Everything but published figures, as plain JSON values."""
    values = asdict(content)
    values.pop("published")
    return values


def content_from_json(
    values: Mapping[str, Any], *, published: Mapping[str, Published], where: str
) -> Content:
    """Read what ``content_to_json`` wrote.

    Args:
        values: As they were read from a file.
        published: Published figures, by row.
        where: The file, for the message of an error.

    Raises:
        ArtifactError: If the values are not those of a comparison.
    """
    try:
        content = msgspec.convert({**values, "published": {}}, Content, str_keys=True)
    except msgspec.ValidationError as error:
        raise ArtifactError(
            f"{where}: cannot be read as the content of a comparison ({error}). Remove the file; "
            "the command that made it writes it again."
        ) from error
    return replace(content, published=published)
