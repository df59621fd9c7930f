import gzip
import json
import pickle
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.readers import ReadOptions, jsonl
from newsfilter.dumps.readers.jsonl import Row, columns_of, read, split
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

OPTIONS = ReadOptions(max_bytes=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def items(file: Path, options: ReadOptions = OPTIONS) -> list[Item]:
    """All records, range after range."""
    return [item for start, stop in split(str(file), "a.jsonl", options) for item in read(str(file), "a.jsonl", start, stop, options)]


def write(file: Path, *lines: bytes | str | dict[str, Any], end: bytes = b"\n") -> Path:
    """Write lines, of which dicts become JSON."""
    encoded = [line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode() for line in lines]
    file.write_bytes(b"".join(line + end for line in encoded))
    return file


def told(records: Sequence[Item]) -> list[str]:
    """Each record in a word: the document's text, or the failure's reason, or the kind passed."""
    return [
        str(one.source.raw)
        if isinstance(one, Document)
        else one.reason
        if isinstance(one, Failed)
        else one.kind
        if isinstance(one, Passed)
        else "oversized"
        for one in records
    ]


def documents(records: Sequence[Item]) -> list[Document]:
    assert all(isinstance(one, Document) for one in records), records
    return [one for one in records if isinstance(one, Document)]


def failure(record: Item) -> Failed:
    assert isinstance(record, Failed), record
    return record


def test_lines_become_documents_with_their_byte_and_columns(file: Path) -> None:
    first, second = '{"id": 1, "url": "https://a.example/1", "text": "Köprü", "n": 1.10}', '{"text":"b","id":"x"}'
    one, two = documents(items(write(file, first, second)))
    assert one.source == Source("Köprü", "a.jsonl", "text/plain", url="https://a.example/1", offset=0, id="1")
    assert two.source == Source("b", "a.jsonl", "text/plain", offset=len(first.encode()) + 1, id="x")
    assert (one.columns, one.field) == ({"id": 1, "url": "https://a.example/1", "text": "Köprü", "n": 1.1}, "text")


def test_a_mark_crlf_blank_lines_and_a_missing_last_break_change_nothing(file: Path) -> None:
    """Also a mark in the middle, as files put together with cat have it."""
    file.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\r\n \t\n\xef\xbb\xbf{"text": "b"}\n{"text": "c\xe2\x80\xa8d"}')
    records = documents(items(file))
    assert told(records) == ["a", "b", "c\u2028d"]
    assert [one.source.offset for one in records] == [0, 23, 40]
    assert isinstance(records[1].columns, Row)
    assert records[1].columns.line == '{"text": "b"}'


BAD: list[tuple[str, bytes, str, str]] = [
    ("cut", b'{"text": "a', "not-json", "Unterminated string, column 10"),
    ("two values", b'{"text": "a"} {"text": "b"}', "not-json", "Extra data, column 15"),
    ("a raw control character", b'{"text": "a\x01"}', "not-json", "Invalid control character, column 12"),
    ("a number without end", b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "not-json", "a number of more than 4,300 digits"),
    ("deep", b'{"text": "a", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not-json", "nested too deeply"),
    ("a list", b'["text", "a"]', "not-object", ""),
    ("a string", b'"text"', "not-object", ""),
    ("null", b"null", "not-object", ""),
    ("not UTF-8", b'{"text": "a\xfd"}', "not-utf-8", "byte 11 of the line is 0xFD"),
    ("half a character", b'{"text": "\xc4', "not-utf-8", "byte 10 of the line is 0xC4"),
    ("no field", b'{"title": "a"}', "no-text-field", "no `text`"),
    ("a number", b'{"text": 5}', "not-text", "`text` holds a number"),
    ("a list in the field", b'{"text": ["a"]}', "not-text", "`text` holds a list"),
    ("NUL bytes", b"\0\0\0\0", "not-json", "Expecting value, column 1"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_line_fails_with_its_byte_and_its_neighbours_do_not(file: Path, line: bytes, reason: str, detail: str) -> None:
    first, bad, last = items(write(file, {"text": "a"}, line, {"text": "b"}))
    assert told([first, last]) == ["a", "b"]
    usual = document_id(Source(b"", "a.jsonl", offset=14))
    assert bad == Failed(usual, "a.jsonl", reason, "byte 14" + (f": {detail}" if detail else ""), offset=14)


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_packed_file_is_one_range_and_known_by_its_lines(file: Path, packed: Any) -> None:
    file.write_bytes(packed(b'{"text": "a"}\n\n{"text": \n{"text": "b"}'))
    options = ReadOptions(max_bytes=0, shard_bytes=5)
    assert list(split(str(file), "a.jsonl", options)) == [(0, None)]
    first, bad, last = items(file, options)
    assert (told([first, last]), failure(bad).reason, failure(bad).detail) == (["a", "b"], "not-json", "line 3: Expecting value, column 9")
    assert [one.source.offset for one in documents([first, last])] == [0, 3]
    assert failure(bad).id == document_id(Source(b"", "a.jsonl", offset=2))


def test_null_is_passed_over(file: Path) -> None:
    assert items(write(file, {"text": "a"}, {"text": None})) == [*items(write(file, {"text": "a"})), Passed("a.jsonl", "null-text")]
    assert items(write(file, {"text": None, "id": 1})) == [Passed("a.jsonl", "null-text")]


@pytest.mark.parametrize("length", range(10, 20))
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_above_the_limit_fails_and_its_neighbours_do_not(file: Path, length: int, end: bytes) -> None:
    """Every length about the limit of 15 bytes, the line's end not counted."""
    line = b'{"text":"' + b"x" * (length - 11) + b'"}' if length > 10 else b" " * 10
    write(file, {"text": "a"}, line, b'{"text":"b"}', end=end)
    middle = [] if length == 10 else ["too-long" if length > 15 else "x" * (length - 11)]
    records = items(file, ReadOptions(max_bytes=15))
    assert told(records) == ["a", *middle, "b"]
    assert told(items(write(file, line), ReadOptions(max_bytes=15))) == middle


@pytest.mark.slow
def test_a_line_of_200_megabytes_is_passed_over_and_never_held(file: Path) -> None:
    with file.open("wb") as stream:
        stream.write(b'{"text": "a"}\n{"text": "')
        for _ in range(200):
            stream.write(b"x" * 1_000_000)
        stream.write(b'"}\n{"text": "b"}\n')
    tracemalloc.start()
    try:
        records = items(file, ReadOptions(max_bytes=1_000_000, shard_bytes=150_000_000))  # the second range begins inside it
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told(records) == ["a", "too-long", "b"]
    assert failure(records[1]).detail == "byte 14"
    assert peak < 8_000_000


LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b" ", b"{", b"[]", b'{"text": null}', b'\xff{"text": "a"}', b"\xef\xbb\xbf", b'{"body": 1}']),
        st.text(max_size=8).map(lambda text: json.dumps({"text": text}).encode()),
        st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: json.dumps({"text": text}, ensure_ascii=False).encode()),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=LINES,
    ends=st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=12, max_size=12),
    last=st.booleans(),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    limit=st.sampled_from([0, 12, 30]),
)
def test_any_split_gives_the_same_lines_once_each(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: list[bytes], last: bool, cuts: list[int], limit: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "split.jsonl"
    content = b'{"text":"1"}\n' + b"".join(line + end for line, end in zip(lines, ends, strict=False))
    file.write_bytes(content if last else content.removesuffix(b"\n"))
    options = ReadOptions(max_bytes=limit, text_field="text")
    whole = list(read(str(file), "a", 0, None, options))
    bounds = [0, *sorted(cuts), None]
    parts = [item for start, stop in pairwise(bounds) for item in read(str(file), "a", start or 0, stop, options)]
    assert parts == whole
    assert len({one.source.offset for one in whole if isinstance(one, Document)}) == sum(isinstance(one, Document) for one in whole)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 60), step=st.integers(1, 300))
