import errno
import gzip
import http.server
import io
import os
import random
import re
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
import pytest
import zstandard
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.failures import FAILURES, ReadError
from newsfilter.dumps.readers.opening import PACKED_BYTES, PIECE_BYTES, Unpacked, exists, open_binary, size_of, unpacked
from newsfilter.dumps.remote import is_url
from newsfilter.errors import InputError

LINES = b"".join(b"%d the ferry of Harrow Bridge stays, %x\n" % (number, number * 7919 % 65521) for number in range(20_000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
NOISE = random.Random(4).randbytes(300_000)  # does not pack
PACKED = st.sampled_from(sorted(PACKERS))


def stream_of(data: bytes) -> BinaryIO:
    return unpacked(io.BytesIO(data), "crawl.bin")


def drained(data: bytes, size: int = 10_000) -> tuple[bytes, str | None]:
    """What a packed stream hands out before it ends, and the reason for which it ended early."""
    stream, parts = stream_of(data), []
    try:
        while part := stream.read(size):
            parts.append(part)
    except ReadError as error:
        for read in (stream.read, partial(stream.read, 1), stream.readline):  # a further call never looks like the end
            with pytest.raises(ReadError, match=re.escape(FAILURES[error.reason])):
                read()
        return b"".join(parts), error.reason
    return b"".join(parts), None


# ---- opening


def test_a_local_file_can_be_read_and_sought(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"harbour")
    with open_binary(str(tmp_path / "a.txt")) as stream:
        assert (stream.read(3), stream.seek(4), stream.read()) == (b"har", 4, b"our")
        assert not os.get_inheritable(stream.fileno())
    assert size_of(str(tmp_path / "a.txt")) == 7
    assert exists(str(tmp_path / "a.txt"))


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    # A pipe that nobody writes to would hold a worker for ever.
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(ReadError) as caught:
            open_binary(str(path))
        assert (caught.value.reason, caught.value.detail) == ("unreadable", "no regular file")


@pytest.mark.parametrize("name", ["gone.gz", "a.txt/inside"])
def test_an_absent_file_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").touch()
    path = str(tmp_path / name)
    assert not exists(path)
    for function in (open_binary, size_of):
        with pytest.raises(ReadError) as caught:
            function(path)
        assert caught.value.reason == "missing"


def test_a_file_that_may_not_be_looked_at_is_not_called_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "open", refuse)
    for function in (exists, size_of, open_binary):
        with pytest.raises(ReadError, match="Permission denied") as caught:
            function("closed.gz")
        assert caught.value.reason == "unreadable"


@pytest.mark.parametrize(
    ("path", "expected"), [("s3://b/k", True), ("memory://x", True), ("a/b", False), ("C:/x", False), ("/a://b", False), ("c://x", False)]
)
def test_urls_are_told_from_paths(path: str, expected: bool) -> None:
    assert is_url(path) is expected


# ---- remote storage


@pytest.fixture
def bucket() -> Iterator[str]:
    """A folder of memory:// that goes after the test."""
    yield "memory://test-opening"
    MemoryFileSystem.store.clear()


def test_a_url_is_opened_by_fsspec(bucket: str) -> None:
    fsspec.filesystem("memory").pipe(f"{bucket}/a.gz", gzip.compress(LINES))
    assert exists(f"{bucket}/a.gz")
    assert not exists(f"{bucket}/b.gz")
    with open_binary(f"{bucket}/a.gz") as stream:
        assert size_of(f"{bucket}/a.gz") == stream.seek(0, os.SEEK_END) == stream.tell()
        stream.seek(0)
        assert (stream.seek(2), stream.seek(1, os.SEEK_CUR), stream.seek(0)) == (2, 3, 0)
        assert unpacked(stream, "a.gz").read() == LINES
    assert stream.closed
    with pytest.raises(ReadError) as caught:
        open_binary(f"{bucket}/b.gz")
    assert caught.value.reason == "missing"


def test_two_readers_of_one_remote_file_do_not_disturb_each_other(bucket: str) -> None:
    # memory:// gives both the same object, with one position.
    fsspec.filesystem("memory").pipe(f"{bucket}/a", bytes(range(256)) * 20_000)
    first, second = open_binary(f"{bucket}/a"), open_binary(f"{bucket}/a")
    second.seek(3_000_001)
    for _ in range(3):
        assert (first.read(1_500_000)[:1], second.read(256)[:1]) == (bytes([first.tell() - 1_500_000 & 255]), b"\xc1")


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("s3://b/a", "s3fs", "s3"),
        ("gs://b/a", "gcsfs", "gs"),
        ("https://h/a", "fsspec.implementations.http", "https"),
        ("sftp://h/a", "fsspec.implementations.sftp", "remote"),
        ("memory://a", "fsspec.core", "remote"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str, extra: str
) -> None:
    monkeypatch.delitem(_registry, url.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    for function in (open_binary, size_of, exists):
        with pytest.raises(InputError, match=rf"^{url}: .*pip install 'newsfilter\[{extra}\]'$") as caught:
            function(url)
        assert not isinstance(caught.value, ReadError)


def test_a_missing_zstandard_is_named_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"^crawl.bin: .*pip install 'newsfilter\[zstd\]'$"):
        stream_of(PACKERS["zstd"](LINES))


def test_unknown_storage_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(InputError, match=r"^nowhere://x: .*give a local path, or a URL"):
        open_binary("nowhere://x")


class _Shaky(MemoryFileSystem):  # type: ignore[misc]
    """Storage that raises what no standard exception is, for names with "refused" at once and for others after 100,000 bytes."""

    protocol = "shaky"
    cachable = False

    class _Error(Exception):
        pass

    class _Forward(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

    class _File(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 100_000:
                raise _Shaky._Error("the bucket has moved")
            return super().read(min(100_000, 100_000 if size is None or size < 0 else size))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if "refused" in path:
            raise _Shaky._Error("the bucket has moved")
        return {"name": path, "size": None, "type": "file"}

    def _open(self, path: str, *_: Any, **__: Any) -> Any:
        self.info(path)
        return (self._Forward if "forward" in path else self._File)(gzip.compress(LINES, 0))


def test_storage_that_raises_errors_of_its_own() -> None:
    # Whatever a storage library raises: a ReadError on opening, an OSError later, also through an unpacked stream, after what was read before.
    fsspec.register_implementation("shaky", _Shaky, clobber=True)
    for function in (open_binary, size_of, exists):
        with pytest.raises(ReadError, match="_Error: the bucket has moved"):
            function("shaky://refused")
    assert size_of("shaky://a") > len(LINES)
    stream = unpacked(open_binary("shaky://a"), "a")
    parts: list[bytes] = []
    with pytest.raises(OSError, match="the bucket has moved"):
        parts.extend(iter(partial(stream.read, 997), b""))
    handed_out = b"".join(parts)
    assert LINES.startswith(handed_out)
    assert len(handed_out) > 60_000
    with pytest.raises(OSError, match="the bucket has moved"):
        stream.read(1)


def test_storage_that_can_only_be_read_forward_is_copied() -> None:
    fsspec.register_implementation("shaky", _Shaky, clobber=True)
    with open_binary("shaky://forward") as stream:
        assert (stream.seek(5), stream.seek(0)) == (5, 0)
        assert unpacked(stream, "a").read() == LINES


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves whole files only, as the standard library does, or ranges of the form a-b."""

    ranges = False

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        if self.path == "/broken.bin":
            self.send_error(500)
            return
        if not (self.ranges and wanted):
            super().do_GET()
            return
        data = Path(self.translate_path(self.path)).read_bytes()
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        try:
            super().copyfile(source, outputfile)
        except ConnectionError:
            return  # the client has seen enough


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_with_and_without_ranges(tmp_path: Path, ranges: bool) -> None:
    pytest.importorskip("aiohttp")
    data = NOISE * 20
    (tmp_path / "a.bin").write_bytes(data)
    (tmp_path / "empty.bin").touch()
    (tmp_path / "broken.bin").write_bytes(b"no longer there when asked for")
    handler = type("Handler", (_Quiet,), {"ranges": ranges})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert (size_of(f"{url}/a.bin"), exists(f"{url}/a.bin"), exists(f"{url}/b.bin")) == (6_000_000, True, False)
        with open_binary(f"{url}/a.bin") as stream:
            assert isinstance(stream, io.BufferedReader) is ranges  # else a temporary file
            assert stream.read() == data
            assert (stream.seek(5_500_000), stream.read(9)) == (5_500_000, data[5_500_000:5_500_009])
        with open_binary(f"{url}/empty.bin") as stream:
            assert stream.read() == b""
        with pytest.raises(ReadError) as caught:
            open_binary(f"{url}/broken.bin")
        assert caught.value.reason == "unreadable"
        server.shutdown()


# ---- unpacking


@settings(deadline=None, max_examples=50)
@given(
    kind=PACKED,
    parts=st.lists(st.binary(max_size=300) | st.integers(0, 600_000), min_size=1, max_size=4),  # a number: as many bytes of LINES
    sizes=st.lists(st.integers(1, 400_000), min_size=1, max_size=5),
)
@example(kind="gzip", parts=[b""], sizes=[1])
@example(kind="zstd", parts=[b"", b"x"], sizes=[1])
@example(kind="gzip", parts=[PIECE_BYTES, 2 * PIECE_BYTES], sizes=[PIECE_BYTES])
def test_all_members_and_frames_are_handed_out_whatever_the_sizes_of_reads(kind: str, parts: list[bytes | int], sizes: list[int]) -> None:
    contents = [LINES[:part] if isinstance(part, int) else part for part in parts]
    data = b"".join(map(PACKERS[kind], contents))
    stream, got, number = stream_of(data), b"", 0
    while part := stream.read(sizes[number % len(sizes)]):
        assert len(part) <= sizes[number % len(sizes)]
        got, number = got + part, number + 1
        assert stream.tell() == len(got)
    assert got == b"".join(contents) == stream_of(data).read()
    assert cast(Unpacked, stream).packed == len(data)


def test_a_stream_that_is_not_packed_is_itself() -> None:
    for data in (b"", b"\x1f", b"(\xb5/", b"WARC/1.0\r\n", b"{}\n"):
        stream = io.BytesIO(b"##" + data)
        stream.seek(2)
        assert unpacked(stream, "a") is stream
        assert stream.read() == data


def test_packed_data_begin_where_the_stream_stands() -> None:
    stream = io.BytesIO(b"##" + gzip.compress(b"ferry"))
    stream.seek(2)
    assert unpacked(stream, "a").read() == b"ferry"


@pytest.mark.parametrize("kind", PACKERS)
def test_lines_and_text(kind: str) -> None:
    # What csv and json readers ask for: lines, limited lines, a text wrapper.
    data = PACKERS[kind](LINES + b"\n" + b"x" * (2 * PIECE_BYTES) + b"\nlast")
    whole = stream_of(data).read()
    assert list(stream_of(data)) == whole.splitlines(keepends=True)
    assert list(io.TextIOWrapper(stream_of(data), encoding="utf-8")) == whole.decode().splitlines(keepends=True)
    stream = stream_of(data)
    assert (stream.readline(2), stream.readline(0), stream.readline(500)) == (whole[:2], b"", whole.splitlines(keepends=True)[0][2:])
    assert cast(Unpacked, stream).peek(3_000)[:3_000] == whole[stream.tell() : stream.tell() + 3_000]
    assert stream.read(5) == whole[stream.tell() - 5 : stream.tell()]
    buffer = bytearray(7)
    assert (stream.readinto(buffer), bytes(buffer)) == (7, whole[stream.tell() - 7 : stream.tell()])  # type: ignore[attr-defined]


def test_closing_closes_the_file_below() -> None:
    below = io.BytesIO(gzip.compress(b"ferry"))
    with unpacked(below, "a") as stream:
        assert (stream.readable(), stream.seekable(), stream.writable()) == (True, False, False)
    assert below.closed


# ---- truncated and damaged


def before_damage(data: bytes) -> bytes:
    """What gzip members unpack to, fed byte by byte until zlib complains."""
    member, parts = zlib.decompressobj(wbits=31), []
    for number in range(len(data)):
        if member.eof:
            member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(data[number : number + 1]))
        except zlib.error:
            break
    return b"".join(parts)


@settings(deadline=None, max_examples=50)
@given(kind=PACKED, cut=st.floats(0, 1, exclude_max=True), size=st.sampled_from([1000, 65_536, PIECE_BYTES + 1]))
def test_a_truncated_stream_hands_out_everything_before_the_cut(kind: str, cut: float, size: int) -> None:
    data = PACKERS[kind](LINES[:400_000])
    at = max(4, int(len(data) * cut))
    got, reason = drained(data[:at], size)
    assert reason == f"truncated-{kind}"
    if kind == "gzip":
        assert got == before_damage(data[:at])
    else:
        reader = zstandard.ZstdDecompressor().stream_reader(data[:at])
        assert got == reader.read()


@settings(deadline=None, max_examples=50)
@given(kind=PACKED, at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@example(kind="gzip", at=0.00025, flip=8)
def test_damage_is_named_and_nothing_before_it_is_lost(kind: str, at: float, flip: int) -> None:
    pack = PACKERS[kind]
    head, data = pack(LINES[:1000]), bytearray(pack(NOISE[:20_000] + LINES[:50_000]))
    place = min(4 + int(len(data) * at), len(data) - 1)
    data[place] ^= flip
    got, reason = drained(head + bytes(data))
    if kind == "gzip":
        assert got == before_damage(head + bytes(data))
        # Time, system and the padding of a stored block are checked by nothing, and say nothing of the data: they come out whole.
        assert reason in {"damaged-gzip", "truncated-gzip"} or got == LINES[:1000] + NOISE[:20_000] + LINES[:50_000]
    else:
        assert reason in {"damaged-zstd", "truncated-zstd"}
        assert got.startswith(LINES[:1000])


@pytest.mark.parametrize("kind", PACKERS)
def test_a_wrong_checksum_is_told_after_all_the_data(kind: str) -> None:
    data = bytearray(PACKERS[kind](LINES))
    data[-8 if kind == "gzip" else -1] ^= 1
    got, reason = drained(bytes(data))
    assert reason == f"damaged-{kind}"
    assert LINES.startswith(got)
    assert len(got) == len(LINES) if kind == "gzip" else len(LINES) - len(got) <= 128 << 10


@pytest.mark.parametrize("kind", PACKERS)
def test_reading_the_whole_of_a_damaged_stream_raises_at_once_and_loses_nothing(kind: str) -> None:
    # A caller of read() would take half for the whole.
    stream = stream_of(PACKERS[kind](LINES)[:-1])
    first = stream.read(10)
    for read in (stream.read, partial(stream.read, -1)):
        with pytest.raises(ReadError):
            read()
    assert stream.tell() == 10
    assert len(first + stream.read(len(LINES))) > len(LINES) - (128 << 10)


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_line_is_handed_out_before_the_error(kind: str) -> None:
    lines: list[bytes] = []
    with pytest.raises(ReadError):
        lines.extend(stream_of(PACKERS[kind](LINES)[:-3000]))
    assert LINES.startswith(b"".join(lines))
    assert len(lines) > 1000


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (b"\0" * 1000, None),
        (b"\0" * (3 * PACKED_BYTES) + gzip.compress(b"more", mtime=0), None),
        (b"\x1f", "truncated-gzip"),
        (b"\x1f\x8b\x08", "truncated-gzip"),
        (b"\0\0<html>", "damaged-gzip"),
    ],
)
def test_what_stands_behind_a_gzip_member(behind: bytes, reason: str | None) -> None:
    got, found = drained(gzip.compress(LINES) + behind)
    assert found == reason
    assert got == LINES + (b"more" if behind.endswith(gzip.compress(b"more", mtime=0)) else b"")


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (b"P*M\x18\x05\0\0\0skip!", None),
        (b"(\xb5", "truncated-zstd"),
        (b"(\xb5/\xfd", "truncated-zstd"),
        (b"<html>", "damaged-zstd"),
    ],
)
def test_what_stands_behind_a_zstd_frame(behind: bytes, reason: str | None) -> None:
    got, found = drained(PACKERS["zstd"](LINES) + behind)
    assert (got, found) == (LINES, reason)


def test_a_zstd_dictionary_in_front_is_used() -> None:
    # As archives of the web have it: a skippable frame with the dictionary, packed or not, then a frame a record.
    samples: list[bytes | bytearray | memoryview] = [LINES[at : at + 400] for at in range(0, 400_000, 400)]
    dictionary = zstandard.train_dictionary(8_000, samples)
    frames = b"".join(zstandard.ZstdCompressor(dict_data=dictionary).compress(sample) for sample in samples)
    for content in (dictionary.as_bytes(), zstandard.ZstdCompressor().compress(dictionary.as_bytes())):
        front = b"]*M\x18" + len(content).to_bytes(4, "little") + content
        assert stream_of(front + frames).read() == LINES[:400_000]
    assert drained(PACKERS["zstd"](b"ferry") + frames) == (b"ferry", "damaged-zstd")


def test_frames_of_all_shapes_are_read() -> None:
    # With and without size, checksum, single segment; with raw and repeated blocks.
    for data in (b"", b"a", LINES[:300], LINES, NOISE, bytes(3_000_000)):
        for checksum in (True, False):
            for sized in (True, False):
                pack = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized)
                assert stream_of(pack.compress(data)).read() == data
                streamed = pack.compressobj()
                assert stream_of(streamed.compress(data) + streamed.flush()).read() == data


def test_a_frame_that_asks_for_too_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert drained(packer.compress(LINES) + packer.flush()) == (b"", "damaged-zstd")


@pytest.mark.parametrize("kind", PACKERS)
def test_memory_does_not_grow_with_what_is_unpacked(kind: str) -> None:
    # 200 MB from a few kilobytes, and from many small members.
    bomb = PACKERS[kind](bytes(200_000_000))
    for data, size in ((bomb, 200_000_000), (PACKERS[kind](LINES[:1000]) * 5_000, 5_000_000)):
        tracemalloc.start()
        stream, left = stream_of(data), size
        while part := stream.read(50_000):
            left -= len(part)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert left == 0
        assert peak < 3_000_000
