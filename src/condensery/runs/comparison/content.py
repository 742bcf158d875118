"""The numbers of a comparison, the notes that belong to them, and their file.

Tables of papers are made from such files, which do not contain published figures, because these are
in the library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

from condensery.errors import ArtifactError
from condensery.formatting import NOTHING
from condensery.report.compared import spread_note
from condensery.report.published import PublishedFigures
from condensery.report.table import AccuracyTable

EXTRA = ("runs", "stored")
"""Further columns of the tables: condensations, and stored images per class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCost:
    """The number of condensations and of stored images of a row."""

    runs: int  # condensations of one seed
    stored: int  # images per class that all its sets hold together


@dataclass(frozen=True, slots=True, kw_only=True)
class CondensingCost:
    """The measured time of condensing a batch of sets."""

    sets: tuple[str, ...]  # names of the runs
    seed: int  # of the condensation
    seconds: float  # wall time
    expert_cpu_seconds: float | None = None  # of its experts; None: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonContent:
    """The content of all files of a comparison."""

    title: str  # of the comparison
    tables: Sequence[AccuracyTable]  # one a network
    published: Mapping[str, PublishedFigures]  # by row
    made: Mapping[str, RowCost]  # by row
    costs: Sequence[CondensingCost]  # one a group and seed
    conditions: Sequence[tuple[str, str]]  # ``(word, value)``: protocol, budget, seeds, machine
    base: str  # the method of A, B and C
    unfinished: int  # networks that are still to be trained
    evaluation_seconds: float  # of all networks together
    unlearned: Mapping[str, str] = field(default_factory=dict[str, str])
    """By network, which of its sets it had not learned, in words; not in older files."""

    @property
    def warning(self) -> str:
        """The remaining work in words; empty if there is none."""
        if not self.unfinished:
            return ""
        return f"{self.unfinished} networks are still to be trained; the same command goes on."

    @property
    def extra(self) -> dict[str, tuple[str, ...]]:
        """Cells of the columns ``EXTRA``, by row."""
        return {
            name: (str(made.runs) if made.runs else NOTHING, str(made.stored))
            for name, made in self.made.items()
        }

    def notes(self, table: AccuracyTable) -> list[str]:
        """Notes that a reader must know before quoting the table."""
        notes = [spread_note(table)]
        notes.append("Every accuracy is that of a network after its last step, never the best.")
        if table.reference is not None:
            notes.append(
                f"Diff. is the average minus that of baseline C (row {table.reference}), in points."
            )
        own = {row.name for row in table.rows}
        what = {
            "a": f"a: {self.base} condensed again for every size.",
            "b": f"b: {self.base} for one image per class, once for each of the images per "
            "class, each time from other real images. The sets are concatenated.",
            "c": f"c: {self.base} once for the largest size, without a subset loss; sizes are cut "
            "from it.",
            "random": "random: random real images, others for every network.",
        }
        notes.extend(text for name, text in what.items() if name in own)
        if any(name.endswith(":rerank") for name in own):
            notes.append(
                "ROW:rerank: the images of ROW, ordered anew by a training on them (YOCO)."
            )
        if any(
            self.published[name].says_something(table.sizes) for name in own & self.published.keys()
        ):
            notes.append(
                "Published figures are of the full protocol, in their own implementation; do not "
                "compare those of a shortened run with them. Their average is over the sizes shown."
            )
        if text := self.unlearned.get(table.network):
            notes.append(text)
        if self.unfinished:
            notes.append(
                f"{self.unfinished} networks are still to be trained: these numbers will change."
            )
        return notes

    def to_json(self) -> str:
        """Everything except published figures, as the text of a file."""
        values = asdict(self)
        del values["published"]
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_content(
    file: Path,
    printed: Callable[[Sequence[str]], Mapping[str, PublishedFigures]] = lambda names: {},
) -> ComparisonContent:
    """Read a file that ``ComparisonContent.to_json`` wrote.

    Args:
        file: Path of the file.
        printed: Published figures by name of the row.

    Raises:
        ArtifactError: If the file is not one of a comparison.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        content = msgspec.convert({**values, "published": {}}, ComparisonContent, str_keys=True)
    except (ValueError, TypeError, msgspec.ValidationError) as error:
        raise ArtifactError(
            f"{file}: cannot be read as the content of a comparison ({error}). Remove the file; "
            "the command that made it writes it again."
        ) from error
    return replace(content, published=printed(list(content.made)))