def test_the_ranges_of_split_tile_the_file(tmp_path_factory: pytest.TempPathFactory, count: int, step: int) -> None:
    file = tmp_path_factory.getbasetemp() / "tiles.jsonl"
    write(file, *({"text": str(number)} for number in range(count)))
    options = ReadOptions(max_bytes=0, shard_bytes=step)
    ranges = list(split(str(file), "a", options))
    assert ranges[0][0] == 0
    assert ranges[-1][1] is None
    assert all(stop == following for (_, stop), (following, _) in pairwise(ranges))
    assert all(stop - start == step for start, stop in ranges if stop is not None)
    assert told(items(file, options)) == [str(number) for number in range(count)]


def test_every_range_chooses_the_columns_of_the_first_lines(file: Path) -> None:
    """A range whose lines have no `text` must not take their `body` for it."""
    write(file, {"body": "?", "text": "a"}, *({"body": "b"} for _ in range(20)))
    assert told(items(file, ReadOptions(max_bytes=0, shard_bytes=60))) == ["a", *["no-text-field"] * 20]


def test_columns_are_guessed_from_more_than_the_first_line(file: Path) -> None:
    write(file, b"broken", {"title": "a"}, {"content": None, "n": 1}, {"content": "<p>a", "n": None, "id": 5, "url": []})
    columns = columns_of(str(file), "a", OPTIONS)
    assert (columns.documents, columns.url, columns.id) == ((("content", None),), None, "id")


def test_a_file_without_a_usual_column_is_refused(file: Path) -> None:
    write(file, {"title": "a", "n": 1})
    for step in (lambda: list(split(str(file), "a.jsonl", OPTIONS)), lambda: list(read(str(file), "a.jsonl", 0, None, OPTIONS))):
        with pytest.raises(InputError, match=r"^a\.jsonl: .*Its columns: title, n \(a number\)$"):
            step()


