"""Pages in zip and tar archives, the latter also packed with gzip or zstd, read in the archive's order and never written anywhere.

Both formats are walked here: the standard library's modules keep 600 bytes of every member in memory, stop without a word at a damaged tar header,
believe the sizes that headers claim, and read nothing of a zip that was cut off.
"""

import bz2
import os
import re
import stat
import struct
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.magic import HEAD_BYTES, kind_of
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.opening import PACKED_BYTES, PIECE_BYTES, Pieces, Unpacked, gunzip, open_binary, unpacked
from newsfilter.dumps.reading import Skipped
from newsfilter.dumps.reading import read as read_loose
from newsfilter.dumps.sources import HOUSEKEEPING_FOLDERS, Entry, as_uri
from newsfilter.records import Source, document_id

BOMB_RATIO = 200  # unpacked to packed bytes; of 3,062 real pages none packs better than 26 : 1. Who loses: pages of nothing but blanks
BOMB_BYTES = 1_000_000  # nothing smaller is a bomb, whatever its ratio
ABANDON_BYTES = 1_000_000_000  # how far a packed tar of bombs is followed to reach what stands behind them: seconds, not hours
HEADER_BYTES = 1 << 20  # of a tar's long name or pax header; a larger one is no name
DIRECTORY_BYTES = 1 << 22  # of a zip's directory, read at once: remote storage answers each jump with a request
BLOCK = tarfile.BLOCKSIZE
_ZEROS = bytes(BLOCK)
_EXTENDING = (b"L", b"K", b"x", b"X", b"g")  # headers that say something of the next member, or of all

_RECORD = struct.Struct(
    "<4sxB2x2H4x3L3H4x2L"
)  # of a zip's directory: mark, system, flags, method, crc, packed, size, 3 lengths, mode, offset
_LOCAL = struct.Struct("<4s2x2H4x3L2H")  # before a member's data: mark, flags, method, crc, packed, size, 2 lengths
_END = struct.Struct("<4s6xH2L2x")  # mark; members, bytes and offset of the directory
_END64 = struct.Struct("<4s28x3Q")  # the same for more than 4 GB or 65,535 members
_LOCATOR = struct.Struct("<4s4xQ4x")  # where that is: mark, offset
_MOST_RECORD = _RECORD.size + 3 * 0xFFFF
_WIDE = 0xFFFFFFFF  # stands for a number in the zip64 field
_UNIX = (3, 19)  # systems that put a file's mode into the directory
_ENCRYPTED, _SIZES_FOLLOW = 1, 8  # flags
_DECODERS: dict[int, Callable[[], Any]] = {8: lambda: zlib.decompressobj(wbits=-15), 12: bz2.BZ2Decompressor}  # by method; 0 is stored
_TAR_KINDS = {b"1": "repeated", b"2": "symlink", b"5": "directory"} | dict.fromkeys((b"3", b"4", b"6", b"V"), "special")  # none has data


@dataclass(frozen=True, slots=True)
class _Member:
    name: str  # of no meaning but for people: never a path
    at: int  # zip: of its local header; tar: of its data
    size: int  # bytes that its data take in the archive
    kind: str | None = None  # what it is instead of a document, as far as its header tells
    fault: tuple[str, str] | None = None  # why it cannot be read: reason and detail
    method: int = 0
    crc: int | None = None  # None: not known


