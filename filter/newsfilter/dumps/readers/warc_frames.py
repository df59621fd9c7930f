"""Where the records of a WARC begin and end, in sound files and in broken ones.

fastwarc's own iterator takes a record whose Content-Length is too large, or that the end of the file cuts, for a sound one, without a word about the
records it swallows, and it ends at the first garbage. So records are told apart here, and fastwarc parses each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from newsfilter.dumps.readers.warc_pumps import LOOK_BYTES, PIECE_BYTES, START, Fault, Pump

HEAD_BYTES = 1 << 16  # of a record's header; a longer one is damage

_LENGTH = re.compile(rb"^Content-Length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_NAMES = re.compile(rb"^WARC-(?:Type|Date|Record-ID)(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_WANTED = re.compile(rb"^WARC-Type[ \t]*:[ \t]*(?:response|resource|conversion)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BLANK = b"\r\n\0"  # between records, and what preallocated files are filled up with
_BLANK_RUN = re.compile(rb"[\r\n\0]*")


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as bytes, or a stretch that is none."""

    offset: int  # where the record begins, as `Pump.offset` says
    begins: bool = False  # whether a record was seen to begin here; else this stretch goes with the record before it
    part: int = 0  # which of those at this offset, from 0: a gzip member may hold several
    head: bytes = b""  # the record's header, with the blank line
    content: bytes = b""  # of types that may hold a document; the first `HEAD_BYTES` where the record is longer than was asked for
    length: int = 0  # of the content, as the header has it
    reason: str | None = None  # a key of reading.FAILURES, when the record is damaged
    detail: str = ""


class Feed:
    """The bytes of a pump that are being looked at."""

    def __init__(self, pump: Pump, position: int, limit: int | None = None) -> None:
        self.pump, self.data, self.position = pump, bytearray(), position
        self.limit = limit  # position behind which no record is looked for

    def fill(self, size: int) -> bool:
        """Have `size` bytes at hand, unless the data end before."""
        while len(self.data) < size:
            piece = self.pump.more()
            if not piece:
                return False
            self.data += piece
        return True

    def drop(self, size: int) -> None:
        del self.data[:size]
        self.position += size

    def drop_blank(self) -> None:
        while self.fill(1) and self.data[0] in _BLANK:
            self.drop(cast("re.Match[bytes]", _BLANK_RUN.match(self.data)).end())

    def find(self, skip: int) -> bool:
        """Go to the first record that begins `skip` bytes on or later; False, and no data are left, when there is none before `limit`."""
        self.drop(skip)
        while not (found := START.search(self.data)):
            self.drop(max(len(self.data) - LOOK_BYTES, 0))
            if (self.limit is not None and self.position >= self.limit) or not self.fill(len(self.data) + 1):
                self.drop(len(self.data))
                return False
        self.drop(found.start())
        return True

    def crosses(self, size: int) -> bool:
        """Say whether a gzip member that begins with a record begins in the next `size` bytes, behind the first: no record reaches into it."""
        places = (position - self.position for position in self.pump.members(self.position + 1, self.position + size))
        return any(START.match(self.data, place) for place in places)

    def ends_at(self, size: int) -> bool:
        """Say whether a record that has `size` more bytes ends there: a blank line, the next record or nothing follows."""
        self.fill(size + LOOK_BYTES)
        tail = self.data[size : size + LOOK_BYTES]
        rest = tail.lstrip(_BLANK)
        blank, follows = tail.startswith(b"\r\n\r\n"), not rest or START.match(rest) is not None
        # Of the two, one may be missing: writers leave out the blank line, and garbage may follow. But then a length that is too large may also have
        # ended by chance in the blank lines of a record that it swallowed.
        return (blank and follows) or ((blank or follows) and START.search(self.data, 1, size) is None)

    def breaks_at(self, size: int, begun: int) -> bool:
        """Say whether nothing follows because a gzip member that began at position `begun` is broken: its checksum is wrong, or was never reached."""
        whole = self.fill(size + LOOK_BYTES)
        fault = self.pump.fault
        return not whole and fault is not None and fault.begun == begun and not self.data[size:].strip(_BLANK)


