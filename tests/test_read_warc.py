import gzip
import io
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fastwarc.stream_io import BrotliWriter, GzipWriter, ZstdWriter
from fastwarc.warc import WarcRecord, WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, Passed
from newsfilter.dumps.failures import FAILURES, ReadError
from newsfilter.dumps.magic import SKIPPED
from newsfilter.dumps.readers import ReadOptions, reader_of, warc, warc_frames, warc_pumps
from newsfilter.dumps.readers.warc import read, split
from newsfilter.dumps.readers.warc_items import PASSED
from newsfilter.records import Source, document_id


def gzipped(data: bytes) -> bytes:
    """Without a clock: pytest-xdist wants each process to name its tests alike."""
    return gzip.compress(data, mtime=0)


OPTIONS = ReadOptions(max_bytes=0)
OK = b"HTTP/1.1 200 OK\r\n"
HTML = b"Content-Type: text/html\r\n"


def record(content: bytes, kind: str = "response", length: int | str | None = None, end: bytes = b"\r\n\r\n", **more: str) -> bytes:
    """A record; further headers take `_` for `-`, and None leaves one out."""
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": "<urn:uuid:2f6c1b58-0000-4000-8000-000000000000>",
        "WARC-Date": "2024-03-01T08:00:00Z",
        "WARC-Target-URI": "https://kent.example/haber",
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(content) if length is None else length),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return b"WARC/1.0\r\n" + lines.encode() + b"\r\n" + content + end


def response(body: bytes, headers: bytes = HTML, status: bytes = OK, **more: Any) -> bytes:
    """A record of an HTTP response."""
    return record(status + headers + b"\r\n" + body, **more)


def page(number: int, size: int = 40) -> bytes:
    """A page that no other number gives, of letters that do not pack well."""
    return b"<p>%d " % number + bytes(random.Random(number).choices(b"abcdefghijklmnopqrstuvwxyz", k=size))


def zstd(data: bytes) -> bytes:
    packed: bytes = zstandard.ZstdCompressor(write_checksum=True).compress(data)
    return packed


def br(data: bytes) -> bytes:
    stream = io.BytesIO()
    writer = BrotliWriter(stream)
    for place in range(0, len(data), 1 << 16):
        writer.write(data[place : place + (1 << 16)])
    writer.close()
    return stream.getvalue()