def split(path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:  # noqa: ARG001 - every reader has these
    """Yield one range: an archive has one reader. Raises `InputError` when the library that unpacks it is missing."""
    with suppress(ReadError, OSError), open_binary(path) as stream:  # `read` will say what is wrong
        unpacked(stream, uri)
    yield 0, None


def read(path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:  # noqa: ARG001 - as above
    """Yield an archive's members in its order; whether it is zip or tar is told by content.

    A gzipped member is unpacked, once. Of a member larger than ``options.max_bytes`` the document holds one byte more than that, so that cleaning
    rejects it as too large, and no more is unpacked but what the decoder had in hand (256 KB). A member fails as ``encrypted``, ``damaged-archive``,
    ``truncated-archive``, ``unsupported-member`` or ``zip-bomb``, or as a loose file does; `Failed.detail` begins with its name. What is wrong with the
    archive itself is a failure of its own, with the id of the archive's URI and the byte.
    """
    try:
        with open_binary(path) as stream:
            yield from _members(stream, uri, options)
    except (ReadError, OSError) as error:
        yield _failed(Source(raw=b"", uri=uri, offset=0), error)


def _members(stream: BinaryIO, uri: str, options: ReadOptions) -> Iterator[Item]:
    head = stream.read(BLOCK)
    stream.seek(0)
    if not head:
        raise ReadError(uri, "truncated-archive", "the file is empty")
    whole = unpacked(stream, uri)
    if whole is stream and head[257:262] != b"ustar" and (head.startswith(b"PK") or _find_directory(stream)):
        return _read_zip(stream, uri, options)
    return _read_tar(whole, uri, options)


def _failed(source: Source, error: ReadError | OSError) -> Failed:
    where = f"byte {source.offset}" if source.member is None else source.member
    said = (error.reason, error.detail) if isinstance(error, ReadError) else ("unreadable", error.strerror or type(error).__name__)
    return Failed(document_id(source), source.uri, said[0], f"{where}: {said[1]}" if said[1] else where, source.member, source.offset)


def _item(uri: str, member: _Member, pieces: Pieces, options: ReadOptions) -> Item:
    source = Source(raw=b"", uri=uri, member=member.name)
    try:
        if member.kind:
            return Passed(uri, member.kind)
        kind, raw = _content(uri, member, Unpacked(pieces), options.max_bytes)
        return Passed(uri, kind) if kind else Document(replace(source, raw=raw))
    except (ReadError, OSError) as error:
        return _failed(source, error)


def _content(uri: str, member: _Member, stream: Unpacked, max_bytes: int) -> tuple[str | None, bytes]:
    """What a member is instead of a document, or its bytes."""
    if member.fault:
        raise ReadError(uri, *member.fault)
    layers, name = [stream], member.name
    if stream.peek(2) == b"\x1f\x8b":
        layers.append(Unpacked(gunzip(stream, uri)))  # type: ignore[arg-type]
        name = name.removesuffix(".gz")
    if kind := kind_of(layers[-1].peek(HEAD_BYTES), name):
        return kind, b""
    parts, left = [], max_bytes + 1 if max_bytes else sys.maxsize
    while left and (part := layers[-1].read(min(left, PIECE_BYTES))):
        parts.append(part)
        left -= len(part)
        for layer in layers:
            if layer.tell() > BOMB_BYTES and _is_bomb(layer):
                raise ReadError(uri, "zip-bomb", f"{layer.packed} bytes unpack to {layer.tell()} and more")
    raw = b"".join(parts)
    found = read_loose(Entry(name, "", raw=raw), 0)  # whether it is a container
    return (found.kind, b"") if isinstance(found, Skipped) else (None, raw)


def _is_bomb(stream: Unpacked) -> bool:
    return stream.tell() > BOMB_RATIO * stream.packed


def _kind_by_name(name: str) -> str | None:
    folders = name.replace("\\", "/").lower().split("/")[:-1]
    return "housekeeping" if HOUSEKEEPING_FOLDERS.intersection(folders) else None


def _section(stream: BinaryIO, uri: str, size: int, packed: Callable[[], int] | None = None) -> Pieces:
    """The next `size` bytes as they are; `packed` says how many bytes all that was read so far took where the archive is packed."""
    done, before = 0, packed() if packed else 0
    while done < size:
        data = stream.read(min(PACKED_BYTES, size - done))
        if not data:
            raise ReadError(uri, "truncated-archive", f"{done} of {size} bytes are there")
        done += len(data)
        yield data, packed() - before if packed else done


def _read_zip(stream: BinaryIO, uri: str, options: ReadOptions) -> Iterator[Item]:
    size, claimed = stream.seek(0, os.SEEK_END), 0
    directory = _find_directory(stream)
    for member in _listed(stream, uri, *directory) if directory else _scanned(stream, size):
        claimed += member.size
        if not 0 <= member.at <= size - member.size:
            found = replace(member, fault=("truncated-archive", f"bytes {member.at} to {member.at + member.size} are not all there"))
        elif claimed > size:  # many members that share their data: 10 MB of archive stand for petabytes
            found = replace(member, fault=("zip-bomb", "members overlap"))
        else:
            found = member
        yield _item(uri, found, _zip_pieces(stream, uri, member), options)
    if not directory:
        raise ReadError(
            uri, "truncated-archive", "it has no directory of all its members; they were read by their own headers, as far as these go"
        )


def _zip_pieces(stream: BinaryIO, uri: str, member: _Member) -> Pieces:
    stream.seek(member.at)
    header = stream.read(_LOCAL.size)
    if not header.startswith(b"PK\3\4") or len(header) < _LOCAL.size:
        raise ReadError(uri, "damaged-archive", f"no member begins at byte {member.at}")
    stream.seek(sum(_LOCAL.unpack(header)[-2:]), os.SEEK_CUR)
    pieces, crc = _section(stream, uri, member.size), 0
    for piece, used in _decoded(pieces, uri, _DECODERS[member.method]()) if member.method else pieces:
        crc = zlib.crc32(piece, crc)
        yield piece, used
    if member.crc not in (None, crc):
        raise ReadError(uri, "damaged-archive", "the checksum is wrong")


def _decoded(packed: Pieces, uri: str, decoder: Any) -> Pieces:
    for data, used in packed:
        piece: bytes | None = None
        while not decoder.eof and (data or piece is None or len(piece) == PIECE_BYTES):
            try:
                piece = decoder.decompress(data, PIECE_BYTES)
            except (zlib.error, OSError) as error:
                raise ReadError(uri, "damaged-archive", str(error)) from None
            data = getattr(decoder, "unconsumed_tail", b"")  # noqa: PLW2901 - what zlib could not take yet; bz2 keeps it
            yield piece, used - len(data)
    if not decoder.eof:
        raise ReadError(uri, "damaged-archive", "the data end too early")


def _find_directory(stream: BinaryIO) -> tuple[int, int, int, int] | None:
    """Where a zip's directory begins and ends, how far all its offsets are off (by what stands before the archive), and how many members it has."""
    size = stream.seek(0, os.SEEK_END)
    base = max(0, size - 0xFFFF - _END.size - _LOCATOR.size)
    stream.seek(base)
    tail = stream.read(size - base)
    at = tail.rfind(b"PK\5\6")
    if not 0 <= at <= len(tail) - _END.size:
        return None
    end, (_, total, length, offset) = base + at, _END.unpack_from(tail, at)
    if at >= _LOCATOR.size and tail.startswith(b"PK\6\7", at - _LOCATOR.size):
        end = min(_LOCATOR.unpack_from(tail, at - _LOCATOR.size)[1], size)
        stream.seek(end)
        block = stream.read(_END64.size)
        if not block.startswith(b"PK\6\6") or len(block) < _END64.size:
            return None
        _, total, length, offset = _END64.unpack(block)
    start = end - length
    stream.seek(0)
    begins_here = stream.read(4) == b"PK\3\4"
    if start < 0 or (start != offset and begins_here):  # the directory of the last of several archives, or of one inside
        return None
    stream.seek(start)
    return (start, end, start - offset, total) if not total or stream.read(4) == b"PK\1\2" else None


def _listed(stream: BinaryIO, uri: str, start: int, end: int, shift: int, total: int) -> Iterator[_Member]:
    """The members in a zip's directory."""
    slab, base, at, count = b"", start, start, 0
    while at < end:
        if at + _MOST_RECORD > base + len(slab) < end:
            stream.seek(at)
            slab, base = stream.read(min(DIRECTORY_BYTES, end - at)), at
        here = at - base
        if not slab.startswith(b"PK\1\2", here) or len(slab) - here < _RECORD.size:
            break
        _, system, flags, method, crc, packed, size, *lengths, mode, local = _RECORD.unpack_from(slab, here)
        names = here + _RECORD.size, here + _RECORD.size + lengths[0], here + _RECORD.size + lengths[0] + lengths[1]
        packed, local = _wide(slab[names[1] : names[2]], size, packed, local)
        member = _zip_member(slab[names[0] : names[1]], flags, method, local + shift, packed)
        file_type = stat.S_IFMT(mode >> 16) if system in _UNIX else 0
        if file_type in (stat.S_IFDIR, stat.S_IFLNK):
            member = replace(member, kind="directory" if file_type == stat.S_IFDIR else "symlink")
        elif file_type not in (0, stat.S_IFREG) and not packed:  # what was zipped from a pipe has its mode, and data
            member = replace(member, kind="special")
        yield replace(member, crc=crc)
        at, count = at + _RECORD.size + sum(lengths), count + 1
    if count & 0xFFFF != total & 0xFFFF:  # some writers count more than 65,535 members round
        raise ReadError(uri, "damaged-archive", f"the directory breaks off at byte {at}, after {count} of {total} members")


def _wide(extra: bytes, size: int, packed: int, local: int) -> tuple[int, int]:
    """Packed size and offset, from the zip64 field where they did not fit."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            field = extra[at + 4 : at + 4 + length]
            values = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            wide = [next(values, number) if number == _WIDE else number for number in (size, packed, local)]
            return wide[1], wide[2]
        at += 4 + length
    return packed, local


def _zip_member(raw: bytes, flags: int, method: int, at: int, size: int) -> _Member:
    try:
        name = raw.decode()  # whatever the flag says: macOS writes UTF-8 without it
    except UnicodeDecodeError:
        name = raw.decode("cp437")
    kind, fault = "directory" if name.endswith("/") else _kind_by_name(name), None
    if flags & _ENCRYPTED:
        fault = ("encrypted", "")
    elif method and method not in _DECODERS:
        fault = ("unsupported-member", f"compression method {method}")
    return _Member(name, at, size, kind, fault, method)


def _scanned(stream: BinaryIO, end: int) -> Iterator[_Member]:
    """The members of a zip without directory."""
    at = _find(stream, 0)
    while at >= 0:
        stream.seek(at)
        header = stream.read(_LOCAL.size)
        if len(header) < _LOCAL.size:
            return
        _, flags, method, crc, packed, size, *lengths = _LOCAL.unpack(header)
        name, extra = stream.read(lengths[0]), stream.read(lengths[1])
        data = at + _LOCAL.size + sum(lengths)
        packed, _ = _wide(extra, size, packed, 0)
        unknown = bool(flags & _SIZES_FOLLOW) and not packed
        after = _find(stream, min(data + packed, end))
        member = _zip_member(name, flags, method, at, (after if after >= 0 else end) - data if unknown else packed)
        if unknown and not method and not member.fault:
            member = replace(member, fault=("unsupported-member", "its size is nowhere"))
        yield replace(member, crc=None if flags & _SIZES_FOLLOW else crc)
        at = after


def _find(stream: BinaryIO, at: int) -> int:
    """Where the next member of a zip begins, or -1."""
    mark, tail = b"PK\3\4", b""
    stream.seek(at)
    while chunk := stream.read(DIRECTORY_BYTES):
        found = (tail + chunk).find(mark)
        if found >= 0:
            return at - len(tail) + found
        at, tail = at + len(chunk), (tail + chunk)[1 - len(mark) :]
    return -1


def _read_tar(stream: BinaryIO, uri: str, options: ReadOptions) -> Iterator[Item]:
    tape = _Tape(stream, uri)
    item: Item | None = None
    said: dict[str, str] = {}  # by headers before a member's own, where its path or size do not fit into that
    sound, ended = True, False
    try:
        while block := tape.block():
            ended = block == _ZEROS
            if ended:  # and yet not the last word: archives are put behind one another
                continue
            header = _tar_header(block)
            if header is None:
                if sound:
                    damage = ReadError(uri, "damaged-archive", "no member's header; the search for the next one begins here")
                    yield _failed(Source(raw=b"", uri=uri, offset=tape.at - BLOCK), damage)
                said, sound = {}, False
            elif header.type in _EXTENDING:
                said |= _extended(header.type, tape.data(header.size))
            else:
                member = _tar_member(header, block, tape, said)
                item = _item(uri, member, tape.pieces(member.size), options)
                yield item
                tape.skip(member.size)
                said, sound = {}, True
        if not ended:  # most programs say nothing, but one tar in forty that was cut off at a full block ends like this
            raise ReadError(uri, "truncated-archive", "the end mark is missing, and members with it perhaps")  # noqa: TRY301 - as other truncations
    except (ReadError, OSError) as error:
        failure = _failed(Source(raw=b"", uri=uri, offset=tape.at), error)
        told = isinstance(item, Failed) and (tape.broken() or item.reason == "truncated-archive")  # by the member that it happened in
        if not told and (sound or failure.reason != "truncated-archive"):
            yield failure


class _Tape:
    """The bytes of a tar, forward. A plain file is jumped about in; a packed one has to be unpacked up to where the next member begins."""

    def __init__(self, stream: BinaryIO, uri: str) -> None:
        self.at = 0  # where the next block begins
        self._needed = 0  # how far the data before it reach
        self._stream, self._uri = stream, uri
        self._packed = stream if isinstance(stream, Unpacked) else None
        self._size = 0 if self._packed else stream.seek(0, os.SEEK_END)

    def block(self) -> bytes:
        """Return the next block, b"" at the end."""
        if self._packed:
            self._unpack_up_to(self._packed)
        elif self._needed <= self._size:
            self._stream.seek(self.at)
        if self._needed > (self._packed.tell() if self._packed else self._size):
            raise ReadError(self._uri, "truncated-archive", f"the data before byte {self._needed} are not all there")
        block = self._stream.read(BLOCK)
        if 0 < len(block) < BLOCK and block.strip(b"\0"):
            raise ReadError(self._uri, "truncated-archive", "in a header")
        if len(block) < BLOCK:
            return b""
        self.skip(BLOCK)
        return block

    def data(self, size: int) -> bytes:
        """Return what an extended header holds; b"" where it is too large to be one."""
        content = self._stream.read(size) if size <= HEADER_BYTES else b""
        self.skip(size)
        return content

    def pieces(self, size: int) -> Pieces:
        """Return a member's data, from here on."""
        packed = self._packed
        return _section(self._stream, self._uri, size, (lambda: packed.packed) if packed else None)

    def broken(self) -> bool:
        """Say whether what the tar is packed in is damaged, so that nothing more comes."""
        return self._packed is not None and self._packed.fault is not None

    def skip(self, size: int) -> None:
        """Go on to the block behind `size` bytes, when it is asked for."""
        self._needed = self.at + size
        self.at += -(-size // BLOCK) * BLOCK

    def _unpack_up_to(self, stream: Unpacked) -> None:
        going = True
        while going:
            if stream.tell() > ABANDON_BYTES and _is_bomb(stream):
                detail = f"{stream.packed} bytes unpack to {stream.tell()} and more; what follows is not read"
                raise ReadError(self._uri, "zip-bomb", detail)
            going = stream.tell() < self.at and stream.read(min(self.at - stream.tell(), PIECE_BYTES)) != b""


def _tar_header(block: bytes) -> tarfile.TarInfo | None:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return header if header.size >= 0 else None


def _extended(kind: bytes, content: bytes) -> dict[str, str]:
    """What a GNU long name or a pax header says of the member behind it."""
    if kind == b"L":
        return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    found: dict[str, str] = {}
    while kind in b"xX" and (size := re.match(rb"(\d{1,7}) ", content)) and int(size[1]) > size.end():
        key, _, value = content[size.end() : int(size[1]) - 1].decode("utf-8", "surrogateescape").partition("=")
        if key in ("path", "size", "GNU.sparse.name"):
            found[key] = value
        if key.startswith("GNU.sparse."):
            found["sparse"] = key
        content = content[int(size[1]) :]
    return found


def _tar_member(header: tarfile.TarInfo, block: bytes, tape: _Tape, said: dict[str, str]) -> _Member:
    sparse = header.type == b"S" or "sparse" in said
    more = header.type == b"S" and block[482]
    while more and (block := tape.block()):  # the map of a sparse file
        more = block[504]
    name = as_uri(said.get("GNU.sparse.name") or said.get("path") or header.name)
    size = int(said["size"]) if re.fullmatch(r"[0-9]{1,19}", said.get("size", "")) else header.size
    fault = None
    if sparse or header.type not in (*_TAR_KINDS, b"0", b"\0", b"7"):
        fault = ("unsupported-member", "a sparse file" if sparse else f"type {header.type!r}")
    kind = _TAR_KINDS.get(header.type)
    return _Member(name, tape.at, 0 if kind else size, kind or _kind_by_name(name), fault)
