"""WARC, plain, gzip or zstd: the responses, resources and conversions that hold pages or text.

Plain files and those with a gzip member for each record are read in ranges of bytes, others as one. A range's first record is looked for from some way
before the range on, so that what looks like a record inside of another is seen to be none; all that goes before the range is thrown away.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from newsfilter.dumps.documents import Failed, Item
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.readers.warc_frames import HEAD_BYTES, Feed, Frame, frames
from newsfilter.dumps.readers.warc_items import item_of
from newsfilter.dumps.readers.warc_pumps import GZIP, Gzip, Plain, next_gzip_member
from newsfilter.dumps.readers.warc_zstd import SKIPPABLE, ZSTD, Zstd
from newsfilter.records import Source, document_id

LOOKBACK_BYTES = 4 << 20  # before a range; what looks like a record inside of a longer one may be taken for a record
HOLD_BYTES = 16 << 20  # of a record that are kept at hand, at least
UNLIMITED_BYTES = 1 << 30  # of the same, where the user sets no limit

_Layout = Literal["plain", "gzip-members", "gzip", "zstd"]


def split(path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:  # noqa: ARG001 - the interface of all readers
    """Yield ranges of `options.shard_bytes`, as `readers.Reader` says.

    Raises
    ------
    ReadError
        When the file cannot be opened.
    """
    with open_binary(path) as stream:
        splits = _layout(stream) in ("plain", "gzip-members")
        last = max(stream.seek(0, os.SEEK_END) - 1, 0) // options.shard_bytes if splits else 0
    for number in range(last):
        yield number * options.shard_bytes, (number + 1) * options.shard_bytes
    yield last * options.shard_bytes, None


def read(path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:
    """Yield what the records hold that begin in a range of bytes; garbage goes with the record before it.

    Storage that fails in the middle is one more `Failed`, and the end.

    Raises
    ------
    ReadError
        When the file cannot be opened.
    """
    at = start
    with open_binary(path) as stream:
        try:
            for frame in _owned(_frames(stream, uri, start, stop, _hold(options)), start, stop):
                at = frame.offset
                yield item_of(frame, uri, options.max_bytes)
        except OSError as error:
            place = Source(b"", uri=uri, member="unread", offset=at)
            yield Failed(document_id(place), uri, "unreadable", f"somewhere behind byte {at}: {error.strerror or error}", offset=at)


def _hold(options: ReadOptions) -> int:
    # Twice the limit, since chunks make a body longer than it is.
    return max(HOLD_BYTES, 2 * options.max_bytes + HEAD_BYTES) if options.max_bytes else UNLIMITED_BYTES


def _layout(stream: BinaryIO) -> _Layout:
    """How a file is packed, by its first bytes and its first two records; the stream is left anywhere."""
    stream.seek(0)
    head = stream.read(4)
    if head == ZSTD or SKIPPABLE.match(head):
        return "zstd"
    if not head.startswith(GZIP):
        return "plain"
    found = frames(Feed(Gzip(stream, 0, by_member=True), 0), HOLD_BYTES, LOOKBACK_BYTES)
    first, second = next(found, None), next(found, None)
    return "gzip" if first and second and first.offset == second.offset else "gzip-members"


def _frames(stream: BinaryIO, uri: str, start: int, stop: int | None, hold: int) -> Iterator[Frame]:
    """The records of a range, and some before it."""
    layout = _layout(stream)
    if layout in ("gzip", "zstd"):
        return frames(Feed(Zstd(stream, uri) if layout == "zstd" else Gzip(stream, 0, by_member=False), 0), hold, None)
    begin = max(start - LOOKBACK_BYTES, 0)
    if layout == "plain":
        feed = Feed(Plain(stream, begin), begin, stop)
        return frames(feed, hold, stop) if not begin or feed.find(0) else iter(())
    first = next_gzip_member(stream, begin, stop) if begin else 0
    return iter(()) if first is None else frames(Feed(Gzip(stream, first, by_member=True), 0), hold, stop)


def _owned(found: Iterator[Frame], start: int, stop: int | None) -> Iterator[Frame]:
    """Of some records, those that begin in a range, each with the garbage behind it; at the file's beginning also the garbage before the first."""
    inside = start == 0
    for frame in found:
        if frame.begins:
            if stop is not None and frame.offset >= stop:
                return
            inside = inside or frame.offset >= start
        if inside:
            yield frame
