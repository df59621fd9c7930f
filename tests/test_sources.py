import gzip
import os
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from conftest import article, make_tree

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.failures import FAILURES, ReadError
from newsfilter.dumps.ledger import entry_id
from newsfilter.dumps.magic import SKIPPED, kind_of
from newsfilter.dumps.reading import Skipped, read
from newsfilter.dumps.sources import Entry, list_sources, with_stdin
from newsfilter.errors import InputError
from newsfilter.records import Source

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it


def zipped(*names: str) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


NO_DOCUMENTS = [
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "image"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"GIF89a", "image"),
    (b"RIFF\x10\0\0\0WEBPVP8 ", "image"),
    (b"BM\x10\0\0\0\0\0\0\0", "image"),
    (b"\0\0\1\0\1\0\x10\x10", "image"),
    (b'<?xml version="1.0"?>\n<svg xmlns="x">', "image"),
    (b"\0\0\0\x1cftypavif", "image"),
    (b"%PDF-1.7", "pdf"),
    (b"\xef\xbb\xbf\n%PDF-1.7", "pdf"),
    (zipped("page.html"), "archive"),
    (zipped("[Content_Types].xml", "word/document.xml"), "office"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (b"{\\rtf1", "office"),
    (b"BZh91AY&SY", "archive"),
    (b"7z\xbc\xaf'\x1c", "archive"),
    (b"x" * 257 + b"ustar\0", "archive"),
    (b"ID3\x03\0", "audio"),
    (b"\xff\xfb\x90\x64", "audio"),
    (b"OggS\0", "audio"),
    (b"\0\0\0\x20ftypisom", "video"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"wOF2\0", "font"),
    (b"\x7fELF\x02", "executable"),
    (b"MZ\x90\0\x03\0", "executable"),
    (b"SQLite format 3\0", "database"),
]
DOCUMENTS = [
    (b"", "empty.html"),
    ("BM Genel Sekreteri dün konuştu.".encode(), "a.txt"),
    (b"MZansi votes on Wednesday, said the commission.", "a.txt"),
    (b"ID3 is not a tag here", "a.txt"),
    (b"\xff\xfeH\0a\0b\0e\0r\0", "a.txt"),
    (b"PK sent the ball wide.", "a.txt"),
    (b"RIFF raff", "a.txt"),
    (b"<!DOCTYPE html><p>saved under a script's name", "page.js"),
    (b'<html><body><svg width="1"></svg>', "a.html"),
    (b'<?xml version="1.0"?><!DOCTYPE html><html>', "a.html"),
    (b"%PDF is a format, wrote the paper.", "a.txt"),
    (b"BZh9 is how such files begin", "a.txt"),
]


@pytest.mark.parametrize(("head", "kind"), NO_DOCUMENTS, ids=[f"{kind}-{number}" for number, (_, kind) in enumerate(NO_DOCUMENTS)])
def test_what_is_no_document_is_known_by_its_bytes_whatever_its_name(head: bytes, kind: str) -> None:
    assert kind_of(head, "haber.html") == kind
    assert kind in SKIPPED


@pytest.mark.parametrize(("head", "name"), DOCUMENTS, ids=[str(number) for number in range(len(DOCUMENTS))])
def test_a_document_that_only_looks_like_something_else_stays_a_document(head: bytes, name: str) -> None:
    assert kind_of(head, name) is None


@pytest.mark.parametrize(("name", "kind"), [("theme/style.css", "web-asset"), ("app.JS", "web-asset"), ("x/Thumbs.db", "housekeeping")])
def test_a_name_helps_where_bytes_say_nothing(name: str, kind: str) -> None:
    assert kind_of(b"body { color: red }", name) == kind


def test_documents_are_listed_by_uri_whatever_the_order_of_the_folders(tmp_path: Path) -> None:
    """Source order is that of the URIs, over all SRCs."""
    make_tree(tmp_path, {"one/c.txt": "c", "one/a/z.txt": "z", "two/b.txt": "b"})
    uris = [[entry.uri for entry in list_sources(order).entries] for order in (["one", "two"], ["two", "one"])]
    assert uris == [["a/z.txt", "b.txt", "c.txt"]] * 2


