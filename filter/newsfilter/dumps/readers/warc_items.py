"""What becomes of a WARC record: a document, a failure, or something that is counted and passed over."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from fastwarc.warc import WarcRecord

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, Passed
from newsfilter.dumps.magic import HEAD_BYTES as MAGIC_BYTES
from newsfilter.dumps.magic import kind_of
from newsfilter.dumps.readers.warc_frames import HEAD_BYTES, Frame
from newsfilter.dumps.readers.warc_http import UnreadableRecordError, codings_of, content_of, restored
from newsfilter.records import Source, document_id

PASSED = {
    "warcinfo": "what the crawler says about the file",
    "request": "what the crawler asked for",
    "metadata": "what the crawler says about a page, or leaves beside the pages: logs, lists, texts that it took from them",
    "revisit": "a page that was fetched before and had not changed",
    "continuation": "a further part of a record that was cut into several",
    "unknown-record": "a record of a type that the standard does not have",
    "not-http": "an answer of a name server or an FTP server",
    "http-NNN": "a response with another status than 200",
    "json": "JSON",
    "xml": "XML that is no XHTML, such as feeds and sitemaps",
    "other-media-type": "by its Content-Type none of these, such as calendars and tables",
}
"""Every kind of record that is no document, beside those of ``magic.SKIPPED``."""

_TYPE = re.compile(rb"^WARC-Type[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_FASTWARC_NAMES = re.compile(
    rb"^(?:warc-type|content-length|content-type)(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE
)  # known to it in one case only
_STATUS = re.compile(r"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?)?)?")
_MARKUP = re.compile(rb"<html[\s>]|<!doctype\s+html", re.IGNORECASE)
_ASIDE = ("metadata:", "urn:", "dns:")  # what wget and browser crawlers call their own logs, lists and extracted texts
_CUT = ("WARC-Truncated", "WARC-Segment-Number")  # headers of records that the crawler did not store whole


class _Message(NamedTuple):
    """A record's content, as it was stored."""

    content_type: str | None
    body: bytes
    codings: list[str]
    size: int  # bytes of the body, of which `body` may be a part
    partial: bool  # whether the crawler says that it cut the body


def item_of(frame: Frame, uri: str, max_bytes: int) -> Item:
    """Return what a record holds.

    Parameters
    ----------
    max_bytes
        A longer document is `Oversized`; 0 for no limit.
    """
    place = Source(b"", uri=uri, member=f"#{frame.part}" if frame.part else None, offset=frame.offset)
    if frame.reason:
        return _failed(place, frame.reason, frame.detail)
    try:
        return _read(frame, place, max_bytes)
    except UnreadableRecordError as error:
        return _failed(place, error.reason, error.detail)


def _failed(place: Source, reason: str, detail: str) -> Failed:
    return Failed(document_id(place), place.uri, reason, f"byte {place.offset}: {detail}", place.member, place.offset)


def _read(frame: Frame, place: Source, max_bytes: int) -> Item:
    named = _TYPE.search(frame.head)
    kind = named[1].decode("ascii", "replace").lower() if named else ""
    if kind not in ("response", "resource", "conversion"):
        return Passed(place.uri, kind if kind in PASSED else "unknown-record")
    try:
        head = _FASTWARC_NAMES.sub(lambda name: name[0].title().replace(b"Warc", b"WARC"), frame.head)
        record = WarcRecord.from_reader(io.BytesIO(head + frame.content), quirks_mode=True)
    except OSError as error:
        raise UnreadableRecordError("damaged-warc", str(error)) from None
    headers = _lowered(record.headers.items())
    message = _response(frame, record) if kind == "response" else _stored(frame, headers)
    if isinstance(message, str):
        return Passed(place.uri, message)
    url, date = headers.get("warc-target-uri", "").strip().removeprefix("<").removesuffix(">"), headers.get("warc-date", "").strip()
    return _document(replace(place, url=url or None, fetched_at=date if _DATE.fullmatch(date) else None), message, max_bytes)


def _response(frame: Frame, record: WarcRecord) -> _Message | str:
    """A response's body, or the kind of what is no page."""
    if not (record.is_http or frame.content.startswith(b"HTTP/")):
        return "not-http"
    try:
        record.is_http = True
        record.parse_http(quirks_mode=True, max_header_len=HEAD_BYTES)
        status = _STATUS.match(record.http_headers.status_line or "") if record.http_headers is not None else None
    except OSError as error:
        raise UnreadableRecordError("damaged-http", str(error)) from None
    if status is None or record.http_headers is None:
        raise UnreadableRecordError("damaged-http", "no status line")
    if status[1] != "200":
        return f"http-{status[1]}"
    headers = _lowered(record.http_headers.items())
    body = record.reader.read() if record.reader else b""
    size = frame.length - (len(frame.content) - len(body))
    return _Message(headers.get("content-type"), body, codings_of(headers), size, partial=any(name in record.headers for name in _CUT))


def _stored(frame: Frame, headers: Mapping[str, str]) -> _Message | str:
    """The content of a resource or a conversion, which is no HTTP message."""
    if headers.get("warc-target-uri", "").strip(" <").lower().startswith(_ASIDE):
        return "metadata"
    return _Message(headers.get("content-type"), frame.content, [], frame.length, partial=False)


def _document(source: Source, message: _Message, max_bytes: int) -> Item:
    content = content_of(message.content_type)
    if content.kind not in (None, "xml"):
        return Passed(source.uri, content.kind)
    source = replace(source, media_type=content.media_type, charset=content.charset)
    cut = len(message.body) < message.size  # far above the limit, and not held
    limit = max_bytes + 1 if max_bytes else 0
    body = message.body if cut else restored(message.body, message.codings, limit, partial=message.partial)
    if content.kind and not _MARKUP.search(body, 0, MAGIC_BYTES):
        return Passed(source.uri, content.kind)
    # A page is a page even where its address ends in .js.
    name = "" if content.media_type == "text/html" else (source.url or "").partition("?")[0].partition("#")[0]
    if (kind := kind_of(body[:MAGIC_BYTES], name)) and not (cut and message.codings):
        return Passed(source.uri, kind)
    if cut or (max_bytes and len(body) > max_bytes):
        return Oversized(source, message.size if cut else len(body))
    return Document(replace(source, raw=body))


def _lowered(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; those that come twice joined, as HTTP has it."""
    joined: dict[str, str] = {}
    for name, value in items:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
