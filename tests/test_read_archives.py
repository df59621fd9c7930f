import gzip
import io
import random
import re
import struct
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import fsspec
import pytest
import zstandard
from conftest import article, page
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, Passed
from newsfilter.dumps.failures import FAILURES, ReadError
from newsfilter.dumps.readers import ReadOptions, archives
from newsfilter.dumps.reading import read as read_loose
from newsfilter.dumps.sources import Entry
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

URI = "crawl/pages.archive"
NOISE = random.Random(4).randbytes(3_000_000)  # does not pack
PAGES = {f"site/{number}.html": page(number).encode() for number in range(6)}
Contents = Mapping[str, bytes]
Pack = Callable[[Contents], bytes]


def as_zip(contents: Contents, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def as_streamed_zip(contents: Contents) -> bytes:
    """A zip whose sizes stand behind the data, as when it was written to a pipe."""

    class _Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    buffer = _Pipe()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_info(name: str, size: int = 0, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def as_tar(contents: Contents, style: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, data in contents.items():
            archive.addfile(tar_info(name, len(data)), io.BytesIO(data))
    return buffer.getvalue()


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKS: dict[str, Pack] = {
    "zip": as_zip,
    "stored-zip": lambda contents: as_zip(contents, zipfile.ZIP_STORED),
    "bzip2-zip": lambda contents: as_zip(contents, zipfile.ZIP_BZIP2),
    "streamed-zip": as_streamed_zip,
    "tar": as_tar,
    "gnu-tar": lambda contents: as_tar(contents, tarfile.GNU_FORMAT),
    "tar.gz": lambda contents: gz(as_tar(contents)),
    "tar.zst": lambda contents: zst(as_tar(contents)),
}
SOME = ["zip", "stored-zip", "tar", "tar.gz", "tar.zst"]
every_pack = pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
some_packs = pytest.mark.parametrize("pack", [PACKS[name] for name in SOME], ids=SOME)


def lazily(data: bytes, max_bytes: int = 0) -> Iterator[Item]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield from archives.read(file.name, URI, 0, None, ReadOptions(max_bytes=max_bytes))


def items_of(data: bytes, max_bytes: int = 0) -> list[Item]:
    """Everything that an archive of these bytes yields; a reason without a row in the table would be a KeyError."""
    found = list(lazily(data, max_bytes))
    assert all(item.uri == URI for item in found if isinstance(item, Failed | Passed))
    assert all(item.reason in FAILURES for item in found if isinstance(item, Failed))
    return found


def brief(items: Iterable[Item]) -> list[tuple[str, object]]:
    """Items as pairs: name and bytes, "passed" and kind, reason and the name that the detail begins with."""
    return [
        (item.source.member or "", item.source.raw)
        if isinstance(item, Document)
        else ("passed", item.kind)
        if isinstance(item, Passed)
        else ("oversized", item.size)
        if isinstance(item, Oversized)
        else (item.reason, item.detail.partition(":")[0])
        for item in items
    ]


def documents(items: Iterable[Item]) -> dict[str, bytes]:
    return {name: raw for name, raw in brief(items) if isinstance(raw, bytes)}


def failures(items: Iterable[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Failed)]


# ---- what is there


def test_an_archive_is_one_range() -> None:
    assert list(archives.split("a.zip", "a.zip", ReadOptions(max_bytes=0))) == [(0, None)]


def test_a_missing_library_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.zst").write_bytes(PACKS["tar.zst"](PAGES))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"newsfilter\[zstd\]"):
        list(archives.split(str(tmp_path / "a.tar.zst"), "a.tar.zst", ReadOptions(max_bytes=0)))


@every_pack
def test_members_come_in_order_with_their_names(pack: Pack) -> None:
    contents = {"z.html": page(1).encode(), "a/ğüş.txt": article(2).encode(), "empty.txt": b"", "a/b.html": page(3).encode()}
    items = items_of(pack(contents))
    assert items == [Document(Source(raw=raw, uri=URI, member=name)) for name, raw in contents.items()]
    assert len({document_id(item.source) for item in items if isinstance(item, Document)}) == 4


@settings(deadline=None, max_examples=40)
@given(
    pack=st.sampled_from(sorted(PACKS)),
    contents=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300).filter(
            lambda name: not name.endswith(("/", ".js", ".css", ".map", ".mjs"))
        ),
        st.text(max_size=2000),
        max_size=6,
    ),
)
def test_any_names_and_texts_come_back(pack: str, contents: dict[str, str]) -> None:
    packed = {name: b"<p>" + text.encode() for name, text in contents.items()}
    if pack.endswith("zip") or pack == "streamed-zip":
        packed = {name: raw for name, raw in packed.items() if len(name.encode()) < 0xFFFF}
    assert documents(items_of(PACKS[pack](packed))) == packed


@every_pack
def test_an_archive_on_remote_storage(pack: Pack) -> None:
    fsspec.filesystem("memory").pipe("memory://test-archives/a", pack(PAGES))
    assert documents(archives.read("memory://test-archives/a", URI, 0, None, ReadOptions(max_bytes=0))) == PAGES
    MemoryFileSystem.store.clear()


def test_two_members_of_one_name_are_both_read() -> None:
    # Their ids are one; telling them apart is the run's business.
    for pack in (PACKS["stored-zip"], as_tar):
        data = pack({"a.txt": b"one", "b.txt": b"two"})
        if pack is as_tar:
            data = as_tar({"a.txt": b"one"})[:1024] + as_tar({"a.txt": b"two"})
        assert brief(items_of(data.replace(b"b.txt", b"a.txt"))) == [("a.txt", b"one"), ("a.txt", b"two")]


# ---- what is no document


@some_packs
def test_members_that_are_no_documents_are_passed_by_kind(pack: Pack) -> None:
    contents = {
        "photo.html": b"\xff\xd8\xff\xe0" + NOISE,
        "style.css": b"p { }",
        "__MACOSX/._a.html": b"junk",
        "deep/.git/config": b"[core]",
        ".DS_Store": b"junk",
        "inner.zip": as_zip(PAGES),
        "inner.tar": as_tar(PAGES),
        "inner.zst": zst(b"text"),
        "page.js": b"<!DOCTYPE html><p>a page</p>",
        "a.txt": b"text",
    }
    kinds = ["image", "web-asset", "housekeeping", "housekeeping", "housekeeping", "archive", "archive", "archive"]
    expected = [("passed", kind) for kind in kinds] + [("page.js", contents["page.js"]), ("a.txt", b"text")]
    assert brief(items_of(pack(contents))) == expected


@some_packs
def test_members_are_told_apart_as_loose_files_are(pack: Pack) -> None:
    contents = {"a.pdf": b"%PDF-1.4", "b.warc": b"WARC/1.0\r\n", "c.html": page(1).encode(), "d.css.gz": gz(b"p {}"), "e.gz": gz(gz(b"x"))}
    expected = []
    for name, raw in contents.items():
        try:
            loose = read_loose(Entry(name, "", raw=raw), 0)
            expected.append((name, loose.raw) if isinstance(loose, Source) else ("passed", getattr(loose, "kind", None)))
        except ReadError as error:
            expected.append((error.reason, name))
    assert brief(items_of(pack(contents))) == expected


def test_folders_links_and_devices_in_a_tar() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        kinds = [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
        for kind in kinds:
            archive.addfile(tar_info("x", type=kind, linkname="/etc/passwd"))
        archive.addfile(tar_info("a.txt", 4, type=tarfile.CONTTYPE), io.BytesIO(b"text"))
    expected = [("passed", kind) for kind in ["directory", "symlink", "repeated", "special", "special", "special"]]
    assert brief(items_of(buffer.getvalue())) == [*expected, ("a.txt", b"text")]


def test_folders_links_and_devices_in_a_zip() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, mode in {
            "folder/": 0o40755,
            "link": 0o120777,
            "pipe": 0o010644,
            "-": 0o010644,
            "odd": 0o40755,
            "a.txt": 0o100644,
            "b.txt": 0,
        }.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, b"" if name in ("folder/", "pipe") else b"/etc/passwd")
        info = zipfile.ZipInfo("dos.txt")
        info.create_system, info.external_attr = 0, 0o120777 << 16  # means nothing on this system
        archive.writestr(info, b"text")
    folders = [("passed", kind) for kind in ("directory", "symlink", "special")]
    piped = [("-", b"/etc/passwd"), ("passed", "directory")]  # "cat a.txt | zip a.zip -" keeps the pipe's mode
    files = [("a.txt", b"/etc/passwd"), ("b.txt", b"/etc/passwd"), ("dos.txt", b"text")]
    assert brief(items_of(buffer.getvalue())) == folders + piped + files


# ---- names


@some_packs
def test_a_name_is_only_a_name(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["../../x.txt", "/etc/passwd", "C:\\windows\\x.txt", "a/../../b.txt", "s3://bucket/key.txt", "-rf", "x\n\x1b[31m.txt"]
    assert documents(items_of(pack(dict.fromkeys(names, b"text")))) == dict.fromkeys(names, b"text")
    assert list(tmp_path.rglob("*")) == []


def test_names_in_odd_bytes_can_be_printed_and_written() -> None:
    tar = as_tar({"aXb.txt": b"text"}, tarfile.USTAR_FORMAT)
    header = bytearray(tar[:512].replace(b"aXb", b"a\xfdb"))
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 8 * 32)
    assert brief(items_of(bytes(header) + tar[512:])) == [("a%FDb.txt", b"text")]
    # A zip's names are UTF-8 or, where they are not, of the first PCs.
    zipped = as_zip({"aXb.txt": b"text"})
    assert brief(items_of(zipped.replace(b"aXb", b"a\x81b"))) == [("aüb.txt", b"text")]
    assert brief(items_of(as_zip({"aXXb.txt": b"text"}).replace(b"aXXb", "aüb".encode()))) == [("aüb.txt", b"text")]


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_in_a_tar(style: int) -> None:
    long = "/".join(["folder" * 8] * (3 if style == tarfile.USTAR_FORMAT else 40)) + "/a.txt"
    contents = {long: b"one", "short.txt": b"two", long + "x": b"three"}
    assert documents(items_of(as_tar(contents, style))) == contents


def test_a_pax_header_that_says_the_size() -> None:
    header = tar_info("a.txt", 0).tobuf()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        record = b"10 size=4\n"
        archive.addfile(tar_info("pax", len(record), type=tarfile.XHDTYPE), io.BytesIO(record))
    data = buffer.getvalue()[:1024] + header + b"text".ljust(512, b"\0") + as_tar({"b.txt": b"more"})
    assert brief(items_of(data)) == [("a.txt", b"text"), ("b.txt", b"more")]


# ---- gzipped members and sizes


@some_packs
def test_a_gzipped_member_is_unpacked_once(pack: Pack) -> None:
    contents = {
        "a.html.gz": gz(PAGES["site/1.html"]),
        "b.gz": gz(gz(b"text")),
        "c.css.gz": gz(b"p {}"),
        "d.gz": gz(b"x" * 9000)[:-9],
        "e.gz": b"\x1f\x8b\x08\0" + b"\xff" * 50,
        "f": gz(b"one") + gz(b"two"),
    }
    assert brief(items_of(pack(contents))) == [
        ("a.html.gz", PAGES["site/1.html"]),
        ("passed", "archive"),
        ("passed", "web-asset"),
        ("truncated-gzip", "d.gz"),
        ("damaged-gzip", "e.gz"),
        ("f", b"onetwo"),
    ]


@some_packs
@pytest.mark.parametrize("packed", [False, True])
def test_no_more_than_the_limit_and_one_byte_is_handed_on(pack: Pack, packed: bool) -> None:
    # Cleaning rejects the document as too large, by that one byte.
    contents = {"under": NOISE[:5000], "over": NOISE[:5001], "far-over": NOISE, "last": b"text"}
    items = items_of(pack({name: gz(raw) if packed else raw for name, raw in contents.items()}), max_bytes=5000)
    assert documents(items) == {name: raw[:5001] for name, raw in contents.items()}


# ---- bombs


@some_packs
@pytest.mark.parametrize("inner", [False, True])
def test_a_bomb_is_stopped_and_its_neighbours_are_read(pack: Pack, inner: bool) -> None:
    zeros = bytes(60_000_000)
    bomb = gz(zeros) if inner else zeros
    for max_bytes in (0, 20_000_000):
        data = pack({"a.txt": b"before", "bomb": bomb, "b.txt": b"after"})
        if pack in (PACKS["stored-zip"], PACKS["tar"]) and not inner:
            continue  # nothing is packed there
        tracemalloc.start()
        items = items_of(data, max_bytes)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert brief(items) == [("a.txt", b"before"), ("zip-bomb", "bomb"), ("b.txt", b"after")]
        assert peak < 25_000_000


@some_packs
def test_what_packs_well_is_no_bomb(pack: Pack) -> None:
    contents = {
        "small.txt": bytes(1_000_000),
        "log.txt": b"".join(b"%d the same line as ever, with nothing new in it\n" % n for n in range(60_000)),
    }
    assert documents(items_of(pack(contents))) == contents


@pytest.mark.parametrize("pack", [PACKS["tar.gz"], PACKS["tar.zst"]], ids=["gz", "zst"])
@pytest.mark.parametrize("where", ["member", "end"])
def test_a_packed_tar_of_bombs_is_abandoned_and_says_where(pack: Pack, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ABANDON_BYTES", 30_000_000)
    if where == "member":
        items = items_of(pack({"a.txt": b"before", "bomb": bytes(60_000_000), "b.txt": b"after"}))
        assert brief(items)[:2] == [("a.txt", b"before"), ("zip-bomb", "bomb")]
    else:
        items = items_of((gz if pack is PACKS["tar.gz"] else zst)(as_tar({"a.txt": b"before"}) + bytes(60_000_000)))
        assert brief(items) == [("a.txt", b"before"), ("zip-bomb", "byte 30000128")]
    assert failures(items)[-1] == "zip-bomb"
    assert "b.txt" not in documents(items)


def test_members_that_share_their_data_are_stopped() -> None:
    # Ten thousand entries of the directory for one member: each innocent, together no archive can hold them.
    data = as_zip({"a.txt": NOISE[:5000]})
    start = data.index(b"PK\x01\x02")
    record, end = data[start:-22], bytearray(data[-22:])
    struct.pack_into("<2H2L", end, 8, 1000, 1000, 1000 * len(record), start)
    items = items_of(data[:start] + record * 1000 + bytes(end))
    assert len(items) == 1000
    assert {reason for reason, _ in brief(items[20:])} == {"zip-bomb"}


# ---- zip: damage


def test_encrypted_members_fail_and_the_others_are_read() -> None:
    data = bytearray(as_zip({"a.txt": b"one", "b.txt": b"two", "c.txt": b"three"}))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[[match.start() for match in re.finditer(re.escape(mark), data)][1] + offset] |= 1
    assert brief(items_of(bytes(data))) == [("a.txt", b"one"), ("encrypted", "b.txt"), ("c.txt", b"three")]


def test_an_unknown_method_fails_and_the_others_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, method in {"a.txt": zipfile.ZIP_STORED, "b.txt": zipfile.ZIP_LZMA, "c.txt": zipfile.ZIP_DEFLATED}.items():
            archive.writestr(name, b"text", method)
    items = items_of(buffer.getvalue())
    assert brief(items) == [("a.txt", b"text"), ("unsupported-member", "b.txt"), ("c.txt", b"text")]
    assert "compression method 14" in next(item.detail for item in items if isinstance(item, Failed))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_damaged_member_fails_and_the_others_are_read(method: int) -> None:
    data = bytearray(as_zip(PAGES, method))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        third = archive.infolist()[3]
    data[third.header_offset + 30 + len(third.filename) + third.compress_size // 2] ^= 0x10
    items = items_of(bytes(data))
    assert len(items) == 6
    assert brief(items)[3] == ("damaged-archive", third.filename)
    assert documents(items) == {name: raw for name, raw in PAGES.items() if name != third.filename}


@pytest.mark.parametrize("place", ["local", "offset"])
def test_a_directory_that_points_nowhere(place: str) -> None:
    data = bytearray(as_zip(PAGES))
    if place == "local":
        at = [match.start() for match in re.finditer(rb"PK\x03\x04", data)][2]
        data[at] ^= 1
    else:
        at = [match.start() for match in re.finditer(rb"PK\x01\x02", data)][2]
        data[at + 42 : at + 46] = b"\xf0\xff\xff\xff"
    items = items_of(bytes(data))
    assert failures(items) == ["damaged-archive" if place == "local" else "truncated-archive"]
    assert len(documents(items)) == 5


def test_a_directory_that_breaks_off_is_noticed() -> None:
    data = bytearray(as_zip(PAGES))
    data[[match.start() for match in re.finditer(rb"PK\x01\x02", data)][4]] ^= 1
    items = items_of(bytes(data))
    assert brief(items)[:4] == list(PAGES.items())[:4]
    assert failures(items) == ["damaged-archive"]
    assert "4 of 6 members" in items[-1].detail  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["zip", "stored-zip", "bzip2-zip", "streamed-zip"])
def test_a_zip_without_its_directory_is_read_by_its_members_own_headers(name: str) -> None:
    data = PACKS[name](PAGES)
    items = items_of(data[: data.index(b"PK\x01\x02") + 20])
    assert documents(items) == PAGES
    assert failures(items) == ["truncated-archive"]


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(["zip", "stored-zip", "streamed-zip"]), cut=st.floats(0, 1, exclude_max=True))
def test_a_truncated_zip_loses_nothing_that_is_there(name: str, cut: float) -> None:
    data = PACKS[name](PAGES)
    size = int(len(data) * cut)
    items = items_of(data[:size])
    assert "truncated-archive" in failures(items) or size < 4
    got = documents(items)
    assert got == dict(list(PAGES.items())[: len(got)])
    starts = [match.start() for match in re.finditer(rb"PK(\x03\x04|\x01\x02)", data)]
    assert len(got) >= sum(start <= size for start in starts[1:7])


def test_a_stored_member_of_unknown_size_fails_alone() -> None:
    data = as_streamed_zip({"a.txt": b"one", "b.txt": b"two" * 99})
    at = data.index(b"PK\3\4")
    data = data[: at + 8] + b"\0\0" + data[at + 10 :]
    items = items_of(data[: data.index(b"PK\x01\x02")])
    assert brief(items)[:2] == [("unsupported-member", "a.txt"), ("b.txt", b"two" * 99)]


def test_archives_behind_one_another() -> None:
    # The last zip's directory knows nothing of the first's members.
    one, two = {"a.txt": b"one" * 9}, {"b.txt": b"two" * 9}
    assert documents(items_of(as_zip(one) + as_zip(two))) == one | two
    assert brief(items_of(as_tar(one) + as_tar(two))) == [*one.items(), *two.items()]
    assert brief(items_of(gz(as_tar(one)) + gz(as_tar(two)))) == [*one.items(), *two.items()]


def test_a_zip_behind_a_program_or_with_a_comment() -> None:
    assert documents(items_of(b"#!/bin/sh\nexit\n" + as_zip(PAGES))) == PAGES
    assert items_of(as_zip(PAGES, comment=b"c" * 60_000)) == items_of(as_zip(PAGES))
    assert items_of(as_zip({})) == items_of(as_tar({})) == []


def test_a_zip_inside_a_truncated_one_is_not_taken_for_it() -> None:
    data = as_zip({"a.txt": b"text", "inner.zip": as_zip({"secret.txt": b"inner"}), "b.txt": b"more"}, zipfile.ZIP_STORED)
    items = items_of(data[: data.index(b"b.txt") - 30])
    assert brief(items)[:2] == [("a.txt", b"text"), ("passed", "archive")]
    assert failures(items) == ["truncated-archive"]


def test_a_zip_with_64_bit_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    # Real ones have 4 GB; the library writes the same fields for anything above its limits.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in PAGES.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(raw)
    data = buffer.getvalue()
    assert b"PK\6\6" in data
    assert documents(items_of(data)) == PAGES
    assert documents(items_of(data[: data.index(b"PK\6\6")])) == PAGES  # without directory


# ---- tar: damage


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(["tar", "gnu-tar", "tar.gz", "tar.zst"]), cut=st.floats(0, 1, exclude_max=True))
@example(name="tar", cut=0.0)
def test_a_truncated_tar_loses_nothing_that_is_there(name: str, cut: float) -> None:
    data = PACKS[name](PAGES)
    items = items_of(data[: int(len(data) * cut)])
    got = documents(items)
    assert got == dict(list(PAGES.items())[: len(got)])
    assert len(failures(items)) <= 1
    plain = as_tar(PAGES)
    if name == "tar":
        ends = [plain.index(raw) + len(raw) for raw in PAGES.values()]
        assert len(got) == sum(end <= int(len(data) * cut) for end in ends)
    assert failures(items) or got == PAGES