def frames(feed: Feed, hold: int, stop: int | None) -> Iterator[Frame]:
    """Yield the records from where the feed stands, which is where one, or the file, begins.

    Behind a damaged record the next is looked for, from its header on, so that nothing is lost that its Content-Length only seemed to cover.

    Parameters
    ----------
    hold
        Bytes of a record that are kept at hand. Of a longer one the content is cut, and its Content-Length is believed no further than to where
        the next record seems to begin.
    stop
        Byte of a file of gzip members behind which no member is looked for.
    """
    last, part = -1, 0
    told: Fault | None = None  # the fault that has been reported
    while True:
        feed.drop_blank()
        fault, position, skip = feed.pump.fault, feed.position, 0
        if feed.data:
            frame, skip = _record(feed, hold)
        elif fault is None:
            return
        elif fault is not told:
            frame, told = Frame(fault.offset, reason=fault.reason, detail=fault.detail), fault
        elif feed.pump.resume(stop):
            continue
        else:
            return
        last, part = frame.offset, part + 1 if frame.offset == last else 0
        yield replace(frame, part=part) if part else frame
        if frame.reason and not feed.find(skip):
            if feed.limit is not None:
                return
            fault = feed.pump.fault
            told = fault if fault and fault.begun <= position else None  # a failed record's own member: one failure, not two


def _record(feed: Feed, hold: int) -> tuple[Frame, int]:
    """The record, or garbage, that begins here, dropped if it is sound; of a damaged one also how many bytes on the next may begin."""
    feed.fill(HEAD_BYTES // 16)  # all of nearly every header
    frame = Frame(feed.pump.offset(feed.position), begins=START.match(feed.data) is not None)
    if not frame.begins:
        return replace(frame, reason="damaged-warc", detail="no record begins here"), 1
    size = _head_size(feed.data)
    if not size:
        whole = feed.fill(HEAD_BYTES)
        size = _head_size(feed.data)
        if not size:
            return replace(frame, reason="damaged-warc", detail="the header does not end") if whole else _cut(feed, frame), len(b"WARC/")
    head = bytes(feed.data[:size])
    # An address may end in WARC/1.0, but no record has two types, dates and names.
    if (inner := START.search(head, 1)) and len(names := _NAMES.findall(head)) > len(set(names)):
        return replace(frame, reason="damaged-warc", detail="another record begins in its header"), inner.start()
    length = _LENGTH.search(head)
    if length is None:
        return replace(frame, reason="damaged-warc", detail="no Content-Length"), len(head)
    frame = replace(frame, head=head, length=int(length[1]))
    return (_short if len(head) + frame.length <= hold else _long)(feed, frame, hold)


def _head_size(data: bytearray) -> int:
    """How long a record's header is, with its blank line; 0 when it does not end."""
    ends = [place + len(mark) for mark in (b"\n\r\n", b"\n\n") if (place := data.find(mark, 0, HEAD_BYTES)) >= 0]
    return min(ends, default=0)


def _short(feed: Feed, frame: Frame, hold: int) -> tuple[Frame, int]:  # noqa: ARG001 - _long needs it
    """A record that is kept at hand until its end has been seen."""
    start, size = len(frame.head), len(frame.head) + frame.length
    if not feed.fill(size) or feed.breaks_at(size, feed.position):
        return _cut(feed, frame), start
    if feed.crosses(size) or not feed.ends_at(size):
        return _misfit(frame), start
    content = bytes(memoryview(feed.data)[start:size]) if _WANTED.search(frame.head) else b""
    feed.drop(size)
    return replace(frame, content=content), 0


def _long(feed: Feed, frame: Frame, hold: int) -> tuple[Frame, int]:
    """A record that is passed over, but for its beginning, and that is left where another seems to begin in it, unless that fits inside."""
    begun, start = feed.position, len(frame.head)
    end = begun + start + frame.length
    feed.fill(start + HEAD_BYTES)
    if _WANTED.search(frame.head):
        frame = replace(frame, content=bytes(feed.data[start : start + HEAD_BYTES]))
    feed.drop(start)
    while left := end - feed.position:
        whole = feed.fill(min(left, PIECE_BYTES) + LOOK_BYTES)
        inner = START.search(feed.data)
        if inner and inner.start() < left:
            feed.drop(inner.start())
            left -= inner.start()
            own = any(True for _ in feed.pump.members(feed.position, feed.position + 1))
            if own or left > hold or not feed.fill(left) or feed.crosses(left) or not feed.ends_at(left):
                return _misfit(frame), 0
            feed.drop(left)
        elif len(feed.data) >= left:
            feed.drop(left)
        elif whole:
            feed.drop(len(feed.data) - LOOK_BYTES)
        else:
            return _cut(feed, frame), len(feed.data)
    if feed.breaks_at(0, begun):
        return _cut(feed, frame), 0
    return frame if feed.ends_at(0) else _misfit(frame), 0


def _cut(feed: Feed, frame: Frame) -> Frame:
    fault = feed.pump.fault
    return (
        replace(frame, reason=fault.reason, detail=fault.detail)
        if fault
        else replace(frame, reason="truncated-warc", detail="the file ends in it")
    )


def _misfit(frame: Frame) -> Frame:
    return replace(frame, reason="damaged-warc", detail=f"it does not end after {frame.length} bytes, its Content-Length")
