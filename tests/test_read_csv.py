import csv
import gzip
import io
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.readers import ReadOptions, csv_rows
from newsfilter.dumps.readers.csv_rows import columns_of, header_of, read, split
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

OPTIONS = ReadOptions(max_bytes=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def items(file: Path, content: bytes | str | None = None, options: ReadOptions = OPTIONS) -> list[Item]:
    """All records of a file, which is written first where content is given."""
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert list(split(str(file), "a.csv", options)) == [(0, None)]
    return list(read(str(file), "a.csv", 0, None, options))


def told(records: Sequence[Item]) -> list[str]:
    """Each record in a word: the document's text, or the failure's reason and place."""
    return [
        str(one.source.raw)
        if isinstance(one, Document)
        else f"{one.reason}: {one.detail}"
        if isinstance(one, Failed)
        else one.kind
        if isinstance(one, Passed)
        else "oversized"
        for one in records
    ]


def test_rows_become_documents_with_their_number_and_columns(file: Path) -> None:
    (one, two) = items(file, "id,url,text\n7,https://a.example/1,Köprü açıldı.\n,,b\n")
    assert isinstance(one, Document)
    assert isinstance(two, Document)
    assert one.source == Source("Köprü açıldı.", "a.csv", "text/plain", url="https://a.example/1", offset=0, id="7")
    assert (one.columns, one.field) == ({"id": "7", "url": "https://a.example/1", "text": "Köprü açıldı."}, "text")
    assert two.source == Source("b", "a.csv", "text/plain", offset=1)


DIALECTS: list[tuple[str, str, list[str]]] = [
    ("comma", "id,text\n1,a;b\n", ["a;b"]),
    ("semicolon, with commas in the prose", "id;text\n1;one, two, three\n2;four, five\n", ["one, two, three", "four, five"]),
    ("tab", "id\ttext\n1\ta, b; c\n", ["a, b; c"]),
    ("a space behind each", 'id, "text"\n1, "a, b"\n', ["a, b"]),
    ("quoted headings", '"id";"text"\n1;"a;b"\n', ["a;b"]),
    ("one column", "text\nHe came, saw; and went.\n", ["bad-row: line 2: 2 cells where the header has 1"]),
    ("one quoted column", '"text"\n"He came, saw; and went."\n', ["He came, saw; and went."]),
    ("an index without a name, as pandas writes it", ",text\n0,a\n", ["a"]),
    ("apostrophes are letters", "id,text\n1,'a\n2,b'\n", ["'a", "b'"]),
    ("blank lines and CRLF", "\r\nid,text\r\n\r\n1,a\r\n  \r\n2,b", ["a", "b"]),
    ("a byte order mark", "\ufefftext,id\na,1\n", ["a"]),
    ("line breaks in quotes", 'text,id\n"a\n\nb\r\nc",1\nd,2\n', ["a\n\nb\r\nc", "d"]),
    ("doubled quotes", 'text,id\n"He said ""no"".",1\n', ['He said "no".']),
    ("a quote inside a plain cell", 'text,id\n5" wide,1\n', ['5" wide']),
    ("empty cells", "text,id\n,\n", [""]),
    ("no rows", "text,id\n", []),
    ("nothing", "", []),
    ("blank lines alone", "\n\r\n", []),
]


@pytest.mark.parametrize(("content", "texts"), [row[1:] for row in DIALECTS], ids=[row[0] for row in DIALECTS])
def test_commas_semicolons_and_tabs_are_told_apart_by_the_header(file: Path, content: str, texts: list[str]) -> None:
    assert told(items(file, content)) == texts


BAD: list[tuple[str, bytes, str]] = [
    ("too few cells", b"x\n", "bad-row: line 3: 1 cells where the header has 2"),
    ("too many", b"x,y,z\n", "bad-row: line 3: 3 cells where the header has 2"),
    ("too many over lines", b'"x\n\ny",2,3\n', "bad-row: line 3 to line 5: 3 cells where the header has 2"),
    ("a quote that is not doubled", b'"x "y" z",2\n', "bad-row: line 3: ',' expected after '\"'"),
    ("a stray byte", b"x\xfd,2\n", "not-utf-8: line 3"),
    ("a stray byte over lines", b'"x\xfd\ny",2\n', "not-utf-8: line 3 to line 4"),
]


@pytest.mark.parametrize(("row", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_row_fails_with_its_lines_and_its_neighbours_do_not(file: Path, row: bytes, said: str) -> None:
    first, bad, last = items(file, "text,id\nçöğüşıçöğüşıçöğüşı,1\n".encode() + row + b"b,2\n")
    assert told([first, bad, last]) == ["çöğüşıçöğüşıçöğüşı", said, "b"]
    assert isinstance(bad, Failed)
    assert isinstance(last, Document)
    assert (bad.id, last.source.offset) == (document_id(Source(b"", "a.csv", offset=1)), 2)


def test_a_quote_that_never_closes_fails_and_is_no_document(file: Path) -> None:
    """Where a file was cut inside its last cell, the row has as many cells as any."""
    assert told(items(file, 'id,text\n1,a\n2,"b was c\nut')) == ["a", "bad-row: line 3 to line 4: unexpected end of data"]


def test_a_cell_longer_than_the_csv_module_allows_is_read(file: Path) -> None:
    before = csv.field_size_limit(1000)
    try:
        assert told(items(file, f"text,id\n{'x' * 300_000},1\n", ReadOptions(max_bytes=400_000))) == ["x" * 300_000]
        assert csv.field_size_limit() == 400_000
        assert told(items(file, None, ReadOptions(max_bytes=310_000))) == ["x" * 300_000]
        assert csv.field_size_limit() == 400_000  # never lowered under another reader's feet
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(("size", "breaks", "last"), [(20_000_000, 0, 3), (60_000, 300, 303)], ids=["one line", "many lines"])
@pytest.mark.parametrize("end", ['"', '"""', '",""'], ids=["quoted", "ending in a quote", "and another cell"])
def test_a_row_above_the_limit_fails_is_never_held_and_ends_where_it_ends(file: Path, size: int, breaks: int, last: int, end: str) -> None:
    """Not in the middle of its cell, whose lines would pass for rows."""
    cell = ("x" * size + "\n") * breaks + "x" * (0 if breaks else size)
    file.write_text(f'text,id\na,1\n"{cell}{end},1\n"b\nb",2\n', encoding="utf-8")
    tracemalloc.start()
    try:
        records = told(list(read(str(file), "a.csv", 0, None, ReadOptions(max_bytes=100_000))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert records == ["a", f"too-long: line 3{f' to line {last}' if breaks else ''}", "b\nb"]
    assert peak < 10_000_000


@pytest.mark.parametrize("row", ["x" * 60, '"' + "x" * 60, '"' + "x\n" * 30])
def test_a_row_above_the_limit_may_be_the_last(file: Path, row: str) -> None:
    last = f" to line {3 + row.count(chr(10)) - 1}" if "\n" in row else ""
    assert told(items(file, "text,id\na,1\n" + row, ReadOptions(max_bytes=40))) == ["a", f"too-long: line 3{last}"]


def test_a_bad_quote_in_a_cell_over_lines_costs_that_row_alone(file: Path) -> None:
    """The lines behind it have as many cells as a row, and are none."""
    assert told(items(file, 'text,id\n"He said "no"\nthen, left\nby, train.",1\nb,2\n')) == [
        "bad-row: line 2 to line 4: ',' expected after '\"'",
        "b",
    ]


def test_a_quote_that_opens_by_mistake_takes_no_more_than_a_bound(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "PASSED_BYTES", 8)
    rows = 'text,id\na,1\n"b,2\n' + "c,3\n" * 20
    assert told(items(file, rows, ReadOptions(max_bytes=40))) == ["a", "too-long: line 3 to line 14", *["c"] * 9]


def test_the_limit_is_the_rows_own(file: Path) -> None:
    """Many rows together may have more; lines of one row together may not."""
    row = "x" * 46 + ",1\n"
    assert told(items(file, "text,id\n" + row * 10, ReadOptions(max_bytes=48))) == ["x" * 46] * 10
    assert told(items(file, "text,id\n" + row * 2, ReadOptions(max_bytes=47))) == ["too-long: line 2", "too-long: line 3"]
    over = '"' + "x" * 20 + "\n" + "x" * 30 + '",1\n'
    assert told(items(file, "text,id\n" + over + row, ReadOptions(max_bytes=48)))[0] == "too-long: line 2 to line 3"


REFUSED: list[tuple[str, bytes, str]] = [
    ("windows-1254", "text,id\nBugün köprü açıldı, çok güzel,1\n".encode("cp1254"), r"byte 11 is 0xFC\).*iconv -f CHARSET -t UTF-8"),
    ("one quote sign of windows-1252", b"text,id\nit\x92s,1\n", r"byte 10 is 0x92\).*iconv -f CHARSET"),
    ("UTF-16 with a mark", "text,id\na,1\n".encode("utf-16"), "iconv -f UTF-16"),
    ("UTF-16 without one", "text,id\na,1\n".encode("utf-16-le"), "iconv -f UTF-16"),
    ("no header", b"1,https://a.example,The bridge was opened.\n", "first row, which must be a header"),
    ("no usual column", b"title,n\na,1\n", "Its columns: title, n .*first row"),
    ("two columns of one name", b"text,id,text\na,1,b\n", "two of its columns are called 'text'; rename one"),
    ("a broken header", b'"te"xt",id\na,1\n', "its first row is no header"),
    ("lines that end in CR", b"text,id\ra,1\r", r"tr '\\r' '\\n'"),
]


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_csv_in_utf8_is_refused_with_the_way_out(file: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        items(file, content)
    assert str(refused.value).startswith("a.csv: ")


def test_a_character_cut_by_the_end_of_the_head_is_no_stray_byte(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "text,id\nç,1\n"
    for size in range(8, len(content.encode())):
        monkeypatch.setattr(csv_rows, "HEAD_BYTES", size)
        assert told(items(file, content)) == ["ç"]


def test_what_was_guessed_can_be_said(file: Path) -> None:
    file.write_bytes(b"_id;Link;Icerik\n")
    assert columns_of(str(file), "a", OPTIONS).said == "text from column `Icerik`, URL from column `Link`, id from column `_id`"
    header = header_of(str(file), "a", ReadOptions(max_bytes=0, html_field="icerik"))
    assert (header.names, header.delimiter) == (("_id", "Link", "Icerik"), ";")
    assert header.columns.documents == (("Icerik", "text/html"),)


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_packed_file_is_read_alike(file: Path, packed: Any) -> None:
    plain = items(file, 'text,id\n"a\nb",1\nc\n')
    assert items(file, packed(file.read_bytes())) == plain


def test_a_cut_gzip_fails_once_where_it_was_cut(file: Path) -> None:
    """What is left of the cut row has as many cells as any, and is no document."""
    packed = gzip.compress(b"id,text\n" + b"".join(b"%d,%s\n" % (number, b"x" * 50) for number in range(5000)))
    *whole, last = items(file, packed[: len(packed) // 2])
    assert 100 < len(whole) < 5000
    assert told(whole) == ["x" * 50] * len(whole)
    assert isinstance(last, Failed)
    assert last.reason == "truncated-gzip"
    assert last.detail.startswith(f"line {len(whole) + 2}: ")


def test_a_gzip_damaged_from_its_first_byte_is_one_failure(file: Path) -> None:
    (one,) = items(file, b"\x1f\x8b\x08\0" + b"\xff" * 50)
    assert isinstance(one, Failed)
    assert one.reason == "damaged-gzip"


class Failing:
    """A stream whose storage is lost at its nth line."""

    def __init__(self, stream: Any, line: int) -> None:
        self.stream, self.line = stream, line

    def readline(self, size: int = -1) -> bytes:
        self.line -= 1
        if self.line < 0:
            raise OSError(5, "Input/output error")
        line: bytes = self.stream.readline(size)
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


def test_storage_that_fails_in_the_middle_is_a_failure_with_its_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "open_binary", lambda path: Failing(open_binary(path), 3))
    assert told(items(file, "text,id\na,1\nb,2\nc,3\n")) == ["a", "b", "unreadable: line 4: Input/output error"]


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv"):
        list(read(str(file), "a.csv", 0, None, OPTIONS))


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "\n", "\r\n", "a,b;c\td", '""'])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6),
    delimiter=st.sampled_from(",;\t"),
    limit=st.sampled_from([0, 10_000]),
)
def test_what_the_csv_module_writes_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, limit: int
) -> None:
    """Whatever stands in the cells, quotes and line breaks too."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([["text", "x", "y"], *rows])
    file = tmp_path_factory.getbasetemp() / "written.csv"
    records = items(file, stream.getvalue(), ReadOptions(max_bytes=limit))
    assert [dict(one.columns or {}) for one in records if isinstance(one, Document)] == [
        dict(zip("text x y".split(), row, strict=True)) for row in rows
    ]
    assert len(records) == len(rows)