@pytest.mark.parametrize("name", ["tar.gz", "tar.zst"])
def test_damage_in_the_stream_that_holds_a_tar(name: str) -> None:
    data = bytearray(PACKS[name]({f"{number}.bin": NOISE[number * 100_000 :][:100_000] for number in range(9)}))
    data[len(data) // 2] ^= 0x55
    items = items_of(bytes(data))
    assert len(documents(items)) >= 3
    assert failures(items) == ["damaged-gzip" if name == "tar.gz" else "damaged-zstd"]
    assert isinstance(items[-1], Failed)


@settings(deadline=None, max_examples=60)
@given(number=st.integers(1, 4), byte=st.integers(0, 511), flip=st.integers(1, 255))
def test_a_damaged_header_costs_one_member(number: int, byte: int, flip: int) -> None:
    data = bytearray(as_tar(PAGES, tarfile.USTAR_FORMAT))
    at = data.index(list(PAGES.values())[number]) - 512
    data[at + byte] ^= flip
    items = items_of(bytes(data))
    assert failures(items) in (["damaged-archive"], [])  # some bytes of a checksum count for nothing
    assert set(documents(items).values()) >= {raw for place, raw in enumerate(PAGES.values()) if place != number}
    if failures(items):
        assert brief(items)[number] == ("damaged-archive", f"byte {at}")


def test_sparse_and_unknown_members_fail_and_the_others_are_read() -> None:
    def block(kind: bytes, size: int, more: int = 0) -> bytes:
        header = bytearray(tar_info("odd", size, type=kind).tobuf(tarfile.GNU_FORMAT))
        header[482] = more
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
        return bytes(header)

    more = bytes(504) + b"\1" + bytes(7)
    middle = [
        block(b"S", 4) + b"data".ljust(512, b"\0"),
        block(b"S", 4, more=1) + more + bytes(512) + b"data".ljust(512, b"\0"),
        block(b"M", 4) + b"data".ljust(512, b"\0"),
    ]
    first, last = as_tar({"a.txt": b"text"}), as_tar({"b.txt": b"more"})
    expected = [("a.txt", b"text"), *[("unsupported-member", "odd")] * 3, ("b.txt", b"more")]
    assert brief(items_of(first[:1024] + b"".join(middle) + last)) == expected


def test_headers_that_claim_too_much() -> None:
    # A long name of 8 GB, a negative size and a size beyond the end neither take memory nor raise.
    huge = tar_info("././@LongLink", 8 << 30, type=tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    assert failures(items_of(huge + as_tar({"a.txt": b"text"}))) == ["truncated-archive"]
    assert failures(items_of(gz(huge + as_tar({"a.txt": b"text"})))) == ["truncated-archive"]
    huge = tar_info("a.txt", 1 << 70).tobuf(tarfile.GNU_FORMAT)
    assert brief(items_of(huge + bytes(1024))) == [("truncated-archive", "a.txt")]
    header = bytearray(tar_info("a.txt", 5).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    assert brief(items_of(bytes(header) + as_tar({"b.txt": b"more"}))) == [("damaged-archive", "byte 0"), ("b.txt", b"more")]


def test_a_sparse_file_of_the_pax_format_fails_alone() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tar_info("GNUSparseFile.0/a.txt", 4)
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a.txt"}
        archive.addfile(info, io.BytesIO(b"data"))
        archive.addfile(tar_info("b.txt", 4), io.BytesIO(b"more"))
    assert brief(items_of(buffer.getvalue())) == [("unsupported-member", "a.txt"), ("b.txt", b"more")]


def test_the_damage_of_a_gzipped_member_does_not_hide_that_of_the_archive() -> None:
    data = as_tar({"a.gz": gz(NOISE[:9000])[:-9], "photo.png": b"\x89PNG\r\n\x1a\n" + NOISE[:500_000]})
    items = items_of(gz(data)[:-1000])
    assert brief(items)[:2] == [("truncated-gzip", "a.gz"), ("passed", "image")]
    assert failures(items) == ["truncated-gzip", "truncated-gzip"]


def test_a_zip_member_that_claims_exabytes() -> None:
    data = as_zip({"a.txt": b"text", "b.txt": b"more"})
    extra = struct.pack("<2H2Q", 1, 16, 1 << 63, (1 << 64) - 1)
    start = data.index(b"PK\x03\x04", 4)
    header = bytearray(data[start : start + 35])
    struct.pack_into("<2L", header, 18, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", header, 28, len(extra))
    items = items_of(data[:start] + bytes(header) + extra + data[start + 35 : data.index(b"PK\x01\x02")])
    assert brief(items) == [("a.txt", b"text"), ("truncated-archive", "b.txt"), ("truncated-archive", "byte 0")]


def test_a_long_name_without_its_member() -> None:
    data = as_tar({"x" * 300 + ".txt": b"text"}, tarfile.GNU_FORMAT)
    assert failures(items_of(data[:1024])) == ["truncated-archive"]


@pytest.mark.parametrize(("end", "expected"), [(0, ["truncated-archive"]), (512, []), (1024, []), (5000, [])])
def test_a_tar_that_was_cut_between_members_lacks_its_end_mark(end: int, expected: list[str]) -> None:
    data = as_tar({"a.txt": b"text"})
    items = items_of(data[:1024] + bytes(end))
    assert documents(items) == {"a.txt": b"text"}
    assert failures(items) == expected


# ---- whatever it is


def test_what_is_no_archive_fails_as_a_whole(tmp_path: Path) -> None:
    cases = {
        b"": "truncated-archive",
        b"<html>" * 500: "damaged-archive",
        gz(b"<html>" * 500): "damaged-archive",
        b"PK": "truncated-archive",
    }
    for data, reason in cases.items():
        assert failures(items_of(data)) == [reason]
    [gone] = archives.read(str(tmp_path / "gone.zip"), URI, 0, None, ReadOptions(max_bytes=0))
    assert isinstance(gone, Failed)
    assert (gone.reason, gone.id) == ("missing", document_id(Source(raw=b"", uri=URI, offset=0)))


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(sorted(PACKS)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=5),
)
def test_whatever_is_damaged_nothing_is_raised_and_no_text_is_made_up(name: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(PACKS[name](PAGES))
    for place, flip in flips:
        data[int(len(data) * place)] ^= flip
    items = items_of(bytes(data), 100_000)
    assert len(items) <= 40
    if name.endswith("zip") and "streamed" not in name:
        assert set(documents(items).values()) <= set(PAGES.values())  # by their checksums


@settings(deadline=None, max_examples=60)
@given(start=st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b\x08\0", b"(\xb5/\xfd"]), data=st.binary(max_size=2000))
def test_noise_is_no_archive(start: bytes, data: bytes) -> None:
    assert not documents(items_of(start + data))


@pytest.mark.parametrize("pack", [as_zip, as_tar], ids=["zip", "tar"])
def test_memory_does_not_grow_with_the_number_of_members(pack: Pack) -> None:
    data = pack(dict.fromkeys((f"site/2024/{number}.html" for number in range(5_000)), b"<p>"))
    tracemalloc.start()
    count = sum(1 for _ in lazily(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 2_000_000  # 600 bytes a member are 3 MB


def test_members_are_read_one_at_a_time() -> None:
    first = next(lazily(as_zip(PAGES)))
    assert isinstance(first, Document)
    assert first.source.member == "site/0.html"
