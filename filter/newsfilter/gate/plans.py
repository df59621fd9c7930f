"""What is to be cut out of a file, in bytes: of a text, and of the rows of a JSONL file."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from newsfilter.decode import bom_of, codec_of
from newsfilter.dumps.documents import Document
from newsfilter.dumps.keeper import BATCH_BYTES, BATCH_DOCUMENTS
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.jsonl import Row
from newsfilter.dumps.readers.jsonl import read as read_jsonl
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.gate.drafts import Accepted, Draft, NotFixedError, settle
from newsfilter.gate.fix_record import Cut, Removals
from newsfilter.gate.json_strings import char_spans
from newsfilter.gate.judging import Clean, Lines
from newsfilter.gate.labels import Selection
from newsfilter.gate.targets import Target
from newsfilter.provenance import restore
from newsfilter.records import Source


@dataclass(frozen=True, slots=True)
class FixOrder:
    """What all files that are fixed have in common."""

    records: Path
    selection: Selection
    options: ReadOptions
    clean: Clean


def advice(target: Target) -> str:
    """Return the command that does what --fix does not."""
    to = {"jsonl": "jsonl", "csv": "jsonl", "parquet": "parquet"}.get(target.kind, "files")
    return f"clean it with: newsfilter clean {shlex.quote(target.name)} -o OUT --to {to}"


def plan_text(target: Target, rows: Mapping[int | None, Accepted], order: FixOrder, removals: Removals) -> dict[str, Any]:
    """Plan what is to be cut out of a text, whose accepted findings stand under None, and return its provenance record.

    Raises
    ------
    NotFixedError
        When it cannot be rewritten safely.
    """
    with open_binary(target.path) as stream:
        raw = stream.read()
    bom = bom_of(raw)
    body = raw[len(bom) :]
    source = Source(raw, target.name, target.media_type)
    result = order.clean([source])[0]
    if result.line is None:
        raise NotFixedError(f"it could not be judged ({result.reason})")
    record = json.loads(result.record)
    if record["source"]["media_type"] == "text/html":
        raise NotFixedError(f"it is HTML, which --fix does not rewrite; {advice(target)}")
    text = restore(record, None if record["verdict"]["decision"] == "reject" else result.body)
    used = record["source"]["charset"]["used"]
    codec = codec_of(text, body, used)
    if codec is None:
        raise NotFixedError(f"its bytes cannot be had back from its text, read as {used}; write it anew with: iconv -f CHARSET -t UTF-8")
    draft = Draft(text, lambda now: replace(source, raw=bom + now.encode(codec)), rows.get(None, Counter()))
    settle([draft], order.selection, order.clean)
    removals.add(_text_cuts(draft, len(bom), codec), used)
    return draft.record


def _text_cuts(draft: Draft, at: int, codec: str) -> Iterator[Cut]:
    """The removals of a draft in bytes, the first of which is the `at`-th of the file."""
    position = 0
    for removal in draft.removals:
        at += len(draft.text[position : removal.start].encode(codec))
        data = draft.text[removal.start : removal.end].encode(codec)
        yield Cut(at, data, removal.mark, removal.round)
        at, position = at + len(data), removal.end


def plan_jsonl(target: Target, rows: Mapping[int | None, Accepted], order: FixOrder, removals: Removals) -> dict[str, Any]:
    """Plan what is to be cut out of the rows of a JSONL file that begin at the given bytes; some sixteen rows are held at a time.

    Returns
    -------
    dict
        The provenance record of one of them.

    Raises
    ------
    NotFixedError
        When one of them cannot be rewritten safely.
    """
    judged: dict[str, Any] = {}
    batch: list[_RowDraft] = []
    held = 0
    with closing(Lines(target.path)) as lines, open_binary(target.path) as stream:

        def finish() -> None:
            settle([one.draft for one in batch], order.selection, order.clean)
            for one in batch:
                judged.update(one.draft.record)
                removals.add(_row_cuts(one), judged["source"]["charset"]["used"])

        for item in read_jsonl(target.path, target.name, 0, None, order.options):
            if not isinstance(item, Document) or item.source.offset not in rows:
                continue
            batch.append(_row_draft(item, rows[item.source.offset], lines, stream))
            held += len(batch[-1].draft.text)
            if len(batch) >= BATCH_DOCUMENTS or held >= BATCH_BYTES:
                finish()
                batch, held = [], 0
        finish()
    return judged


@dataclass(frozen=True, slots=True)
class _RowDraft:
    """A row's text, and where its string stands in the file."""

    draft: Draft
    token: str  # the JSON string, quotes included
    at: int  # byte of the file at which it begins
    row: int  # from 1
    field: str


def _row_draft(item: Document, accepted: Accepted, lines: Lines, stream: BinaryIO) -> _RowDraft:
    source, row, field = item.source, cast("Row", item.columns), item.field or ""
    offset = source.offset or 0
    number = lines.number(offset)
    stream.seek(offset)
    line = stream.readline()
    encoded = row.line.encode()
    if encoded not in line:
        raise NotFixedError(f"line {number} was changed meanwhile; check again")
    start, end = next((start, end) for name, start, end in reversed(row.spans()) if name == field)
    at = offset + line.index(encoded) + len(row.line[:start].encode())
    draft = Draft(str(source.raw), lambda now: replace(source, raw=now), accepted, f"line {number}: ")
    return _RowDraft(draft, row.line[start:end], at, number, field)


def _row_cuts(one: _RowDraft) -> Iterator[Cut]:
    """The removals of a row's text in bytes of the file: each letter as it stands there, with its escapes."""
    spans = char_spans(one.token)
    if len(spans) != len(one.draft.text):
        raise NotFixedError(f"{one.draft.where}its text is not what stands in the file; check again")
    for removal in one.draft.removals:
        start, end = spans[removal.start][0], spans[removal.end - 1][1]
        yield Cut(one.at + len(one.token[:start].encode()), one.token[start:end].encode(), removal.mark, removal.round, one.row, one.field)
