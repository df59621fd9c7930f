import datetime as dt
import json
import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.readers import ReadOptions, parquet
from newsfilter.dumps.readers.parquet import ArrowRow, columns_of, read, split
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

OPTIONS = ReadOptions(max_bytes=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.parquet"


def items(file: Path, table: Any = None, options: ReadOptions = OPTIONS, **written: Any) -> list[Item]:
    """All records, range after range, of a file that is written first where a table is given."""
    if table is not None:
        pq.write_table(pa.table(table) if isinstance(table, dict) else table, file, **written)
    return [item for start, stop in split(str(file), "a.parquet", options) for item in read(str(file), "a.parquet", start, stop, options)]


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


def document(record: Item) -> Document:
    assert isinstance(record, Document), record
    return record


def row(record: Item) -> ArrowRow:
    columns = document(record).columns
    assert isinstance(columns, ArrowRow)
    return columns


def test_rows_become_documents_with_their_number_and_columns(file: Path) -> None:
    one, two = items(file, {"id": [7, None], "url": ["https://a.example/1", None], "text": ["Köprü", ""]})
    assert document(one).source == Source("Köprü", "a.parquet", "text/plain", url="https://a.example/1", offset=0, id="7")
    assert (dict(row(one)), document(one).field) == ({"id": 7, "url": "https://a.example/1", "text": "Köprü"}, "text")
    assert document(two).source == Source("", "a.parquet", "text/plain", offset=1)


def test_null_text_is_passed_over_and_counted_by_its_kind(file: Path) -> None:
    records = items(file, {"text": ["a", None, "b"], "id": [1, 2, 3]})
    assert records[1] == Passed("a.parquet", "null-text")
    assert [document(one).source.offset for one in (records[0], records[2])] == [0, 2]
    assert told(items(file, {"text": pa.nulls(2)})) == ["null-text"] * 2


def test_pages_may_be_bytes_whose_charset_is_found_later(file: Path) -> None:
    page = "<meta charset=windows-1254>İyi".encode("cp1254")
    (one,) = items(file, {"html": [page]})
    assert (document(one).source.raw, document(one).source.media_type) == (page, "text/html")


TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
def test_text_may_be_stored_in_any_of_arrows_ways(file: Path, kind: Any) -> None:
    assert told(items(file, {"text": pa.array(["a", None, "b", "a"], kind)})) == ["a", "null-text", "b", "a"]


def test_a_list_column_called_text_is_not_taken_for_text(file: Path) -> None:
    assert document(items(file, {"text": [["a"]], "body": ["b"]})[0]).field == "body"
    with pytest.raises(InputError, match=r"a\.parquet: .* Its columns: text \(no text\), id \(a number\)$"):
        items(file, {"text": [["a"]], "id": [1]})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "none of its columns"),
        ({"text_field": "body"}, "has no column 'body'; give --text-field"),
        ({"html_field": "n"}, "does not hold text"),
    ],
)
def test_a_missing_column_is_refused_by_split_and_by_read(file: Path, asked: dict[str, str], said: str) -> None:
    pq.write_table(pa.table({"title": ["a"], "n": [1]}), file)
    options = ReadOptions(max_bytes=0, **asked)  # type: ignore[arg-type]
    for step in (split(str(file), "a.parquet", options), read(str(file), "a.parquet", 0, None, options)):
        with pytest.raises(InputError, match=f"{said}.*Its columns: title, n") as refused:
            list(step)
        assert str(refused.value).startswith("a.parquet: ")


def test_what_was_guessed_can_be_said(file: Path) -> None:
    pq.write_table(pa.table({"_id": ["a"], "content": ["b"]}), file)
    assert columns_of(str(file), "a", OPTIONS).said == "text from column `content`, id from column `_id`"


def test_two_columns_of_one_name_are_refused(file: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), file)
    with pytest.raises(InputError, match="two of its columns are called 'text'; rename one"):
        items(file)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize("step", [1, 700, 1500, 10**9])
def test_any_split_by_row_groups_gives_the_same_rows_once_each(file: Path, size: int, step: int) -> None:
    texts = [str(number) + "x" * 50 for number in range(40)]
    options = ReadOptions(max_bytes=0, shard_bytes=step)
    records = items(file, {"text": texts}, options, row_group_size=size)
    assert told(records) == texts
    assert [document(one).source.offset for one in records] == list(range(40))
    ranges = list(split(str(file), "a", options))
    assert ranges[0][0] == 0
    assert ranges[-1][1] is None
    assert all(stop == start for (_, stop), (start, _) in pairwise(ranges))
    about = pq.ParquetFile(file).metadata
    held = [[about.row_group(group).total_byte_size for group in range(about.num_row_groups)[start:stop]] for start, stop in ranges]
    assert all(sum(sizes) <= step or len(sizes) == 1 for sizes in held)
    assert all(sum(sizes) + after[0] > step for sizes, after in pairwise(held))


