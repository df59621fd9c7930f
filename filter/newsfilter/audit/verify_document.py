"""One document of a run: whether its body, its record and its ledger line still fit each other."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from newsfilter.audit.reading import NewerRecordError, line_of, read_provenance
from newsfilter.dumps.ledger import Line
from newsfilter.dumps.results import Stored, ours
from newsfilter.errors import RecordError
from newsfilter.provenance import encode_record, restore
from newsfilter.readback import read_back

CODES = {
    "body-changed": "a body is not the one that its record describes",
    "body-missing": "a body is gone",
    "record-changed": "a record is not as it was written",
    "record-missing": "a record is gone",
    "record-newer": "a record of a schema that this version does not know: nobody can judge it",
    "row-changed": "a row of articles says something else than its record",
    "ledger-changed": "a ledger line was changed, does not fit its record, or stands elsewhere",
    "ledger-missing": "a ledger line is gone",
    "ledger-added": "a ledger line was added, or stands there twice",
    "shard-changed": "a shard's file has other bytes than its marker says",
    "shard-missing": "a shard's file is gone",
    "marker-changed": "a marker is not as it was written, or does not fit its shard or run.json",
    "marker-missing": "a marker is gone",
    "run-changed": "run.json does not fit the ledger, the markers or the records",
    "run-missing": "run.json is gone",
    "run-unfinished": "the run did not finish",
    "added": "a file or a row that newsfilter did not write, or whose ledger line is gone",
    "source-changed": "a source is not the one that was cleaned",
    "source-missing": "a source is gone",
    "unreadable": "something could not be read, so that nobody can judge it",
}
"""What `verify` finds."""

UNJUDGED = frozenset({"record-newer", "unreadable"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the run left it."""

    path: str  # the file and, in a shard, ``#`` and the document's id
    code: str  # one of `CODES`
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a document came to."""

    findings: tuple[Finding, ...]
    record: dict[str, Any] | None = None  # where it is one and was not changed


def check_document(document: Stored) -> Checked:
    """Check a document's record against its ledger line, and its body against both."""
    line = document.line
    if line["status"] == "failed":
        return Checked(())
    if document.record is None:
        code = "ledger-changed" if document.trouble and document.trouble.startswith("the ledger") else "record-missing"
        return Checked((Finding(document.name, code, document.trouble or "the record is missing"),))
    try:
        record = read_provenance(document.record)
    except NewerRecordError as error:
        return Checked((Finding(document.name, "record-newer", str(error)),))
    except RecordError as error:
        return Checked((Finding(document.name, "record-changed", str(error)),))
    written = line.get("record_sha256")
    intact = hashlib.sha256(document.record).hexdigest() == written if written else None
    try:
        findings = list(_findings(document, record, intact=intact))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        findings = [Finding(document.name, "record-changed", f"it lacks what a record has: {error!r}")]
    return Checked(tuple(findings), record if intact is not False and not any(f.code == "record-changed" for f in findings) else None)


def _findings(document: Stored, record: dict[str, Any], *, intact: bool | None) -> Iterator[Finding]:
    line, rejected = document.line, record["verdict"]["decision"] == "reject"
    body, body_fits = document.body, True
    if not rejected and body is None:
        yield Finding(_body_name(document), "body-missing", document.trouble or "the body is missing")
        body_fits = False
    elif not rejected and body is not None and hashlib.sha256(body).hexdigest() != record["body"]["sha256"]:
        known = line["body_sha256"] == record["body"]["sha256"]
        yield Finding(_body_name(document), "body-changed", f"its sha256 is not that of the record{' and the ledger' if known else ''}")
        body_fits = False
    faults = [] if intact is not False else ["its sha256 is not that of the ledger"]
    if encode_record(record) != document.record:
        faults.append("it is not written as newsfilter writes records")
    if body_fits:
        faults += _record_faults(record, None if rejected or body is None else body.decode(), line)
    if faults:
        # Where the record is byte for byte the one that was written, it is the ledger's line that changed.
        name, code = (document.name, "record-changed") if not intact else (line["id"], "ledger-changed")
        yield Finding(name, code, "; ".join(faults))
    if document.row is not None and intact is not False:
        yield from _row_findings(document, record)


def _body_name(document: Stored) -> str:
    return document.name.removesuffix(".provenance.json") + ".txt" if document.name.endswith(".provenance.json") else document.name


def _record_faults(record: dict[str, Any], body: str | None, line: Line) -> Iterator[str]:
    try:
        text = restore(record, body)
    except RecordError as error:
        yield str(error)
        return
    if len(text) != record["page"]["characters"]:
        yield f"the page has {len(text)} characters, not {record['page']['characters']}"
    if body is not None:
        yield from _place_faults(record, len(body))
    if "kinds" not in record:
        return  # of an earlier version: its blocks cannot be told apart
    decisions = () if record["source"]["charset"]["how"] == "not-read" else read_back(record, text).decisions
    wanted = line_of(record, b"", decisions) | {"record_sha256": line.get("record_sha256"), "output": line.get("output")}
    other = [key for key in wanted if line.get(key) != wanted[key]]
    if other:
        yield f"the ledger's line differs in {', '.join(other)}"


def _place_faults(record: dict[str, Any], size: int) -> Iterator[str]:
    """Kept entries' places must tile the body; the headline's is the first, wherever it stands on the page."""
    position = 0
    for start, end in sorted(entry["at"] for entry in record["blocks"] if entry["kept"]):
        if start != position or end < start:
            yield f"kept entries do not tile the body: one begins at {start}, not at {position}"
            return
        position = end
    if position != size:
        yield f"kept entries end at {position}, the body at {size}"


def _row_findings(document: Stored, record: dict[str, Any]) -> Iterator[Finding]:
    assert document.row is not None
    row, line, source = ours(document.row), document.line, record["source"]
    wanted = {
        "id": record["id"],
        "uri": source["uri"],
        "url": source["url"],
        "title": record["title"],
        "byline": record["byline"],
        "published": record["published"],
        "site": record["site"],
        "language": record["language"]["code"],
        "status": line["status"],
        "reasons": [reason["code"] for reason in record["verdict"]["reasons"]],
        "fetched_at": source["fetched_at"],
    }
    other = [name for name, value in wanted.items() if row.get(name) != value]
    if line["status"] == "rejected" and row.get("text") is not None:
        other.append("text")
    if other:
        yield Finding(
            document.name.replace("/records/", "/articles/"), "row-changed", f"the row says another {', '.join(other)} than the record"
        )
