"""The spool: what a shard's documents came to so far, one item after another, in a file that a killed process leaves readable.

An item is its head and its parts. The head has their lengths and a checksum, so that an item that was not written to its end, or whose bytes a
crash of the machine turned to zeros, is seen; it and all behind it do not count.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from newsfilter.dumps.writing import stopped_by

_HEAD = struct.Struct("<4sI5Q")  # mark, CRC-32 of what follows the head, lengths of kind and parts
_MARK = b"item"


class Item(NamedTuple):
    """One item of a shard, in source order."""

    kind: str  # a document's status; "failed"; "skipped:" and what it was
    article: bytes = b""  # its row of articles, as the writer of the format takes it
    columns: bytes = b""  # of Parquet: columns whose types JSON does not have
    record: bytes = b""  # its row of records, as the writer of the format takes it
    line: bytes = b""  # its ledger line, JSON; b"" where none was given


class Spool:
    """A spool that is being written.

    Parameters
    ----------
    path
        Of a file that no other process writes; it is made.

    Raises
    ------
    StoppedError
        When it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("xb", buffering=0)
        except OSError as error:
            raise stopped_by(error, path) from error

    def append(self, item: Item) -> None:
        """Write an item at the end, whole or, when the write fails, not at all.

        Raises
        ------
        StoppedError
            When it cannot be written.
        """
        parts = (item.kind.encode(), *item[1:])
        body = b"".join(parts)
        self._write(_HEAD.pack(_MARK, zlib.crc32(body), *map(len, parts)) + body)

    def take(self, other: Path, end: int) -> None:
        """Copy the first `end` bytes of another spool, in pieces; raises as `append` does, and where the other cannot be read."""
        try:
            with other.open("rb") as stream:
                while end and (piece := stream.read(min(end, 1 << 20))):
                    self._write(piece)
                    end -= len(piece)
        except OSError as error:
            raise stopped_by(error, other) from error

    def _write(self, data: bytes) -> None:
        before = self._stream.tell()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            self._stream.truncate(before)
            self._stream.seek(before)
            raise stopped_by(error, self.path) from error

    def close(self) -> None:
        """Close the file; it stays."""
        self._stream.close()

    def remove(self) -> None:
        """Close the file and remove it. Where that fails it is left: it is in nobody's way."""
        self.close()
        with suppress(OSError):
            self.path.unlink()


def items(path: Path) -> Iterator[tuple[Item, int]]:
    """Read the whole items of a spool, each with the byte where it ends."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        end = stream.seek(0)
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            mark, checksum, *lengths = _HEAD.unpack(head)
            end += _HEAD.size + sum(lengths)
            if mark != _MARK or end > size:
                return
            body = stream.read(sum(lengths))
            if zlib.crc32(body) != checksum:
                return
            yield _item(body, lengths), end


def _item(body: bytes, lengths: list[int]) -> Item:
    parts, at = [], 0
    for length in lengths:
        parts.append(body[at : at + length])
        at += length
    kind, article, columns, record, line = parts
    return Item(kind.decode(), article, columns, record, line)
