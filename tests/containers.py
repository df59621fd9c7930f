"""The same pages in every container that a dump may use, made of bytes in the test, and a keeper that cleans nothing but tells everything."""

import csv
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import Result
from newsfilter.dumps.ledger import Line
from newsfilter.records import Source, document_id

Pages = Mapping[str, str]  # by path; each has the address https://kent.example/PATH


def gz(data: bytes) -> bytes:
    """Without a clock."""
    return gzip.compress(data, mtime=0)


def zst(data: bytes) -> bytes:
    packed: bytes = zstandard.ZstdCompressor(write_checksum=True).compress(data)
    return packed


def address(path: str) -> str:
    return f"https://kent.example/{path}"


def warc_record(content: bytes, kind: str = "response", url: str = address("x"), **more: str) -> bytes:
    """A record; further headers take `_` for `-`."""
    headers = {"WARC-Type": kind, "WARC-Date": "2024-03-01T08:00:00Z", "WARC-Target-URI": url, "Content-Length": str(len(content))}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in (headers | more).items())
    return b"WARC/1.0\r\n" + lines.encode() + b"\r\n" + content + b"\r\n\r\n"


def response(body: bytes, headers: bytes = b"Content-Type: text/html; charset=utf-8\r\n", status: bytes = b"200 OK", **more: str) -> bytes:
    """A record of an HTTP response."""
    return warc_record(b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n" + body, **more)


def warc_records(pages: Pages) -> list[bytes]:
    return [response(text.encode(), url=address(path)) for path, text in pages.items()]


def rows(pages: Pages) -> list[dict[str, str]]:
    return [{"url": address(path), "html": text} for path, text in pages.items()]


def jsonl(values: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def separated(pages: Pages, delimiter: str) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["url", "html"])
    writer.writerows([row["url"], row["html"]] for row in rows(pages))
    return stream.getvalue().encode()


def parquet(table: "pa.Table", **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return stream.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def members(pages: Pages) -> dict[str, bytes]:
    return {path: text.encode() for path, text in pages.items()}


CONTAINERS: dict[str, Callable[[Pages], bytes]] = {
    "crawl.warc": lambda pages: b"".join(warc_records(pages)),
    "crawl.warc.gz": lambda pages: b"".join(map(gz, warc_records(pages))),
    "crawl.warc.zst": lambda pages: b"".join(map(zst, warc_records(pages))),
    "rows.jsonl": lambda pages: jsonl(rows(pages)),
    "rows.jsonl.gz": lambda pages: gz(jsonl(rows(pages))),
    "rows.jsonl.zst": lambda pages: zst(jsonl(rows(pages))),
    "table.csv": lambda pages: separated(pages, ","),
    "table.csv.gz": lambda pages: gz(separated(pages, ",")),
    "table.tsv": lambda pages: separated(pages, "\t"),
    "table.parquet": lambda pages: parquet(pa.Table.from_pylist(rows(pages)), row_group_size=7),
    "pages.zip": lambda pages: zipped(members(pages)),
    "pages.tar": lambda pages: tarred(members(pages)),
    "pages.tar.gz": lambda pages: gz(tarred(members(pages))),
}
"""Pages -> the bytes of a file of that name."""


class Teller:
    """Stands in for `Keeper` where cleaning is not the question: each document's body is what the keeper was given, in a word."""

    def __init__(self, *_: object) -> None:
        self.seconds: dict[str, float] = {}
        self.restarts: Counter[str] = Counter()

    def close(self) -> None:
        return

    def clean(self, sources: Sequence[Source | Oversized]) -> list[Result]:
        return [_told(one) for one in sources]


def _told(one: Source | Oversized) -> Result:
    source = one.source if isinstance(one, Oversized) else one
    raw = source.raw if isinstance(source.raw, bytes) else source.raw.encode("utf-8", "surrogatepass")
    body = f"{len(raw)} {hashlib.sha256(raw).hexdigest()[:16]} {source.url} {source.media_type}"
    status = "rejected" if isinstance(one, Oversized) else "accepted"
    line: Line = {
        "id": document_id(source),
        "uri": source.uri,
        "member": source.member,
        "offset": source.offset,
        "status": status,
        "reason": None,
        "reasons": [],
        "output": None,
        "body_sha256": None,
        "characters": len(body),
        "labels": {},
        "words": 0,
        "language": "unknown",
        "site": None,
        "title": None,
    }
    return Result(line=line, body=body, record=b"{}\n", url=source.url)
