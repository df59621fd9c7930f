"""Reading one document: gunzipped, capped, and told from what is no document."""

import gzip
import io
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from newsfilter.dumps.magic import HEAD_BYTES, kind_of
from newsfilter.dumps.sources import Entry
from newsfilter.errors import InputError
from newsfilter.records import Source

FAILURES = {
    "unreadable": "the file cannot be opened or read, such as for want of permission",
    "unreadable-folder": "the folder cannot be listed; what it holds is not counted",
    "missing": "the file was there when the run began and is not any more",
    "truncated-gzip": "the gzip file ends before its data do",
    "damaged-gzip": "the gzip file holds data that do not unpack, or whose checksum is wrong",
    "truncated-zstd": "the zstd stream ends before its data do",
    "damaged-zstd": "the zstd stream holds data that do not unpack, or whose checksum is wrong",
    "truncated-archive": "the archive ends before its members do, or lacks its directory or end mark",
    "damaged-archive": "a member, a header or the directory of the archive is damaged",
    "encrypted": "the member is encrypted",
    "unsupported-member": "the member is packed or stored in a way that is not read (LZMA, Deflate64, sparse files)",
    "zip-bomb": "the member unpacks to more than 200 times its size, or shares its data with others",
    "truncated-warc": "the WARC file ends inside a record",
    "damaged-warc": "bytes of the WARC file are no record, or a record's headers or length are wrong",
    "damaged-http": "the record holds no HTTP response that can be read",
    "truncated-body": "the response's body ends too early",
    "damaged-body": "the response's body does not unpack, or its chunks are wrong",
    "unsupported-encoding": "the response's body is packed in a way that is not read",
    "not-json": "the line is not JSON",
    "not-object": "the line is JSON, but no object",
    "not-utf-8": "the line or row is not UTF-8",
    "no-text-field": "the row lacks the field that holds the document",
    "not-text": "the field that should hold the document holds something else than text",
    "too-long": "the line, row or field is larger than the limit for one document",
    "bad-row": "the row of the table does not fit its header, or its quotes do not pair",
    "damaged-parquet": "a row group of the Parquet file cannot be read",
    "timeout": "cleaning took longer than the limit",
    "memory": "cleaning took more memory than the limit",
    "crashed": "cleaning it ended the process",
    "unreadable-container": "the file holds many documents and cannot be read as a whole",
    "unsupported-format": "the file holds many documents in a format that is not read yet (WARC, Parquet)",
    "error": "cleaning raised an error, which the ledger names: a defect of newsfilter, please report it",
}
"""Every reason for which a document can fail, as the ledger has it."""

_CONTAINER = re.compile(rb"WARC/\d\.\d+\r?\n|PAR1[\x00-\x08\x0e-\x1f]")
_GZIP = b"\x1f\x8b"


class ReadError(InputError):
    """One document that cannot be read; the run goes on.

    Attributes
    ----------
    reason : str
        One of `FAILURES`.
    """

    def __init__(self, uri: str, reason: str, detail: str = "") -> None:
        super().__init__(f"{uri}: {FAILURES[reason]}{f' ({detail})' if detail else ''}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no document."""

    kind: str


@dataclass(frozen=True, slots=True)
class Oversized:
    """A document larger than the limit, not read."""

    source: Source  # with an empty `raw`
    size: int  # bytes; of gzip and standard input, only known to be at least this: one more than the limit


def read(entry: Entry, max_bytes: int) -> Source | Oversized | Skipped:
    """Read one document.

    Parameters
    ----------
    entry
        What to read.
    max_bytes
        Nothing larger is read, packed or unpacked; 0 reads everything.

    Raises
    ------
    ReadError
        When the document cannot be read.
    """
    if entry.fault:
        raise ReadError(entry.uri, entry.fault)
    try:
        if entry.raw is not None:
            return _read(entry, io.BytesIO(entry.raw), len(entry.raw), max_bytes)
        # Not to wait for ever where a pipe has taken the file's place since the listing.
        with os.fdopen(os.open(entry.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            about = os.fstat(stream.fileno())
            return _read(entry, stream, about.st_size, max_bytes) if stat.S_ISREG(about.st_mode) else Skipped("special")
    except FileNotFoundError:
        raise ReadError(entry.uri, "missing") from None
    except OSError as error:
        raise ReadError(entry.uri, "unreadable", error.strerror or type(error).__name__) from None


def _read(entry: Entry, stream: BinaryIO, size: int, max_bytes: int) -> Source | Oversized | Skipped:
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    name = entry.uri
    most = max_bytes + 1 if max_bytes else -1
    if head.startswith(_GZIP):
        raw = _gunzip(entry.uri, stream, most)
        head, size, name = raw[:HEAD_BYTES], len(raw), name.removesuffix(".gz")
    else:
        raw = None
    if kind := kind_of(head, name):
        return Skipped(kind)
    if _CONTAINER.match(head):
        raise ReadError(entry.uri, "unsupported-format")
    source = Source(raw=b"", uri=entry.uri, id=entry.id)
    if max_bytes and size > max_bytes:
        return Oversized(source, size)
    if raw is None:
        raw = stream.read(most)  # capped once more: the file may be growing
    return Oversized(source, len(raw)) if max_bytes and len(raw) > max_bytes else Source(raw=raw, uri=entry.uri, id=entry.id)


def _gunzip(uri: str, stream: BinaryIO, most: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            return unpacked.read(most)
    except EOFError:
        raise ReadError(uri, "truncated-gzip") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ReadError(uri, "damaged-gzip", str(error)[:80]) from None
