"""Reading one document: gunzipped, capped, and told from what is no document."""

import gzip
import io
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.magic import HEAD_BYTES, kind_of
from newsfilter.dumps.plan import format_of
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.remote import is_url
from newsfilter.dumps.sources import Entry
from newsfilter.records import Source

_CONTAINER = re.compile(rb"WARC/\d\.\d+\r?\n|PAR1[\x00-\x08\x0e-\x1f]")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no document."""

    kind: str


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
        if is_url(entry.path):
            with open_binary(entry.path) as stream:
                return _read(entry, stream, entry.size or 0, max_bytes)
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
        packed, _, packing = name.rpartition(".")
        if kind == "archive" and format_of(packed):  # rows.jsonl.bz2: a dump, which must not be taken for nothing
            raise ReadError(entry.uri, "unsupported-format", f"packed as {packing}; pack it with gzip or zstd instead")
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
