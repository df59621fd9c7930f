"""The unpacked bytes of a .warc.zst."""

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

from newsfilter.dumps.failures import MissingLibraryError, ReadError
from newsfilter.dumps.readers.opening import Unpacked, unzstd
from newsfilter.dumps.readers.warc_pumps import LOOK_BYTES, START, Fault, next_member

ZSTD = b"(\xb5/\xfd"
SKIPPABLE = re.compile(rb"[\x50-\x5f]\*M\x18")  # frames that hold no data
DICTIONARY = b"]*M\x18"  # the one of them that holds a dictionary
DICTIONARY_BYTES = 1 << 24  # larger ones are not believed
BLOCK_BYTES = 1 << 17  # of a block, at most
REPEATED = 1  # the kind of block that is one byte, repeated


class Zstd:
    """Zstd frames, unpacked a block at a time: then all that stands before damage is there, and four bytes that stand for 128 KB cost no more."""

    def __init__(self, stream: BinaryIO, uri: str) -> None:
        try:
            import zstandard  # noqa: PLC0415 - an extra
        except ImportError:
            raise MissingLibraryError(f"{uri}: a library for zstd is missing; pip install 'newsfilter[zstd]'") from None
        self.fault: Fault | None = None
        self._stream, self._error = stream, zstandard.ZstdError
        self._count = self._begun = self._frame = (
            0  # position: of what comes next, and at which the frame began; byte of the file at which it does
        )
        self._decoder: Any = None  # of a frame that has begun
        self._parts: Iterator[bytes] = iter(())
        self._unpacker = zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(_dictionary(stream, uri)))
        stream.seek(0)

    def more(self) -> bytes:
        while self.fault is None and (self._decoder or self._begin()):
            part = next(self._parts, b"")
            try:
                piece = self._decoder.decompress(part)
            except self._error as error:
                self._fail("damaged-zstd", str(error).rpartition(": ")[2])
                break
            if self._decoder.eof:
                self._decoder = None
            elif not part:
                self._fail("truncated-zstd", "the file ends in this frame")
            self._count += len(piece)
            if piece:
                return cast("bytes", piece)
        return b""

    def offset(self, position: int) -> int:
        return position

    def members(self, start: int, end: int) -> Iterable[int]:  # noqa: ARG002 - they are not read for themselves
        return ()

    def resume(self, stop: int | None) -> bool:  # noqa: ARG002 - packed in frames or not, the file is read as one range
        found = next_member(self._stream, self._frame + 1, None, ZSTD, self._begins_record)
        if found is None:
            return False
        self._stream.seek(found)
        self.fault = self._decoder = None
        return True

    def _begin(self) -> bool:
        """Begin the next frame, skippable ones passed over; False at the file's end, and where none begins."""
        while SKIPPABLE.match(magic := self._stream.read(len(ZSTD))):
            self._stream.seek(int.from_bytes(self._stream.read(4), "little"), os.SEEK_CUR)
        if not magic:
            return False
        self._begun, self._frame = self._count, self._stream.tell() - len(magic)
        if magic != ZSTD:
            self._fail("damaged-zstd", "no zstd frame begins here")
            return False
        self._decoder, self._parts = self._unpacker.decompressobj(), _zstd_parts(self._stream)
        return True

    def _begins_record(self, stream: BinaryIO) -> bool:
        decoder, head = self._unpacker.decompressobj(), b""
        stream.seek(len(ZSTD), os.SEEK_CUR)
        with suppress(self._error):
            for part in _zstd_parts(stream):
                head += decoder.decompress(part)
                if len(head) >= LOOK_BYTES:
                    break
        return START.match(head) is not None

    def _fail(self, reason: str, detail: str) -> None:
        self.fault = Fault(self._count, self._begun, reason, detail)


def _dictionary(stream: BinaryIO, uri: str) -> bytes:
    """The dictionary in the skippable frame before all others, as the convention for .warc.zst has it, packed itself or not; b"" for none."""
    stream.seek(0)
    magic, size = stream.read(len(DICTIONARY)), int.from_bytes(stream.read(4), "little")
    if magic != DICTIONARY or size > DICTIONARY_BYTES:
        return b""
    content = stream.read(size)
    try:
        return Unpacked(unzstd(io.BytesIO(content), uri)).read(DICTIONARY_BYTES) if content.startswith(ZSTD) else content
    except ReadError:
        return b""


def _zstd_parts(stream: BinaryIO) -> Iterator[bytes]:
    """A frame from behind its magic number on, in parts that each complete something: the header (with the magic), a block, the checksum."""
    flags = stream.read(1)
    flag = flags[0] if flags else 0
    one_segment, dictionary, size = flag >> 5 & 1, flag & 3, flag >> 6
    yield ZSTD + flags + stream.read((0 if one_segment else 1) + (0, 1, 2, 4)[dictionary] + (one_segment, 2, 4, 8)[size])
    while len(header := stream.read(3)) == 3:
        block = int.from_bytes(header, "little")
        kind, length = block >> 1 & 3, block >> 3
        yield header + stream.read(1 if kind == REPEATED else min(length, BLOCK_BYTES))
        if block & 1:  # the last
            break
    if flag >> 2 & 1:
        yield stream.read(4)