def test_a_file_keeps_its_own_name_and_standard_input_is_called_stdin(tmp_path: Path) -> None:
    make_tree(tmp_path, {"deep/er/page.html": "x"})
    listing = with_stdin(list_sources(["deep/er/page.html", "-"]), BytesIO(b"text"), 100)
    assert [(entry.uri, entry.raw) for entry in listing.entries] == [("page.html", None), ("stdin", b"text")]


def test_one_uri_in_several_sources_has_several_ids(tmp_path: Path) -> None:
    """The first keeps the usual id; swapping the SRCs swaps who that is."""
    make_tree(tmp_path, {"one/a.html": "1", "two/a.html": "2", "three/a.html": "3"})
    entries = list_sources(["one", "two", "three"]).entries
    ids = [entry_id(entry) for entry in entries]
    assert [entry.uri for entry in entries] == ["a.html"] * 3
    assert len(set(ids)) == 3
    assert ids[0] == entry_id(list_sources(["two"]).entries[0])
    assert [entry_id(entry) for entry in list_sources(["three", "two", "one"]).entries] == ids


def test_a_path_that_two_sources_lead_to_is_read_once(tmp_path: Path) -> None:
    make_tree(tmp_path, {"crawl/a/x.txt": "x", "crawl/y.txt": "y"})
    listing = list_sources(["crawl", "crawl/a", "./crawl/y.txt"])
    assert [entry.uri for entry in listing.entries] == ["a/x.txt", "y.txt"]
    assert listing.skipped == {"repeated": 2}


def test_links_are_followed_to_files_inside_the_source_only(tmp_path: Path) -> None:
    """A loop, a broken link, a folder, and everything outside is skipped and counted."""
    make_tree(tmp_path, {"crawl/a/page.txt": "x", "secret.txt": "s", "crawl2/other.txt": "o"})
    crawl = tmp_path / "crawl"
    (crawl / "inside.txt").symlink_to("a/page.txt")
    (crawl / "a/loop").symlink_to(crawl)
    (crawl / "self").symlink_to("self")
    (crawl / "broken").symlink_to("nowhere")
    (crawl / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (crawl / "up.txt").symlink_to("../secret.txt")
    (crawl / "beside.txt").symlink_to("../crawl2/other.txt")  # a folder whose name begins like the source's
    listing = list_sources(["crawl"])
    assert [entry.uri for entry in listing.entries] == ["a/page.txt", "inside.txt"]
    assert listing.skipped == {"symlink": 6}


def test_pipes_and_housekeeping_are_counted_and_not_opened(tmp_path: Path) -> None:
    make_tree(tmp_path, {"crawl/.git/config": "x", "crawl/__MACOSX/._a.html": "x", "crawl/.well-known.html": "x"})
    os.mkfifo(tmp_path / "crawl/pipe")
    listing = list_sources(["crawl"])
    assert [entry.uri for entry in listing.entries] == [".well-known.html"]
    assert listing.skipped == {"special": 1, "housekeeping": 2}


def test_a_name_that_is_no_utf8_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / os.fsdecode(b"ba\xfelik.txt")).write_bytes(b"x")
    entry = list_sources(["crawl"]).entries[0]
    assert entry.uri == "ba%FElik.txt"
    assert isinstance(read(entry, 0), Source)


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("nowhere", "out", "does not exist"),
        ("crawl", "crawl", "same place"),
        ("crawl", "crawl/a/out", "inside SRC"),
        ("crawl/a", "crawl", "inside OUT"),
    ],
)
def test_a_source_in_the_way_is_refused(tmp_path: Path, source: str, out: str, message: str) -> None:
    make_tree(tmp_path, {"crawl/a/x.txt": "x"})
    with pytest.raises(InputError, match=message):
        list_sources([source], out=Path(out))


def test_out_inside_a_source_is_seen_through_a_link(tmp_path: Path) -> None:
    make_tree(tmp_path, {"crawl/x.txt": "x"})
    (tmp_path / "link").symlink_to("crawl")
    with pytest.raises(InputError, match="inside SRC"):
        list_sources(["crawl"], out=Path("link/out"))


def test_gzip_is_known_by_its_bytes_and_unpacked(tmp_path: Path) -> None:
    """Members put one behind another are one document, as gunzip has it."""
    make_tree(tmp_path, {"a.html": gzip.compress(b"one ") + gzip.compress(b"two")})
    source = read(Entry("a.html", "a.html"), 100)
    assert isinstance(source, Source)
    assert source.raw == b"one two"