PACKINGS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "plain": b"".join,
    "gzip-members": lambda records: b"".join(map(gzipped, records)),
    "gzip": lambda records: gzipped(b"".join(records)),
    "zstd-frames": lambda records: b"".join(map(zstd, records)),
    "zstd": lambda records: zstd(b"".join(records)),
}
packed = pytest.mark.parametrize("packing", PACKINGS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.warc"


def items(file: Path, options: ReadOptions = OPTIONS) -> list[Item]:
    """All records, range after range."""
    return [item for start, stop in split(str(file), "a.warc", options) for item in read(str(file), "a.warc", start, stop, options)]


def items_of(file: Path, data: bytes, options: ReadOptions = OPTIONS) -> list[Item]:
    file.write_bytes(data)
    return items(file, options)


def only(file: Path, data: bytes, options: ReadOptions = OPTIONS) -> Item:
    (one,) = items_of(file, data, options)
    return one


def told(records: Sequence[Item]) -> list[str]:
    """Each record in a word: the page's number, or the failure's reason, or the kind passed."""
    words = []
    for one in records:
        if isinstance(one, Document):
            words.append(bytes(one.source.raw[3:]).split()[0].decode())  # type: ignore[arg-type]
        else:
            words.append("oversized" if isinstance(one, Oversized) else one.reason if isinstance(one, Failed) else one.kind)
    return words


@packed
def test_a_response_becomes_a_document_with_all_that_the_record_says(file: Path, packing: str) -> None:
    first = record(b"software: test\r\n", "warcinfo", WARC_Target_URI="")
    second = response(
        b"<p>\xfe\xfd", b"content-type: Text/HTML; Charset='windows-1254'\r\n", WARC_Target_URI="<https://kent.example/a?b#c>"
    )
    info, document = items_of(file, PACKINGS[packing]([first, second]))
    assert info == Passed("a.warc", "warcinfo")
    offset = {"gzip-members": len(gzipped(first))}.get(packing, len(first))
    assert document == Document(
        Source(b"<p>\xfe\xfd", "a.warc", "text/html", "windows-1254", "https://kent.example/a?b#c", "2024-03-01T08:00:00Z", None, offset)
    )


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_what_fastwarc_writes_is_read(file: Path, packing: str) -> None:
    """Another writer than the one above."""
    stream, writers = io.BytesIO(), {"gzip": GzipWriter, "zstd": ZstdWriter}
    for number in range(3):
        target: Any = writers[packing](stream) if packing in writers else stream
        one = WarcRecord()
        one.init_headers(WarcRecordType.response, b"2f6c1b58-0000-4000-8000-00000000000%d" % number)
        one.headers["Content-Type"] = "application/http; msgtype=response"
        one.set_bytes_content(OK + HTML + b"\r\n" + page(number))
        one.write(target, checksum_data=True)
        if target is not stream:
            target.close()
    assert told(items_of(file, stream.getvalue())) == ["0", "1", "2"]


@packed
def test_ids_differ(file: Path, packing: str) -> None:
    """Also where several records share a gzip member."""
    data = PACKINGS[packing]([response(page(1)), response(page(2))]) + PACKINGS[packing]([response(page(3)), response(page(3)), b"garbage"])
    found = items_of(file, data)
    assert told(found)[:4] == ["1", "2", "3", "3"]
    ids = [one.id if isinstance(one, Failed) else document_id(one.source) for one in found if not isinstance(one, Passed)]
    assert len(set(ids)) == len(ids) == 5


def test_several_records_in_one_of_many_members_are_numbered(file: Path) -> None:
    found = items_of(file, gzipped(response(page(1))) + gzipped(response(page(2)) + response(page(3))))
    assert [(one.source.offset, one.source.member) for one in found if isinstance(one, Document)][1:] == [
        (len(gzipped(response(page(1)))), None),
        (len(gzipped(response(page(1)))), "#1"),
    ]


TYPES: list[tuple[bytes, str | None, str | None]] = [
    (b"Content-Type: text/html\r\n", "text/html", None),
    (b"Content-Type: text/html;charset=UTF-8\r\n", "text/html", "UTF-8"),
    (b'Content-Type: application/xhtml+xml; charset="utf-8"; q=1\r\n', "text/html", "utf-8"),
    (b"Content-Type: text/html\r\nContent-Type: text/html; charset=koi8-r\r\n", "text/html", "koi8-r"),
    (b"CONTENT-TYPE:text/plain; format=flowed; charset = iso-8859-9\r\n", "text/plain", "iso-8859-9"),
    (b"Content-Type: text/html;\r\n charset=big5\r\n", "text/html", "big5"),
    (b"Content-Type: text/html; charset=\r\n", "text/html", None),
    (b"", None, None),
    (b"Content-Type: \r\n", None, None),
    (b"Content-Type: html\r\n", None, None),
    (b"Content-Type: application/octet-stream; charset=x-sjis\r\n", None, "x-sjis"),
    (b"Content-Security-Policy: %s\r\nContent-Type: text/html\r\n" % (b"a" * 50_000), "text/html", None),
    (b"Server: \xfe\xff\r\nno colon here\r\nContent-Type: text/html\r\n", "text/html", None),
    (b"Content-Type: text/xml\r\n", None, None),
]


@pytest.mark.parametrize(("headers", "media_type", "charset"), TYPES)
def test_media_type_and_charset_come_from_the_http_header(file: Path, headers: bytes, media_type: str | None, charset: str | None) -> None:
    one = only(file, response(b"<!DOCTYPE html><html><p>1", headers))
    assert isinstance(one, Document)
    assert (one.source.media_type, one.source.charset) == (media_type, charset)


@pytest.mark.parametrize("break_", [b"\n", b"\r\n"])
def test_headers_may_end_in_line_feeds_only(file: Path, break_: bytes) -> None:
    content = b"HTTP/1.0 200\nContent-Type: text/plain\n\na\r\n\r\nb"
    head = b"WARC/1.1" + break_ + b"warc-type: response" + break_ + b"content-length: %d" % len(content) + break_ + break_
    one = only(file, head + content)
    assert isinstance(one, Document)
    assert (one.source.raw, one.source.media_type, one.source.url, one.source.fetched_at) == (b"a\r\n\r\nb", "text/plain", None, None)


@pytest.mark.parametrize(
    ("date", "kept"), [("2016-01-11T23:24:25.412030Z", True), ("2016-01", True), ("yesterday", False), ("20160111232425", False)]
)
def test_a_date_is_kept_when_it_is_one(file: Path, date: str, kept: bool) -> None:
    one = only(file, response(page(1), WARC_Date=date))
    assert isinstance(one, Document)
    assert one.source.fetched_at == (date if kept else None)


NO_DOCUMENTS: list[tuple[bytes, str]] = [
    (record(b"GET / HTTP/1.1\r\n\r\n", "request"), "request"),
    (record(b"fetchTimeMs: 1", "metadata"), "metadata"),
    (record(b"", "revisit"), "revisit"),
    (record(b"<p>", "Continuation"), "continuation"),
    (record(b"<p>", "screenshot"), "unknown-record"),
    (record(b"<p>", WARC_Type=""), "unknown-record"),
    (record(b"20240301 kent.example. 60 IN A 192.0.2.1", Content_Type="text/dns", WARC_Target_URI="dns:kent.example"), "not-http"),
    (record(b"wget -r", "resource", Content_Type="text/plain", WARC_Target_URI="metadata://gnu.org/wget/arguments.txt"), "metadata"),
    (record(b"{}", "resource", Content_Type="application/json"), "json"),
    (record(b"%PDF-1.4", "conversion", Content_Type="application/pdf"), "pdf"),
    (response(b"<p>", status=b"HTTP/1.1 404 Not Found\r\n"), "http-404"),
    (response(b"", status=b"HTTP/1.0 301\r\n"), "http-301"),
    (response(b"<p>", status=b"HTTP/2 503 \r\n"), "http-503"),
    (response(b"<html>", b"Content-Type: image/jpeg\r\n"), "image"),
    (response(b"<html>", b"Content-Type: image/jpeg\r\nContent-Encoding: nonsense\r\n"), "image"),
    (response(b"a", b"Content-Type: image/svg+xml\r\n"), "image"),
    (response(b"[]", b"Content-Type: application/ld+json; charset=utf-8\r\n"), "json"),
    (response(b"a", b"Content-Type: text/javascript\r\n"), "web-asset"),
    (response(b"a", b"Content-Type: text/css\r\n"), "web-asset"),
    (response(b"a", b"Content-Type: application/vnd.openxmlformats-officedocument.wordprocessingml.document\r\n"), "office"),
    (response(b"a", b"Content-Type: application/x-font-ttf\r\n"), "font"),
    (response(b"a", b"Content-Type: video/mp4\r\n"), "video"),
    (response(b"a", b"Content-Type: application/zip\r\n"), "archive"),
    (response(b"a", b"Content-Type: text/calendar\r\n"), "other-media-type"),
    (response(b"<?xml version='1.0'?><rss>", b"Content-Type: application/rss+xml\r\n"), "xml"),
    (response(b"%PDF-1.7 ...", b"Content-Type: text/html\r\n"), "pdf"),
    (response(gzipped(b"GIF89a"), b"Content-Encoding: gzip\r\n"), "image"),
    (response(b"a = 1", b"", WARC_Target_URI="https://kent.example/a.js?v=2"), "web-asset"),
]


@pytest.mark.parametrize(("data", "kind"), NO_DOCUMENTS, ids=[f"{number}-{kind}" for number, (_, kind) in enumerate(NO_DOCUMENTS)])
def test_what_is_no_document_is_passed_by_kind(file: Path, data: bytes, kind: str) -> None:
    assert only(file, data) == Passed("a.warc", kind)
    assert kind in {**PASSED, **SKIPPED} or kind.startswith("http-")


@pytest.mark.parametrize("kind", ["resource", "conversion"])
def test_stored_text_is_a_document(file: Path, kind: str) -> None:
    """Such as the plain text that a crawl's owners publish beside it."""
    one = only(file, record(b"HTTP/1.1 200 OK\r\n\r\nKent", kind, Content_Type="text/plain; charset=utf-8"))
    assert isinstance(one, Document)
    assert (one.source.raw, one.source.media_type, one.source.charset) == (b"HTTP/1.1 200 OK\r\n\r\nKent", "text/plain", "utf-8")


def deflated(data: bytes) -> bytes:
    """Without zlib's frame, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def chunked(data: bytes, size: int = 7, extension: bytes = b"", break_: bytes = b"\r\n") -> bytes:
    parts = [data[place : place + size] for place in range(0, len(data), size)]
    return b"".join(b"%x" % len(part) + extension + break_ + part + break_ for part in [*parts, b""])


LONG = b"<html><p>" + b"Kent Konseyi " * 500
GZ, CHUNKED = b"Content-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\r\n"
CODINGS: dict[str, tuple[bytes, bytes]] = {
    "gzip": (GZ, gzipped(LONG)),
    "x-gzip": (b"Content-Encoding: x-gzip\r\n", gzipped(LONG)),
    "gzip members": (GZ, gzipped(LONG[:99]) + gzipped(LONG[99:])),
    "bytes behind gzip": (GZ, gzipped(LONG) + b"\0\0"),
    "deflate": (b"Content-Encoding: deflate\r\n", zlib.compress(LONG)),
    "bare deflate": (b"Content-Encoding: Deflate\r\n", deflated(LONG)),
    "br": (b"Content-Encoding: br\r\n", br(LONG)),
    "zstd": (b"Content-Encoding: zstd\r\n", zstd(LONG)),
    "two": (b"Content-Encoding: br, gzip\r\n", gzipped(br(LONG))),
    "two headers": (b"Content-Encoding: br\r\nContent-Encoding: gzip\r\n", gzipped(br(LONG))),
    "identity": (b"Content-Encoding: identity\r\n", LONG),
    "chunked": (CHUNKED, chunked(LONG)),
    "chunked with extensions": (CHUNKED, chunked(LONG, 4000, b" ; name=value")),
    "chunked with line feeds": (CHUNKED, chunked(LONG, break_=b"\n")),
    "chunked with trailers": (CHUNKED, chunked(LONG)[:-2] + b"Expires: 0\r\n\r\n"),
    "gzip and chunked": (GZ + CHUNKED, chunked(gzipped(LONG))),
    "both in one header": (b"Transfer-Encoding: gzip, chunked\r\n", chunked(gzipped(LONG))),
    "restored, headers left": (GZ + CHUNKED, LONG),
    "unchunked, headers left": (GZ + CHUNKED, gzipped(LONG)),
    "restored br": (b"Content-Encoding: br\r\n", LONG),
    "restored zstd": (b"Content-Encoding: zstd\r\n", LONG),
    "restored deflate": (b"Content-Encoding: deflate\r\n", LONG),
    "a charset for a coding": (b"Content-Encoding: UTF-8\r\n", LONG),
}


@pytest.mark.parametrize("case", CODINGS)
def test_bodies_are_restored(file: Path, case: str) -> None:
    headers, body = CODINGS[case]
    one = only(file, response(body, HTML + headers))
    assert isinstance(one, Document), one
    assert one.source.raw == LONG


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "chunked", "identity"])
def test_an_empty_body_is_an_empty_document(file: Path, coding: str) -> None:
    one = only(file, response(b"", HTML + f"Content-Encoding: {coding}\r\n".encode()))
    assert isinstance(one, Document)
    assert one.source.raw == b""


GZIPPED = gzipped(LONG)
BAD_BODIES: list[tuple[bytes, bytes, str, str]] = [
    (GZ, GZIPPED[:-20], "truncated-body", "gzip"),
    (GZ, GZIPPED[:-4] + b"\0\0\0\0", "damaged-body", "gzip"),
    (GZ, GZIPPED[:20] + b"\xff" * 20 + GZIPPED[40:], "damaged-body", "gzip"),
    (b"Content-Encoding: deflate\r\n", b"\0" * 20, "damaged-body", "deflate"),
    (b"Content-Encoding: br\r\n", b"\0\1\2\3" * 9, "damaged-body", "br"),
    (b"Content-Encoding: zstd\r\n", zstd(os.urandom(300_000))[:-9], "truncated-body", "zstd"),
    (GZ, gzipped(b"a") * 200, "truncated-body", "gzip"),
    (GZ, gzipped(bytes(2_000_000)), "zip-bomb", "gzip"),
    (b"Content-Encoding: br\r\n", br(bytes(2_000_000)), "zip-bomb", "br"),
    (b"Content-Encoding: " + b"gzip, " * 6 + b"br\r\n", GZIPPED, "unsupported-encoding", "7 codings"),
    (b"Content-Encoding: compress\r\n", b"\x1f\x9d\x90", "unsupported-encoding", "compress"),
    (CHUNKED, b"zz\r\n<html>\r\n0\r\n\r\n", "damaged-body", "byte 0"),
    (CHUNKED, b"6\r\n<html>\r\nzz\r\n<p>\r\n0\r\n\r\n", "damaged-body", "byte 11"),
    (CHUNKED, b"5\r\n<html>\r\n0\r\n\r\n", "damaged-body", "byte 8"),
    (CHUNKED, b"6\r\n<html>\r\nffffffffffffffffffffffff\r\n<p>", "damaged-body", "byte 11"),
    (CHUNKED, b"6\r\n<html>\r\nffffffffff\r\n<p>", "truncated-body", "chunked"),
    (CHUNKED, b"6\r\n<html>\r\n", "truncated-body", "chunked"),
    (CHUNKED, b"6\r\n<html>\r\n1", "truncated-body", "chunked"),
    (CHUNKED, b"6\r\n<ht", "truncated-body", "chunked"),
]


@pytest.mark.parametrize(("headers", "body", "reason", "detail"), BAD_BODIES)
def test_a_body_that_cannot_be_restored_fails_and_its_neighbours_do_not(
    file: Path, headers: bytes, body: bytes, reason: str, detail: str
) -> None:
    before = response(page(1))
    found = items_of(file, before + response(body, HTML + headers) + response(page(3)))
    assert told(found) == ["1", reason, "3"]
    failed = found[1]
    assert isinstance(failed, Failed)
    assert detail in failed.detail
    assert failed.detail.startswith(f"byte {len(before)}: ")
    assert failed.id == document_id(Source(b"", "a.warc", offset=len(before)))


@pytest.mark.parametrize(
    ("headers", "body"), [(GZ, gzipped(os.urandom(9999))[:-99]), (CHUNKED, chunked(LONG)[:-9]), (CHUNKED, chunked(LONG)[:-1])]
)
def test_a_body_that_the_crawler_says_it_cut_is_taken_as_far_as_it_goes(file: Path, headers: bytes, body: bytes) -> None:
    one = only(file, response(body, headers, WARC_Truncated="length"))
    assert isinstance(one, Document)
    assert len(one.source.raw) > 6000


@pytest.mark.parametrize("content", [b"<html>no headers at all", b"HTTP/1.1 OK\r\n\r\n<p>", b"HTTP/1.1 20000\r\n\r\n<p>", b"", b"\r\n\r\n"])
def test_a_response_without_a_status_fails(file: Path, content: bytes) -> None:
    assert told(items_of(file, record(content) + response(page(2)))) == ["damaged-http", "2"]


@pytest.mark.parametrize("status", [OK, b"HTTP/1.1 500 Oops\r\n"])
def test_documents_above_the_limit_are_told_and_others_read(file: Path, status: bytes) -> None:
    options = ReadOptions(max_bytes=1000)
    sizes = [999, 1000, 1001, 5000]
    found = items_of(file, b"".join(response(b"a" * size, status=status) for size in sizes), options)
    if status != OK:
        assert told(found) == ["http-500"] * 4
        return
    assert [len(one.source.raw) for one in found if isinstance(one, Document)] == [999, 1000]
    large = [one for one in found if isinstance(one, Oversized)]
    assert [one.size for one in large] == [1001, 5000]
    assert (large[0].source.raw, large[0].source.url, large[0].source.media_type) == (b"", "https://kent.example/haber", "text/html")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "chunked"])
def test_the_limit_counts_unpacked_bytes(file: Path, coding: str) -> None:
    """Fifty megabytes that come as some kilobytes cost no more memory than the limit does."""
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzipped,
        "deflate": zlib.compress,
        "br": br,
        "zstd": zstd,
        "chunked": lambda data: chunked(data[:2000]),
    }
    body = packers[coding](b"a" * 50_000_000)
    headers = CHUNKED if coding == "chunked" else b"Content-Encoding: %s\r\n" % coding.encode()
    file.write_bytes(response(body, headers))
    options = ReadOptions(max_bytes=1000)
    items(file, options)  # what is imported or cached is not counted
    tracemalloc.start()
    assert told(items(file, options)) == ["oversized"]
    assert tracemalloc.get_traced_memory()[1] < 2_000_000 + 2 * len(body)
    tracemalloc.stop()


@packed
def test_records_that_are_too_long_to_be_held_are_told_by_their_headers(file: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "HOLD_BYTES", 0)
    long, after = bytes(range(256)) * 2000, response(page(9))
    cases = {
        "oversized": response(long, HTML),
        "video": response(long, b"Content-Type: video/mp4\r\n"),
        "http-404": response(long, HTML, b"HTTP/1.1 404 Not Found\r\n"),
        "image": response(b"GIF89a" + long, b""),
        "request": record(long, "request"),
        "pdf": record(long, "resource", Content_Type="application/pdf"),
    }
    found = items_of(file, PACKINGS[packing]([one for case in cases.values() for one in (case, after)]), ReadOptions(max_bytes=1000))
    assert told(found) == [word for kind in cases for word in (kind, "9")]
    large = found[0]
    assert isinstance(large, Oversized)
    assert (large.size, large.source.media_type) == (len(long), "text/html")


@pytest.mark.slow
@packed
def test_memory_does_not_grow_with_a_record(file: Path, packing: str) -> None:
    """Sixty megabytes that nobody wants, of which packed ones may be a bomb."""
    data = PACKINGS[packing]([response(page(1)), record(bytes(60_000_000), "resource", Content_Type="text/plain"), response(page(3))])
    file.write_bytes(data)
    del data
    tracemalloc.start()
    assert told(items(file, ReadOptions(max_bytes=1_000_000))) == ["1", "oversized", "3"]
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


ONE, TWO, THREE = (response(page(number)) for number in (1, 2, 3))
CONTENT = OK + HTML + b"\r\n" + page(2)
DAMAGED: list[tuple[str, Sequence[bytes], list[str]]] = [
    ("garbage in the middle", [ONE, b"\xff\0garbage\r\nWARC/1.0 no header\r\n", THREE], ["1", "damaged-warc", "3"]),
    ("garbage at the beginning", [b"garbage", TWO, THREE], ["damaged-warc", "2", "3"]),
    ("garbage at the end", [ONE, TWO, b"garbage"], ["1", "2", "damaged-warc"]),
    ("nothing but garbage", [b"garbage", b"garbage"], ["damaged-warc"]),
    ("a length that is too small", [ONE, record(CONTENT, length=50), THREE], ["1", "damaged-warc", "3"]),
    ("a length that is too large", [ONE, record(CONTENT, length=len(CONTENT) + 30), THREE, ONE], ["1", "damaged-warc", "3", "1"]),
    (
        "a length up to a blank line",
        [ONE, record(CONTENT, length=len(CONTENT) + 4 + THREE.index(b"\r\n\r\n")), THREE],
        ["1", "damaged-warc", "3"],
    ),
    ("a length behind the end", [ONE, record(CONTENT, length=10**9), THREE, ONE], ["1", "truncated-warc", "3", "1"]),
    ("a length of 17 digits", [ONE, record(CONTENT, length=10**16), THREE], ["1", "damaged-warc", "3"]),
    ("a length that is no number", [ONE, record(CONTENT, length="many"), THREE], ["1", "damaged-warc", "3"]),
    ("a length below nothing", [ONE, record(CONTENT, length=-1), THREE], ["1", "damaged-warc", "3"]),
    ("no length", [ONE, record(CONTENT, length=""), THREE], ["1", "damaged-warc", "3"]),
    ("a header without end", [ONE, b"WARC/1.0\r\nWARC-Type: response\r\n" + b"a: b\r\n" * 20_000, THREE], ["1", "damaged-warc", "3"]),
    ("a header that is cut", [ONE, b"WARC/1.0\r\nWARC-Type: response\r\n", THREE], ["1", "damaged-warc", "3"]),
    ("a line of a header that is cut", [ONE, b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 20", THREE], ["1", "damaged-warc", "3"]),
    ("an address like a beginning", [response(page(1), WARC_Target_URI="https://kent.example/WARC/1.0"), TWO], ["1", "2"]),
    ("no blank lines between", [record(CONTENT, end=b""), record(CONTENT, end=b"\n"), THREE], ["2", "2", "3"]),
    ("many blank lines between", [record(CONTENT, end=b"\r\n" * 300), THREE], ["2", "3"]),
    ("zeros at the end", [ONE, TWO, bytes(300_000)], ["1", "2"]),
    ("no blank line at the end", [ONE, record(CONTENT, end=b"")], ["1", "2"]),
    ("an empty file", [], []),
]


@packed
@pytest.mark.parametrize(("records", "words"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_what_is_damaged_fails_and_what_stands_behind_it_is_read(
    file: Path, packing: str, records: Sequence[bytes], words: list[str]
) -> None:
    found = items_of(file, PACKINGS[packing](records) if records else b"")
    assert told(found) == words
    place = sum(map(len, map(gzipped, records[:1]) if packing == "gzip-members" else records[:1]))
    assert (
        not words or "1" not in words[:1] or all(one.detail.startswith(f"byte {place}: ") for one in found[1:2] if isinstance(one, Failed))
    )


@packed
@pytest.mark.parametrize("excess", [30, 5000, 10**9])
def test_long_records_with_a_wrong_length_are_left_where_the_next_begins(
    file: Path, packing: str, excess: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warc, "HOLD_BYTES", 0)
    monkeypatch.setattr(warc_frames, "PIECE_BYTES", 1000)
    monkeypatch.setattr(warc_pumps, "PIECE_BYTES", 1000)
    body = os.urandom(300_000)
    wrong = record(body, "resource", length=len(body) + excess)
    found = items_of(file, PACKINGS[packing]([ONE, wrong, TWO, THREE]), ReadOptions(max_bytes=1000))
    assert told(found) == ["1", "damaged-warc", "2", "3"]


@pytest.mark.parametrize("packing", ["gzip-members", "zstd-frames"])
def test_a_damaged_member_costs_its_own_record(file: Path, packing: str) -> None:
    pack = gzip.compress if packing == "gzip-members" else zstd
    kind = packing.partition("-")[0]
    one, two, three = (pack(response(page(number, 3000))) for number in (1, 2, 3))
    middle = len(two) // 2
    bad = {
        f"damaged-{kind}": [
            two[:middle] + bytes([two[middle] ^ 255]) + two[middle + 1 :],  # its data, or their checksum
            two[:-6] + bytes([two[-6] ^ 255]) + two[-5:] if kind == "gzip" else two[:-1] + bytes([two[-1] ^ 255]),
            two[:middle],  # runs into the next
            two[:12] + b"\0" * 40 + two[52:],
            b"garbage",
            b"\x1f\x8b\x08garbage" if kind == "gzip" else b"(\xb5/\xfdgarbage",
        ],
        f"truncated-{kind}": [two[:middle]],
    }
    for reason, cases in bad.items():
        for case in cases:
            last = [three] if reason.startswith("damaged") else []
            found = items_of(file, b"".join([one, case, *last]))
            assert told(found) == ["1", reason, *(["3"] if last else [])], case
            failed = found[1]
            assert isinstance(failed, Failed)
            if kind == "gzip":
                assert failed.detail.startswith(f"byte {len(one)}: ")


@pytest.mark.parametrize("packing", ["gzip-members", "zstd-frames"])
def test_a_damaged_member_that_is_too_long_to_be_held_is_one_failure(file: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "HOLD_BYTES", 0)
    pack = PACKINGS[packing]
    whole = pack([response(os.urandom(300_000), HTML)])
    kind, one, three, options = packing.partition("-")[0], pack([ONE]), pack([THREE]), ReadOptions(max_bytes=1000)
    assert told(items_of(file, one + whole + three, options)) == ["1", "oversized", "3"]
    for place in (200_000, len(whole) - 1):
        broken = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        assert told(items_of(file, one + broken + three, options)) == ["1", f"damaged-{kind}", "3"]
        assert told(items_of(file, one + whole[:place], options)) == ["1", f"truncated-{kind}"]


def in_blocks(records: Sequence[bytes], packing: str) -> list[bytes]:
    """The parts of one gzip or zstd stream, a block for each record, and the end."""
    packer: Any = zlib.compressobj(wbits=31) if packing == "gzip" else zstandard.ZstdCompressor().compressobj()
    flush = zlib.Z_FULL_FLUSH if packing == "gzip" else zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [*(packer.compress(one) + packer.flush(flush) for one in records), packer.flush()]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_of_one_damaged_stream_the_records_before_the_damage_are_read(file: Path, packing: str) -> None:
    """And those in streams that were put behind it."""
    parts = in_blocks([response(page(number, 9000)) for number in range(40)], packing)
    before, behind = b"".join(parts[:20]), b"".join(parts[20:])
    no_block = b"\x07\0\0"  # of a type that neither format has
    found = items_of(file, before + no_block + behind + PACKINGS[packing]([ONE, TWO]))
    assert told(found) == [*map(str, range(20)), f"damaged-{packing}", "1", "2"]
    assert told(items_of(file, before + behind[:5000])) == [*map(str, range(20)), f"truncated-{packing}"]
    assert told(items_of(file, before)) == [*map(str, range(20)), f"truncated-{packing}"]
    wrong = in_blocks([ONE, record(CONTENT, length=9), THREE], packing)[:-1]
    assert told(items_of(file, b"".join(wrong) + no_block)) == ["1", "damaged-warc", "3", f"damaged-{packing}"]


def test_a_dictionary_in_front_of_zstd_frames_is_used(file: Path) -> None:
    """As the convention for .warc.zst has it."""
    records = [response(page(number)) for number in range(3)]
    dictionary = zstandard.ZstdCompressionDict(b"".join(response(page(number)) for number in range(50)))
    frames = [zstandard.ZstdCompressor(dict_data=dictionary).compress(one) for one in records]
    head = b"]*M\x18" + len(dictionary.as_bytes()).to_bytes(4, "little") + dictionary.as_bytes()
    assert told(items_of(file, b"".join([head, *frames]))) == ["0", "1", "2"]


EMBEDDED = b"<p>4 how a WARC looks: <pre>\r\n\r\n" + response(page(5)) + b"WARC/1.0\nWARC-Type: warcinfo\nContent-Length: 99999\n\n</pre>"


def stored(data: bytes) -> bytes:
    """A gzip member that holds its data as they are, as those of an archive in an archive are."""
    packer = zlib.compressobj(0, wbits=31)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("packing", ["plain", "gzip-members"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_gives_the_same_records_once_each_in_order(file: Path, packing: str, data: st.DataObject) -> None:
    """Of sound records and of damaged ones, some of which seem to hold records, at whatever bytes the ranges end."""
    inner = EMBEDDED if packing == "plain" else EMBEDDED + gzipped(response(page(6)))
    pieces = [
        *(response(page(number, size)) for number, size in enumerate((0, 40, 3000))),
        record(b"x" * 500, "request"),
        response(inner),
        b"garbage",
        b"WARC/1.0\r\nWARC-Type: response\r\n",
        record(CONTENT, length=7),
        record(CONTENT, length=900),
    ]
    chosen = data.draw(st.lists(st.sampled_from(pieces), max_size=12))
    packed = list(map(data.draw(st.sampled_from([gzipped, stored])), chosen)) if packing == "gzip-members" else chosen
    if packing == "gzip-members" and packed and data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(packed) - 1))
        packed[cut] = packed[cut][: data.draw(st.integers(0, len(packed[cut])))]
    file.write_bytes(b"".join(packed))
    whole = list(read(str(file), "a.warc", 0, None, OPTIONS))
    options = ReadOptions(max_bytes=0, shard_bytes=data.draw(st.integers(100, 5000)))
    ranges = list(split(str(file), "a.warc", options))
    assert ranges[0][0] == 0
    assert [stop for _, stop in ranges] == [*(start for start, _ in ranges[1:]), None]
    assert items(file, options) == whole
    bounds = sorted(data.draw(st.sets(st.integers(1, file.stat().st_size + 10), max_size=8)))
    odd = zip([0, *bounds], [*bounds, None], strict=True)
    assert [item for start, stop in odd for item in read(str(file), "a.warc", start, stop, OPTIONS)] == whole


@pytest.mark.parametrize("packing", ["plain", "gzip-members"])
@pytest.mark.parametrize("lookback", [0, 1, 100, 1000, 20_000])
def test_ranges_far_from_the_beginning_find_their_records(file: Path, packing: str, lookback: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "LOOKBACK_BYTES", lookback)
    records = [response(page(number, size)) for number, size in enumerate(random.Random(1).choices(range(2000), k=60))]
    whole = items_of(file, PACKINGS[packing](records))
    assert told(whole) == [*map(str, range(60))]
    for size in (97, 1000, 7777):
        assert items(file, ReadOptions(max_bytes=0, shard_bytes=size)) == whole


def test_a_stream_that_cannot_be_split_is_one_range(file: Path) -> None:
    for packing in ("gzip", "zstd", "zstd-frames"):
        file.write_bytes(PACKINGS[packing]([ONE, TWO, THREE]))
        assert list(split(str(file), "a.warc", ReadOptions(max_bytes=0, shard_bytes=10))) == [(0, None)]


def reading(file: Path, limit: int) -> io.BytesIO:
    """A stream that can seek anywhere, and fails where it is asked for the bytes from `limit` on."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= limit:
                raise OSError(5, "storage is gone")
            return super().read(size)

    return Failing(file.read_bytes())


@packed
def test_storage_that_fails_in_the_middle_is_told(file: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(PACKINGS[packing]([response(os.urandom(10_000).hex().encode()) for _ in range(100)]))
    monkeypatch.setattr(warc, "open_binary", lambda _: reading(file, 700_000))
    *read_before, last = read(str(file), "a.warc", 0, None, OPTIONS)
    assert len(read_before) > 10
    assert all(isinstance(one, Document) for one in read_before)
    assert isinstance(last, Failed)
    assert (last.reason, "storage is gone" in last.detail) == ("unreadable", True)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ReadError, match="not any more"):
        list(split(str(file), "a.warc", OPTIONS))
    with pytest.raises(ReadError):
        list(read(str(file), "a.warc", 0, None, OPTIONS))


@pytest.mark.parametrize("packing", ["plain", "gzip-members", "gzip", "zstd-frames"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_wrong_byte_costs_one_record(file: Path, packing: str, data: st.DataObject) -> None:
    """Wherever it stands, but in a stream over all, which ends there. The first record's beginning says what the file is, and is left alone."""
    records = [response(page(number, 50 + 37 * number)) for number in range(6)]
    packed = [PACKINGS[packing]([one]) for one in records] if packing != "gzip" else [gzipped(b"".join(records))]
    whole = bytearray(b"".join(packed))
    place = data.draw(st.integers(10, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    ends = [sum(map(len, packed[: number + 1])) for number in range(len(packed))]
    hit = next(number for number, end in enumerate(ends) if place < end)
    found = items_of(file, bytes(whole))
    intact = {bytes(one.source.raw) for one in found if isinstance(one, Document)}  # type: ignore[arg-type]
    if packing != "gzip":
        assert {page(number, 50 + 37 * number) for number in range(6) if number != hit} <= intact
    assert packing == "gzip" or len(found) >= 6
    assert {one.reason for one in found if isinstance(one, Failed)} <= FAILURES.keys()


def test_the_format_has_this_reader() -> None:
    assert reader_of("warc").read is read