REFUSED: list[tuple[str, bytes, str]] = [
    ("an array over lines, as scrapy's JSON export has it", b'[\n{"text": "a"},\n{"text": "b"}\n]\n', r"jq -c '\.\[\]'"),
    ("an array on one line", b'[{"text": "a"}, {"text": "b"}]\n', r"jq -c '\.\[\]'"),
    ("an object over lines", b'{\n  "text": "a"\n}\n', r"jq -c \. FILE"),
    ("UTF-16 with a mark", '{"text": "a"}\n'.encode("utf-16"), "iconv -f UTF-16"),
    ("UTF-16 without one", '{"text": "a"}\n'.encode("utf-16-be"), "iconv -f UTF-16"),
]


@pytest.mark.parametrize(("content", "way"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_jsonl_is_refused_with_the_way_out(file: Path, content: bytes, way: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=way) as refused:
        items(file)
    assert str(refused.value).startswith("a.jsonl: ")


def test_a_file_that_holds_no_object_anywhere_is_not_searched_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"no JSON\n" * 10_001 + b'{"text": "a"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: no line up to byte 79992 is a JSON object"):
        items(file)
    monkeypatch.setattr(jsonl, "SEARCH_BYTES", 1000)
    file.write_bytes(b" " * 999 + b"\n \n" + b'{"text": "a"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: no line up to byte 1000 is a JSON object"):
        items(file)


def test_a_small_file_of_bad_lines_fails_line_by_line(file: Path) -> None:
    assert told(items(write(file, b"no JSON", b"5"))) == ["not-json", "not-object"]
    file.write_bytes(b"")
    assert items(file) == []


def test_a_cut_gzip_fails_once_where_it_was_cut(file: Path) -> None:
    """The rest of the cut line is no second failure."""
    content = b"".join(b'{"text": "%d %s"}\n' % (number, b"x" * 50) for number in range(5000))
    packed = gzip.compress(content)
    file.write_bytes(packed[: len(packed) // 2])
    *whole, last = items(file)
    assert 100 < len(documents(whole)) < 5000
    assert told(whole) == [f"{number} {'x' * 50}" for number in range(len(whole))]
    assert (failure(last).reason, failure(last).detail.split(":")[0]) == ("truncated-gzip", f"line {len(whole) + 2}")


def test_a_gzip_cut_behind_a_whole_line_keeps_that_line(file: Path) -> None:
    packed = gzip.compress(b'{"text": "a"}')
    file.write_bytes(packed[:-4])
    assert told(items(file)) == ["a", "truncated-gzip"]


def test_a_gzip_damaged_from_its_first_byte_is_one_failure(file: Path) -> None:
    file.write_bytes(b"\x1f\x8b\x08\0" + b"\xff" * 50)
    assert told(items(file)) == ["damaged-gzip"]


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


def test_storage_that_fails_in_the_middle_is_a_failure_with_its_byte(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, *({"text": "a"} for _ in range(200)))
    monkeypatch.setattr(jsonl, "open_binary", lambda path: Failing(open_binary(path), 150))
    *whole, last = items(file)
    assert told(whole) == ["a"] * 150
    assert (failure(last).reason, failure(last).detail) == ("unreadable", f"byte {14 * 150}: Input/output error")
    # Where the columns are chosen, no range could be sure to choose like the others.
    monkeypatch.setattr(jsonl, "open_binary", lambda path: Failing(open_binary(path), 50))
    with pytest.raises(InputError, match="Input/output error"):
        items(file)


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl"):
        items(file)


EXACT = [
    '{"text": "a", "big": 123456789012345678901234567890, "one": 1, "float": 1.0, "zero": -0, "long": 0.30000000000000004000, "huge": 1e999}',
    '{"text":"a","e":1E5,"esc":"\\/\\u00e7\\ud83d\\ude00\\ud800","nested":{"a":[1.50,{"b":2.00}]},"twice":1,"twice":2}',
    '{ "text" :\t"a" , "x" : null }',
    '{"text": "a"}',
]


@pytest.mark.parametrize("line", EXACT)
def test_a_row_gives_its_line_back_to_the_letter(file: Path, line: str) -> None:
    """Also after a pickle, as one that travels between processes."""
    (one,) = documents(items(write(file, line)))
    row = pickle.loads(pickle.dumps(one)).columns
    assert isinstance(row, Row)
    assert row == json.loads(line)
    assert row.with_values({}) == line
    grown = row.with_values({"clean": "ç", "words": 2})
    assert grown == line[:-1].rstrip() + ', "clean": "ç", "words": 2}'
    assert json.loads(grown) == {**json.loads(line), "clean": "ç", "words": 2}
    assert row.with_values({"text": "b"}) == line.replace('"a"', '"b"', 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=5)


@settings(max_examples=150, deadline=None)
@given(values=OBJECTS, added=OBJECTS, indent=st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\t")]), ascii_only=st.booleans())
def test_values_put_into_a_row_are_all_that_changes(
    values: dict[str, Any], added: dict[str, Any], indent: tuple[str, str], ascii_only: bool
) -> None:
    line = json.dumps(values, separators=indent, ensure_ascii=ascii_only)
    result = json.loads(Row(values, line).with_values(added))
    assert result == {**values, **added}
    assert list(result) == list({**values, **added})
