"""Reading records that somebody may have changed, or that another version wrote."""

import json
from collections.abc import Sequence
from typing import Any

from newsfilter.dumps.ledger import Line, article_line
from newsfilter.errors import RecordError
from newsfilter.provenance import SCHEMA
from newsfilter.records import Article, Decision, Language, Reason, Source, Verdict


def read_record(raw: bytes) -> dict[str, Any]:
    """Read a record of any schema.

    Raises
    ------
    RecordError
        When it is none.
    """
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        raise RecordError("the record is no JSON; it was changed, or not written to its end") from None
    if not isinstance(record, dict) or not isinstance(record.get("schema"), str):
        raise RecordError("no record: it names no schema; it was changed, or something else wrote it")
    return record


def schema_of(record: dict[str, Any]) -> str:
    """Return a record's schema."""
    return str(record["schema"])


class NewerRecordError(RecordError):
    """A record of a schema that this version does not know, so that nothing can be said of it."""


def read_provenance(raw: bytes) -> dict[str, Any]:
    """Read a provenance record.

    Raises
    ------
    NewerRecordError
        When it is of another schema.
    RecordError
        When it is none.
    """
    record = read_record(raw)
    if schema_of(record) != SCHEMA:
        raise NewerRecordError(
            f"its schema is {schema_of(record)!r}, this newsfilter reads {SCHEMA!r}; use the newsfilter that wrote it, or a newer one"
        )
    return record


def line_of(record: dict[str, Any], encoded: bytes, decisions: Sequence[Decision]) -> Line:
    """Return the ledger line that a record's document has, its ``output`` still None."""
    reasons = tuple(Reason(**reason) for reason in record["verdict"]["reasons"])
    article = Article(
        title=record["title"],
        body="",
        byline=record["byline"],
        published=record["published"],
        site=record["site"],
        language=Language(**record["language"]),
        verdict=Verdict(record["verdict"]["decision"], reasons),
        decisions=tuple(decisions),
        record=record,
    )
    source = record["source"]
    return article_line(article, Source(b"", uri=source["uri"], member=source["member"], offset=source["offset"]), encoded)