@pytest.mark.parametrize("cut", [2, 9, 15, -1, -8])
def test_gzip_that_ends_early_fails_as_truncated(tmp_path: Path, cut: int) -> None:
    make_tree(tmp_path, {"a.gz": gzip.compress(article(1).encode())[:cut]})
    with pytest.raises(ReadError) as caught:
        read(Entry("a.gz", "a.gz"), 0)
    assert caught.value.reason == "truncated-gzip"


def test_gzip_with_a_wrong_checksum_fails_as_damaged(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(article(1).encode()))
    packed[-6] ^= 1
    make_tree(tmp_path, {"a.gz": bytes(packed)})
    with pytest.raises(ReadError) as caught:
        read(Entry("a.gz", "a.gz"), 0)
    assert caught.value.reason == "damaged-gzip"


def test_an_image_inside_gzip_is_no_document(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.html.gz": gzip.compress(b"GIF89a....")})
    assert read(Entry("a.html.gz", "a.html.gz"), 0) == Skipped("image")


def test_a_document_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    """Its size is known from the file system; the file is sparse, so the test would never end if it were read."""
    with (tmp_path / "big.txt").open("wb") as stream:
        stream.write(b"text")
        stream.truncate(10**12)
    result = read(Entry("big.txt", "big.txt"), 1000)
    assert isinstance(result, Oversized)
    assert (result.size, result.source.raw) == (10**12, b"")


def test_gzip_that_unpacks_to_too_much_is_unpacked_no_further_than_the_limit(tmp_path: Path) -> None:
    make_tree(tmp_path, {"bomb.gz": gzip.compress(b"a" * 50_000_000)})
    result = read(Entry("bomb.gz", "bomb.gz"), 1000)
    assert isinstance(result, Oversized)
    assert result.size == 1001


@pytest.mark.parametrize(("size", "kind"), [(999, Source), (1000, Source), (1001, Oversized)])
@pytest.mark.parametrize("packed", [False, True])
def test_the_limit_itself_is_allowed(tmp_path: Path, size: int, kind: type, packed: bool) -> None:
    data = b"a" * size
    make_tree(tmp_path, {"a.txt": gzip.compress(data) if packed else data})
    assert isinstance(read(Entry("a.txt", "a.txt"), 1000), kind)


def test_standard_input_is_read_no_further_than_the_limit() -> None:
    stream = BytesIO(b"a" * 5000)
    listing = with_stdin(list_sources(["-"]), stream, 1000)
    assert stream.tell() == 1001
    assert isinstance(read(listing.entries[0], 1000), Oversized)


def test_a_file_that_has_gone_fails_as_missing() -> None:
    with pytest.raises(ReadError) as caught:
        read(Entry("gone.txt", "gone.txt"), 0)
    assert caught.value.reason == "missing"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_opened_fails_as_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise error

    make_tree(tmp_path, {"a.txt": "x"})
    monkeypatch.setattr("newsfilter.dumps.reading.os.open", refuse)
    with pytest.raises(ReadError, match=str(error.strerror)) as caught:
        read(Entry("a.txt", "a.txt"), 0)
    assert caught.value.reason == "unreadable"


def test_a_pipe_that_took_a_files_place_does_not_stop_the_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    assert read(Entry("a.txt", "a.txt"), 0) == Skipped("special")


@pytest.mark.parametrize("head", [b"WARC/1.0\r\nWARC-Type: warcinfo\r\n", b"PAR1\x15\0\x15"])
def test_a_container_of_documents_fails_rather_than_being_lost(tmp_path: Path, head: bytes) -> None:
    make_tree(tmp_path, {"a": head})
    with pytest.raises(ReadError) as caught:
        read(Entry("a", "a"), 0)
    assert caught.value.reason == "unsupported-format"


def test_text_that_begins_like_a_container_is_text(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a": "PAR1S in spring, and WARC/1.0 is a format."})
    assert isinstance(read(Entry("a", "a"), 0), Source)


def test_every_reason_to_fail_says_what_happened() -> None:
    for reason in FAILURES:
        assert FAILURES[reason] in str(ReadError("a.txt", reason, "detail"))