def test_a_file_without_rows_has_one_range_and_no_documents(file: Path) -> None:
    pq.ParquetWriter(file, pa.schema([("text", pa.string())])).close()
    assert list(split(str(file), "a", OPTIONS)) == [(0, None)]
    assert items(file) == []
    assert items(file, {"text": pa.array([], pa.string())}) == []


def test_rows_are_decoded_a_bounded_batch_at_a_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"text": [random.Random(number).randbytes(500).hex() for number in range(600)]}
    assert {row(one).batch.num_rows for one in items(file, texts, use_dictionary=False)} == {256, 600 - 512}
    monkeypatch.setattr(parquet, "BATCH_BYTES", 10_500)
    assert {row(one).batch.num_rows for one in items(file)} == {10}
    monkeypatch.setattr(parquet, "BATCH_BYTES", 10)
    assert {row(one).batch.num_rows for one in items(file)} == {1}


@pytest.mark.slow
def test_a_row_group_of_any_size_takes_the_memory_of_its_pages(file: Path) -> None:
    """In a process of its own, whose peak Linux counts from its start: 190 MB of text in one row group."""
    writer = pq.ParquetWriter(file, pa.schema([("text", pa.string())]), use_dictionary=False, compression="none", write_batch_size=16)
    writer.write_table(pa.table({"text": [f"{number:x}" * 10_000 for number in range(6_000)]}), row_group_size=10_000)
    writer.close()
    assert (file.stat().st_size > 190_000_000, pq.ParquetFile(file).num_row_groups) == (True, 1)
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from newsfilter.dumps.readers import ReadOptions\n"
        "from newsfilter.dumps.readers.parquet import columns_of, read\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "columns_of(sys.argv[1], 'a', ReadOptions(0))\n"
        "before = peak()\n"
        "print(sum(1 for _ in read(sys.argv[1], 'a', 0, None, ReadOptions(0))), peak() - before)\n"
    )
    rows, kilobytes = map(
        int, subprocess.run([sys.executable, "-c", code, file], capture_output=True, check=True, text=True).stdout.split()
    )
    assert rows == 6_000
    assert kilobytes < 100_000


NESTED = {
    "text": pa.array(["a", "b"]),
    "tags": pa.array([["x", None], []]),
    "meta": pa.array([{"a": {"b": [1]}}, None]),
    "headers": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    "when": pa.array([1, 2**62], pa.timestamp("ns", "UTC")),
    "far": pa.array([10**15, 1], pa.timestamp("ms")),
    "day": pa.array([dt.date(2024, 2, 29), None]),
    "price": pa.array([1, None]).cast(pa.decimal128(38, 0)),
    "single": pa.array([0.1, float("nan")], pa.float32()),
    "big": pa.array([2**64 - 1, 0], pa.uint64()),
    "raw": pa.array([b"\xff\x00", None]),
    "kind": pa.array(["n", "n"]).dictionary_encode(),
}


def test_every_column_passes_through_as_arrow_has_it(file: Path) -> None:
    """Nanoseconds, dates beyond Python's and categories too; also after a pickle."""
    records = items(file, NESTED)
    wanted = pq.read_table(file)
    for number, one in enumerate(records):
        for columns in (row(one), pickle.loads(pickle.dumps(document(one))).columns):
            kept = columns.batch.slice(columns.number, 1)
            assert kept.schema == wanted.schema
            expected = wanted.slice(number, 1)
            assert [column.to_pylist() for column in kept.drop_columns(["single", "far"]).columns] == [
                column.to_pylist() for column in expected.drop_columns(["single", "far"]).columns
            ]
            assert kept["far"].cast(pa.int64()).to_pylist() == expected["far"].cast(pa.int64()).to_pylist()
            assert kept["single"].view(pa.int32()).to_pylist() == expected["single"].combine_chunks().view(pa.int32()).to_pylist()


def test_a_row_is_a_mapping_whose_values_are_decoded_when_asked_for(file: Path) -> None:
    first = row(items(file, NESTED)[0])
    assert list(first) == list(NESTED)
    assert len(first) == len(NESTED)
    assert (first["tags"], first["meta"], first["headers"]) == (["x", None], {"a": {"b": [1]}}, [("k", 1)])
    assert "nope" not in first
    with pytest.raises(KeyError):
        first["nope"]
    with pytest.raises(OverflowError):  # beyond the year 9999; the other columns do not mind
        first["far"]
    assert (
        json.dumps({name: first[name] for name in ("text", "tags", "meta")})
        == '{"text": "a", "tags": ["x", null], "meta": {"a": {"b": [1]}}}'
    )


def test_a_pickled_row_takes_its_batch_not_along(file: Path) -> None:
    records = items(file, {"text": [f"{number}" * 1000 for number in range(200)]})
    assert row(records[0]).batch.nbytes > 200_000
    assert len(pickle.dumps(row(records[150]))) < 10_000


def strings(*values: bytes) -> Any:
    """A string column that holds bytes which need be no UTF-8."""
    return pa.array(values, pa.binary()).cast(pa.string(), safe=False) if all(map(_is_utf8, values)) else _unchecked(values)


def _is_utf8(value: bytes) -> bool:
    return value.decode("utf-8", "replace").encode() == value


