"""What a reader yields for each record of a dump, in the order of the input."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from newsfilter.records import Source


@dataclass(frozen=True, slots=True)
class Document:
    """A document to be cleaned."""

    source: Source
    columns: Mapping[str, Any] | None = None  # of a row of JSONL, CSV or Parquet: all of them, to be passed through unchanged
    field: str | None = None  # the column that held the text; None where there are no columns
    where: str = dataclass_field(default="", compare=False)  # the row's place, for people: "line 3 to line 5", "byte 1024", "row 12"


@dataclass(frozen=True, slots=True)
class Oversized:
    """A document larger than the limit, not read."""

    source: Source  # with an empty `raw`
    size: int  # bytes; of packed data and standard input, only known to be at least this: one more than the limit


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that cannot be read."""

    id: str
    uri: str
    reason: str  # a key of reading.FAILURES
    detail: str = ""  # what exactly, and where: a line, a byte
    member: str | None = None  # as the document's Source would have them
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that is no document: a WARC request or revisit, an image, an error status. Counted by kind."""

    uri: str
    kind: str


Item = Document | Oversized | Failed | Passed


def weight(item: Item) -> int:
    """Return about how many bytes of memory a record holds, with all its columns: a small text may stand beside a large page."""
    if not isinstance(item, Document):
        return 0
    line = getattr(item.columns, "line", "")  # of JSONL, held beside the values in it; Parquet's rows share a batch, which is bounded
    cells = item.columns.values() if isinstance(item.columns, dict) and not line else ()
    return len(item.source.raw) + 2 * len(line) + sum(len(cell) for cell in cells)
