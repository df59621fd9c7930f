"""Opening a file of a dump, here or on remote storage, and unpacking it as a stream.

A file that cannot be opened is a `ReadError`, a library that is missing a `MissingLibraryError`; storage that fails later is an `OSError`, remote or not.
"""

import errno
import io
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from newsfilter.dumps.failures import MissingLibraryError, ReadError
from newsfilter.dumps.remote import is_url, storage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PACKED_BYTES = 1 << 16  # read from a packed stream at once
PIECE_BYTES = 1 << 18  # unpacked at once, whatever the ratio
REMOTE_BYTES = 1 << 20  # asked of remote storage at once; fsspec reads ahead by blocks of its own
DICTIONARY_BYTES = 1 << 24  # of a zstd dictionary that stands in front of its frames; larger ones are not believed

_GZIP = b"\x1f\x8b"
_ZSTD = b"(\xb5/\xfd"
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\*M\x18", re.DOTALL)
_DICTIONARY = b"]*M\x18"  # the skippable frame that holds one, by the convention of .warc.zst
Pieces = Iterator[tuple[bytes, int]]  # unpacked data, and how many packed bytes they and all before them took
T = TypeVar("T")


def open_binary(path: str) -> BinaryIO:
    """Open a local file or a URL for reading; the stream can seek.

    What a web server serves without ranges is copied to a temporary file first, which goes when the stream is closed.

    Raises
    ------
    ReadError
        ``missing`` or ``unreadable``, the latter also for a folder, pipe or device: nothing is waited for.
    MissingLibraryError
        When a library for the URL's storage is missing; names the extra to install.
    """
    if is_url(path):
        system, name = storage(path)
        file = _asked(path, lambda: system.open(name, "rb"))
        if _serves_ranges(path, file):
            return io.BufferedReader(_Remote(path, file), REMOTE_BYTES)
        file.close()
        return _copied(path, _asked(path, lambda: system.open(name, "rb", block_size=0)))
    handle = _asked(path, lambda: os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ReadError(path, "unreadable", "no regular file")
    return os.fdopen(handle, "rb")


def size_of(path: str) -> int:
    """Return a file's size in bytes, as it is stored. Raises what `open_binary` raises."""
    size = _stored_size(path)
    if size is None:  # a web server that does not say
        with open_binary(path) as stream:
            return stream.seek(0, os.SEEK_END)
    return size


def exists(path: str) -> bool:
    """Say whether there is anything at a path, or where a link there leads.

    Raises
    ------
    ReadError
        ``unreadable``, when nobody can say: storage out of reach is not an absent file.
    """
    try:
        _stored_size(path)
    except ReadError as error:
        if error.reason != "missing":
            raise
        return False
    return True


def _stored_size(path: str) -> int | None:
    if not is_url(path):
        return _asked(path, lambda: os.stat(path).st_size)  # noqa: PTH116 - paths are str from end to end
    system, name = storage(path)
    size = _asked(path, lambda: system.info(name)).get("size")
    return None if size is None else int(size)


def _asked(path: str, request: Callable[[], T]) -> T:
    try:
        return request()
    except (FileNotFoundError, NotADirectoryError):
        raise ReadError(path, "missing") from None
    except Exception as error:  # noqa: BLE001 - every kind of storage raises errors of its own, and not all are OSErrors
        raise ReadError(path, "unreadable", _said(error)) from None


def _said(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"


def _serves_ranges(url: str, file: Any) -> bool:
    """Whether any byte can be asked for. Web servers that send the whole file instead are found out only by asking for the last one."""
    if not file.seekable():
        return False
    if url.lower().startswith("http"):
        try:
            file.seek(-1, os.SEEK_END)
            file.read(1)
        except ValueError:
            return False
        except Exception as error:  # noqa: BLE001 - as above
            raise ReadError(url, "unreadable", _said(error)) from None
    return True


def _copied(url: str, file: Any) -> BinaryIO:
    with file:
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - handed on open
        _asked(url, lambda: shutil.copyfileobj(file, copy))
    copy.seek(0)
    return cast("BinaryIO", copy)


class _Remote(io.RawIOBase):
    """A remote file that fails with OSErrors only, and has a position of its own: memory:// gives everyone who opens a file the same object."""

    def __init__(self, url: str, file: Any) -> None:
        self._url, self._file, self._at = url, file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = self._attempt(lambda: int(self._file.seek(offset, whence))) if start is None else start + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        self._attempt(lambda: self._file.seek(self._at))
        data = self._attempt(lambda: self._file.read(len(view)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _attempt(self, request: Callable[[], Any]) -> Any:
        try:
            return request()
        except OSError:
            raise
        except Exception as error:
            raise OSError(errno.EIO, _said(error), self._url) from error


def unpacked(stream: BinaryIO, uri: str) -> BinaryIO:
    """Return what a gzip or zstd stream holds, with all its members or frames, as an `Unpacked`; by its first bytes, else the stream itself.

    Memory does not grow with the stream: some hundred kilobytes, and of zstd the window that its frames ask for, 128 MB at most.

    Parameters
    ----------
    stream
        Can seek; the packed data begin where it stands.
    uri
        What errors name.

    Raises
    ------
    MissingLibraryError
        When the stream is zstd and its library is missing.
    """
    head = stream.read(4)
    stream.seek(-len(head), os.SEEK_CUR)
    if head.startswith(_GZIP):
        return cast("BinaryIO", Unpacked(gunzip(stream, uri), stream))
    if head == _ZSTD or _SKIPPABLE.match(head):
        return cast("BinaryIO", Unpacked(unzstd(stream, uri), stream))
    return stream


class Unpacked(io.BufferedIOBase):
    """A stream over `Pieces`, forward only.

    Data and an error never share a call. ``read(n)``, ``readline`` and ``readinto`` hand out all that stands before the damage, and only the call
    after that raises, as does every further one: a short read is no end, an empty one is. ``read()``, which promises the whole, raises at once;
    what it had in hand can still be read by ``read(n)``.

    Attributes
    ----------
    packed : int
        Packed bytes that the data up to here took; ahead of `tell` by one piece at most.
    fault : ReadError, OSError or None
        What the stream has met: what further calls will raise.
    """

    def __init__(self, pieces: Pieces, source: BinaryIO | None = None) -> None:
        self.packed = 0
        self._pieces, self._source = pieces, source  # source: closed with this
        self._piece, self._at = b"", 0  # the piece in hand, and how much of it went out
        self._before = 0  # bytes in earlier pieces
        self.fault: ReadError | OSError | None = None

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._before + self._at

    def read(self, size: int | None = -1, /) -> bytes:
        whole = size is None or size < 0
        data = self._taken(sys.maxsize if size is None or size < 0 else size)
        if self.fault and whole:
            self._put_back(data)
            raise self.fault
        return data

    def peek(self, size: int = 1, /) -> bytes:
        """Return what ``read(size)`` would, and do not move."""
        data = self._taken(size)
        self._put_back(data)
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size if 0 <= size < PIECE_BYTES else PIECE_BYTES)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._taken(sys.maxsize if size is None or size < 0 else size, b"\n")

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        super().close()

    def _taken(self, size: int, mark: bytes = b"") -> bytes:
        """At most `size` bytes, up to and with the first mark, if there is one to look for."""
        parts: list[bytes] = []
        found = False
        while size and not found and self._has_more():
            end = self._piece.find(mark, self._at, self._at + size) + 1 if mark else 0
            found = end > 0
            part = self._piece[self._at : end if found else self._at + size]
            self._at, size = self._at + len(part), size - len(part)
            parts.append(part)
        if self.fault and size and not parts:
            raise self.fault
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _put_back(self, data: bytes) -> None:
        self._before, self._piece, self._at = self.tell() - len(data), data + self._piece[self._at :], 0

    def _has_more(self) -> bool:
        """Whether there is a byte in hand, or comes with the next piece."""
        while self._at == len(self._piece) and not self.fault:
            try:
                piece, self.packed = next(self._pieces)
            except StopIteration:
                break
            except (ReadError, OSError) as error:  # kept: a generator that has raised looks from then on like one that has ended
                self.fault = error
                break
            self._before, self._piece, self._at = self._before + len(self._piece), piece, 0
        return self._at < len(self._piece)


def gunzip(stream: BinaryIO, uri: str) -> Pieces:
    """Unpack gzip members up to the stream's end; zero bytes may pad them.

    Raises
    ------
    ReadError
        ``truncated-gzip`` or ``damaged-gzip``, after all that the packed bytes before the damage hold.
    """
    data, used = stream.read(PACKED_BYTES), 0
    while data:
        member, piece = zlib.decompressobj(wbits=31), b""
        while not member.eof:
            if not data and len(piece) < PIECE_BYTES and not (data := stream.read(PACKED_BYTES)):
                raise ReadError(uri, "truncated-gzip", f"at byte {used}")
            before = member.copy()
            try:
                piece = member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                piece, good = _before_damage(before, data)
                yield piece, used + good
                raise ReadError(uri, "damaged-gzip", f"at byte {used + good}: {error}") from None
            rest = member.unused_data if member.eof else member.unconsumed_tail
            used += len(data) - len(rest)
            data = rest
            yield piece, used
        while not data.strip(b"\0"):
            used += len(data)
            if not (data := stream.read(PACKED_BYTES)):
                return
        used += len(data) - len(data := data.lstrip(b"\0"))
        data += stream.read(PACKED_BYTES) if len(data) < len(_GZIP) else b""
        if not data.startswith(_GZIP):
            raise ReadError(uri, "truncated-gzip" if data == _GZIP[:1] else "damaged-gzip", f"no gzip member begins at byte {used}")


def _before_damage(member: Any, data: bytes) -> tuple[bytes, int]:
    """What the bytes before the damaged one unpack to, and how many they are: a call of zlib that raises throws away what it has unpacked."""
    parts: list[bytes] = []
    with suppress(zlib.error):
        parts.extend(member.decompress(data[number : number + 1]) for number in range(len(data)))
    return b"".join(parts), len(parts)


def unzstd(stream: BinaryIO, uri: str) -> Pieces:
    """Unpack zstd frames up to the stream's end, a block at a time, so that four bytes that stand for 128 KB cost no more than that.

    Skippable frames are skipped, but for the dictionary in front of a ``.warc.zst``.

    Raises
    ------
    MissingLibraryError
        At once, when the zstandard library is missing.
    ReadError
        ``truncated-zstd`` or ``damaged-zstd``, after all whole blocks before the damage.
    """
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingLibraryError(f"{uri}: a library for zstd is missing; pip install 'newsfilter[zstd]'") from None

    def pieces() -> Pieces:
        used, decompressor = 0, zstandard.ZstdDecompressor()
        while magic := stream.read(len(_ZSTD)):
            if _SKIPPABLE.match(magic):
                size = int.from_bytes(stream.read(4), "little")
                if magic == _DICTIONARY and not used and size <= DICTIONARY_BYTES:
                    content = unpacked(io.BytesIO(stream.read(size)), uri).read(DICTIONARY_BYTES)
                    decompressor = zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(content))
                else:
                    stream.seek(size, os.SEEK_CUR)
                used += len(magic) + 4 + size
                continue
            frame = decompressor.decompressobj()
            for part in _blocks(stream, magic):
                try:
                    piece = frame.decompress(part)
                except zstandard.ZstdError as error:
                    raise ReadError(uri, "damaged-zstd", f"after byte {used}: {error}") from None
                used += len(part)
                yield piece, used
            if not frame.eof:
                raise ReadError(uri, "truncated-zstd", f"at byte {used}")

    return pieces()


def _blocks(stream: BinaryIO, magic: bytes) -> Iterator[bytes]:
    """The parts of a zstd frame, as far as the stream goes: its header, its blocks, its checksum. Their sizes are read and nothing else."""
    flags = stream.read(1)
    if magic != _ZSTD or not flags:
        yield magic
        return
    single, sizes = flags[0] >> 5 & 1, (0, 1, 2, 4)
    yield magic + flags + stream.read(1 - single + sizes[flags[0] & 3] + (single, 2, 4, 8)[flags[0] >> 6])
    last = False
    while not last and len(header := stream.read(3)) == 3:
        word = int.from_bytes(header, "little")
        last, repeated = bool(word & 1), word >> 1 & 3 == 1
        yield header + stream.read(1 if repeated else word >> 3)
    if flags[0] & 4:
        yield stream.read(4)