def _unchecked(values: Sequence[bytes]) -> Any:
    held = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(held), held.buffers())


@pytest.mark.parametrize("column", ["text", "title"])
def test_a_string_that_is_not_utf8_fails_its_row_in_whatever_column(file: Path, column: str) -> None:
    other = {"text": "title", "title": "text"}[column]
    first, bad, last = items(file, {column: strings(b"a", b"\xff", b"c"), other: ["a", "b", "c"]})
    assert (document(first).source.raw, document(last).source.raw) == ("a", "c")
    assert isinstance(bad, Failed)
    assert (bad.id, bad.reason, bad.detail[:6]) == (document_id(Source(b"", "a.parquet", offset=1)), "not-utf-8", "row 1:")


def test_a_document_above_the_limit_fails_with_its_own_id(file: Path) -> None:
    """Its bytes count, not its letters."""
    first, long, wide, raw = items(file, {"text": ["x" * 10, "x" * 11, "ç" * 6, "ç" * 5], "id": list("abcd")}, ReadOptions(max_bytes=10))
    assert (document(first).source.id, document(raw).source.id) == ("a", "d")
    assert (long, wide) == (
        Failed("b", "a.parquet", "too-long", "row 1", offset=1),
        Failed("c", "a.parquet", "too-long", "row 2", offset=2),
    )
    (page,) = items(file, {"html": [b"x" * 11]}, ReadOptions(max_bytes=10))
    assert told([page]) == ["too-long"]


def test_a_damaged_row_group_fails_once_with_its_rows_and_the_others_are_read(file: Path) -> None:
    texts = [random.Random(number).randbytes(100).hex() for number in range(300)]
    pq.write_table(pa.table({"text": texts, "id": range(300)}), file, row_group_size=100, write_page_checksum=True, compression="zstd")
    chunk = pq.ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    content[chunk.dictionary_page_offset + 2000] ^= 0xFF
    file.write_bytes(content)
    records = items(file, options=ReadOptions(max_bytes=0, shard_bytes=1))
    assert told(records) == [*texts[:100], "damaged-parquet", *texts[200:]]
    assert isinstance(records[100], Failed)
    assert records[100].detail.startswith("rows 100 to 199, of row group 1: ")
    assert records[100].id == document_id(Source(b"", "a.parquet", offset=100))
    assert document(records[101]).source.offset == 200


WHOLE = pa.BufferOutputStream()
pq.write_table(pa.table({"text": ["a"] * 100, "id": range(100)}), WHOLE)
CONTENT = WHOLE.getvalue().to_pybytes()
DAMAGE = [
    ("empty", b""),
    ("cut short", CONTENT[:-100]),
    ("cut to its first bytes", CONTENT[:6]),
    ("its footer overwritten", CONTENT[:-200] + b"\xff" * 192 + CONTENT[-8:]),
    ("something else", b"id,text\n1,a\n"),
]


@pytest.mark.parametrize("content", [row[1] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_a_file_cut_or_damaged_as_a_whole_is_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    for step in (split(str(file), "crawl/a.parquet", OPTIONS), read(str(file), "crawl/a.parquet", 0, None, OPTIONS)):
        with pytest.raises(InputError, match=r"^crawl/a\.parquet: is no whole Parquet file \(.+\); copy it again"):
            list(step)


@pytest.mark.slow
def test_no_flipped_bit_raises_anything_but_a_refusal(file: Path) -> None:
    """And what a file says of its rows is what there is: each is a document, or stands in a failure."""
    texts = [random.Random(number).randbytes(60).hex() for number in range(60)]
    pq.write_table(pa.table({"text": texts, "n": [[number] for number in range(60)]}), file, row_group_size=20)
    whole, dice = file.read_bytes(), random.Random(4)
    refused = failed = 0
    for _ in range(120):
        content = bytearray(whole)
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        file.write_bytes(content)
        try:
            records = items(file)
        except InputError:
            refused += 1
        else:
            failed += any(isinstance(one, Failed) for one in records)
            assert len(records) in (60, 41, 22, 3)
    assert refused
    assert failed


def test_a_missing_library_is_said_with_its_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"a\.parquet: .*pip install 'newsfilter\[parquet\]'"):
        items(file)


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"a\.parquet"):
        items(file)


def test_a_value_that_is_stored_once_for_many_rows_is_not_held_once_for_each(tmp_path: Path) -> None:
    """Half a megabyte of file would be three gigabytes of rows."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["x" * 10_000_000]))
    table = pa.table({"text": [f"text {k}" for k in range(300)], "terms": column})
    path = str(tmp_path / "a.parquet")
    pq.write_table(table, path, store_schema=False, dictionary_pagesize_limit=10**9)
    before, most, rows = pa.total_allocated_bytes(), 0, 0
    for item in read(path, "a.parquet", 0, None, ReadOptions(max_bytes=20_000_000)):
        assert isinstance(item, Document)
        rows, most = rows + 1, max(most, pa.total_allocated_bytes() - before)
    assert rows == 300
    assert most < 400_000_000
