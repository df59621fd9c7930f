"""The unpacked bytes of a WARC, plain or gzip, and which gzip member each record begins in."""

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.readers.opening import Unpacked, gunzip

PACKED_BYTES = 1 << 16  # read from a packed file at once: more would be copied at each member's end
PIECE_BYTES = 1 << 18  # unpacked at once, whatever the ratio
SCAN_BYTES = 1 << 20  # searched at once for the next member
LOOK_BYTES = 128  # in which it can be told whether a record begins, with blank lines before it

START = re.compile(rb"WARC/\d{1,2}\.\d{1,3}[ \t]*\r?\n[A-Za-z][A-Za-z0-9_-]{0,60}[ \t]*:")
"""The beginning of a record: the version's line, and the name of a header."""

GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where unpacking stopped."""

    offset: int  # as `Pump.offset` says
    begun: int  # position in the unpacked data at which the broken member or frame begins
    reason: str  # a key of reading.FAILURES
    detail: str


class Pump(Protocol):
    """A file's unpacked bytes, from some place on. Positions count them; those of a plain file from its beginning."""

    fault: Fault | None

    def more(self) -> bytes:
        """Return the next bytes; none at the end and at a fault."""

    def offset(self, position: int) -> int:
        """Return where a record at a position is to be found: the byte of the file, or of its gzip member, or of the unpacked stream.

        Positions that are asked for may only grow.
        """

    def members(self, start: int, end: int) -> Iterable[int]:
        """Return the positions from `start` on and before `end` at which members begin that are read for themselves, as far as it is known."""

    def resume(self, stop: int | None) -> bool:
        """Go on behind the fault, with the next member that begins with a record; False when there is none before byte `stop` of the file."""


class Plain:
    """A file that is not packed."""

    def __init__(self, stream: BinaryIO, at: int) -> None:
        stream.seek(at)
        self.fault: Fault | None = None
        self._stream = stream

    def more(self) -> bytes:
        return self._stream.read(PIECE_BYTES)

    def offset(self, position: int) -> int:
        return position

    def members(self, start: int, end: int) -> Iterable[int]:  # noqa: ARG002 - there are none
        return ()

    def resume(self, stop: int | None) -> bool:  # noqa: ARG002 - there are no members
        return False


class Gzip:
    """Gzip members. No piece crosses from one into the next."""

    def __init__(self, stream: BinaryIO, at: int, *, by_member: bool) -> None:
        self.fault: Fault | None = None
        self._stream, self._by_member = stream, by_member  # by_member: whether offsets are those of members
        self._count = self._begun = 0  # position: of what comes next, and at which the member began
        self._members: deque[tuple[int, int]] = (
            deque()
        )  # position and byte of the file at which each begins, as long as it may be asked for
        self._packed, self._at, self._member = (
            b"",
            at,
            at,
        )  # read and not unpacked; byte of the file at which it, and at which the member begins
        self._decoder: Any = None  # of a member that has begun
        stream.seek(at)

    def more(self) -> bytes:
        while self.fault is None and (self._decoder or self._begin()):
            before = self._decoder.copy()
            try:
                piece = self._decoder.decompress(self._packed, PIECE_BYTES)
            except zlib.error as error:
                piece = _before_damage(before, self._packed)
                self._fail("damaged-gzip", str(error).rpartition(": ")[2])
            else:
                rest = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
                self._at, self._packed = self._at + len(self._packed) - len(rest), rest
                if self._decoder.eof:
                    self._decoder = None
                elif not piece and not rest and not self._read():
                    self._fail("truncated-gzip", "the file ends in this member")
            self._count += len(piece)
            if piece:
                return cast("bytes", piece)
        return b""

    def offset(self, position: int) -> int:
        if not self._by_member:
            return position
        while len(self._members) > 1 and self._members[1][0] <= position:
            self._members.popleft()
        return self._members[0][1]

    def members(self, start: int, end: int) -> Iterable[int]:
        for position, _ in self._members:
            if position >= end:
                return
            if position >= start:
                yield position

    def resume(self, stop: int | None) -> bool:
        found = next_gzip_member(self._stream, self._member + 1, stop)
        if found is None:
            return False
        self._stream.seek(found)
        self.fault, self._decoder, self._packed, self._at = None, None, b"", found
        return True

    def _read(self) -> bool:
        data = self._stream.read(PACKED_BYTES)
        self._packed += data
        return bool(data)

    def _begin(self) -> bool:
        """Begin the next member, zero bytes before it passed over; False at the file's end, and where none begins."""
        while True:
            packed = self._packed.lstrip(b"\0")
            self._at, self._packed = self._at + len(self._packed) - len(packed), packed
            if len(packed) >= len(GZIP) or not self._read():
                break
        if not self._packed:
            return False
        self._member, self._begun = self._at, self._count
        if self._by_member:
            self._members.append((self._count, self._at))
        if not GZIP.startswith(self._packed[: len(GZIP)]):
            self._fail("damaged-gzip", "no gzip member begins here")
            return False
        self._decoder = zlib.decompressobj(wbits=31)
        return True

    def _fail(self, reason: str, detail: str) -> None:
        self.fault = Fault(self._member if self._by_member else self._count, self._begun, reason, detail)


def next_member(stream: BinaryIO, start: int, stop: int | None, magic: bytes, begins_record: Callable[[BinaryIO], bool]) -> int | None:
    """Return the first byte from `start` on, and before `stop`, at which a member begins that begins with a record."""
    base, data = start, b""  # byte of the file at which `data` begins
    while stop is None or base < stop:
        stream.seek(base + len(data))
        piece = stream.read(SCAN_BYTES)
        if not piece:
            return None
        data += piece
        place = data.find(magic)
        while place >= 0 and (stop is None or base + place < stop):
            stream.seek(base + place)
            if begins_record(stream):
                return base + place
            place = data.find(magic, place + 1)
        kept = data[-(len(magic) - 1) :]
        base, data = base + len(data) - len(kept), kept
    return None


def next_gzip_member(stream: BinaryIO, start: int, stop: int | None) -> int | None:
    """Return the first byte from `start` on, and before `stop`, at which a gzip member begins that begins with a record."""
    return next_member(stream, start, stop, GZIP, _gzip_begins_record)


def _gzip_begins_record(stream: BinaryIO) -> bool:
    try:
        return START.match(Unpacked(gunzip(stream, "")).read(LOOK_BYTES)) is not None
    except ReadError:
        return False


def _before_damage(decoder: Any, packed: bytes) -> bytes:
    """What the bytes before the damaged one unpack to, byte by byte, so that it does not depend on where reading began."""
    parts = []
    for place in range(len(packed)):
        try:
            parts.append(decoder.decompress(packed[place : place + 1]))
        except zlib.error:
            break
    return b"".join(parts)
